"""``python -m nodeguard.api.certificate DIRECTORY``: a CA, a server's certificate and an administrator's exist.

A process of its own, because the library for it is large and this happens once a year. Each file has certificate and
key together, so that no crash can leave one without the other; whatever is there and still good stays.

Source: kubeadm, app/phases/certs (names and lifetimes).
"""

from __future__ import annotations

import argparse
import fcntl
import ipaddress
import os
import socket
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA, SERVER, ADMIN = "ca.pem", "server.pem", "admin.pem"
CA_CERTIFICATE = "ca.crt"
"""the CA's certificate alone: what others may have"""

_CA_DAYS, _DAYS, _RENEW_DAYS, _RENEW_CA_DAYS = 3650, 365, 30, 400
_LOCAL = ("127.0.0.1", "::1", "localhost")

Pair = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def ensure_certificates(directory: Path, names: Sequence[str], now: datetime) -> list[str]:
    """Everything is there and good for a while; the names of the files that were made."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
    # The agent and `nodeguard kubeconfig` may come here at once: what one CA has issued means nothing to another.
    lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _ensure_certificates(directory, names, now)
    finally:
        os.close(lock)


def _ensure_certificates(directory: Path, names: Sequence[str], now: datetime) -> list[str]:
    made = []
    ca = _read(directory / CA)
    if ca is None or _ends_within(ca[0], now, _RENEW_CA_DAYS):
        ca = _make_ca(now)
        _write(directory / CA, ca)
        made.append(CA)
    _write_text(directory / CA_CERTIFICATE, ca[0].public_bytes(serialization.Encoding.PEM))
    every = [_name(each) for each in dict.fromkeys((*_LOCAL, *names))]
    if not _is_good(directory / SERVER, ca, now, names=every):
        _write(directory / SERVER, _issue(ca, "nodeguard", "", now, ExtendedKeyUsageOID.SERVER_AUTH, every))
        made.append(SERVER)
    if not _is_good(directory / ADMIN, ca, now):
        client = ExtendedKeyUsageOID.CLIENT_AUTH
        _write(directory / ADMIN, _issue(ca, "nodeguard-admin", "system:masters", now, client, []))
        made.append(ADMIN)
    return made


def _is_good(path: Path, ca: Pair, now: datetime, names: Sequence[x509.GeneralName] = ()) -> bool:
    pair = _read(path)
    if pair is None or _ends_within(pair[0], now, _RENEW_DAYS):
        return False
    try:
        pair[0].verify_directly_issued_by(ca[0])
        found = pair[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value if names else ()
    except Exception:  # made by another CA, or not as we make them: cryptography has many names for that
        return False
    return set(names) <= set(found)


def _make_ca(now: datetime) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"nodeguard-ca-{x509.random_serial_number() % 10**8}")])
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    builder = _builder(name, name, key, now, _CA_DAYS)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(usage, critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    return builder.sign(key, hashes.SHA256()), key


def _issue(
    ca: Pair, name: str, organization: str, now: datetime, usage: x509.ObjectIdentifier, names: list[x509.GeneralName]
) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
    if organization:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    builder = _builder(x509.Name(attributes), ca[0].subject, key, now, _DAYS)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca[1].public_key())
    builder = builder.add_extension(issuer, critical=False)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(ca[1], hashes.SHA256()), key


def _builder(
    name: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # clocks differ
        .not_valid_after(now + timedelta(days=days))
    )


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _ends_within(certificate: x509.Certificate, now: datetime, days: int) -> bool:
    return certificate.not_valid_after_utc - now < timedelta(days=days) or certificate.not_valid_before_utc > now


def _read(path: Path) -> Pair | None:
    """A certificate and the key it is for; None when that is not what the file holds."""
    try:
        text = path.read_bytes()
        certificate = x509.load_pem_x509_certificate(text)
        key = serialization.load_pem_private_key(text, password=None)
    except (OSError, ValueError):
        return None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or certificate.public_key() != key.public_key():
        return None
    return certificate, key


def _write(path: Path, pair: Pair) -> None:
    certificate, key = pair
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write_text(path, certificate.public_bytes(serialization.Encoding.PEM) + private)


def _write_text(path: Path, text: bytes) -> None:
    """All of it or none; root alone reads it."""
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)
    fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description="Make what is missing of nodeguard's certificates.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--name", action="append", default=[], help="another name or address of the server")
    options = parser.parse_args(argv)
    try:
        for name in ensure_certificates(options.directory, (socket.gethostname(), *options.name), datetime.now(UTC)):
            sys.stdout.write(f"{name}\n")
    except (OSError, ValueError) as e:
        sys.stderr.write(f"cannot make certificates in {options.directory}: {e}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
