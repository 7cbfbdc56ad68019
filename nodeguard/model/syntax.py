"""Kubernetes' rules for names, keys and values: each function says what is allowed, or None when the value is fine.

Source: kubernetes, staging/src/k8s.io/apimachinery/pkg/util/validation/validation.go; pkg/apis/core/validation.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from nodeguard.model.instant import parse_rfc3339

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_ENV_NAME = re.compile(r"[ -<>-~]+")
_PORT_NAME = re.compile(r"(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SYSCTL = re.compile(r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?")
_CONFIG_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_UID = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?")
_WORDS = "lower-case letters, digits"


def dns_label(text: str) -> str | None:
    """RFC 1123 label."""
    if len(text) <= 63 and _LABEL.fullmatch(text):
        return None
    return f"allowed are {_WORDS} and '-', a letter or digit first and last, at most 63 characters"


def dns_subdomain(text: str) -> str | None:
    """RFC 1123 subdomain."""
    if len(text) <= 253 and _SUBDOMAIN.fullmatch(text):
        return None
    return f"allowed are {_WORDS}, '-' and '.', a letter or digit around every '.', at most 253 characters"


def name_prefix(text: str) -> str | None:
    """``generateName``: a subdomain that may end with '-'."""
    return dns_subdomain(text[:-1] + "a" if text.endswith("-") else text)


def qualified_name(text: str) -> str | None:
    """The key of a label, annotation or taint: a name, or ``prefix/name``."""
    prefix, slash, name = text.rpartition("/")
    if (not slash or (prefix and dns_subdomain(prefix) is None)) and len(name) <= 63 and _QUALIFIED.fullmatch(name):
        return None
    return (
        "allowed are letters, digits, '-', '_' and '.', a letter or digit first and last, at most 63 characters, "
        "and a DNS name with '/' before it"
    )


def annotation_key(text: str) -> str | None:
    """A qualified name in any case."""
    return qualified_name(text.lower())


def label_value(text: str) -> str | None:
    """What a label may hold; empty is fine."""
    if not text or (len(text) <= 63 and _QUALIFIED.fullmatch(text)):
        return None
    return "allowed are letters, digits, '-', '_' and '.', a letter or digit first and last, at most 63 characters"


def env_name(text: str) -> str | None:
    """A variable's name: printable ASCII but '=' (Kubernetes 1.34 and later)."""
    return None if _ENV_NAME.fullmatch(text) else "allowed are printable ASCII characters other than '='"


def port_name(text: str) -> str | None:
    """IANA service name."""
    if len(text) <= 15 and _PORT_NAME.fullmatch(text):
        return None
    return (
        f"allowed are {_WORDS} and '-' with at least one letter, no '-' first, last or doubled, at most 15 characters"
    )


def sysctl_name(text: str) -> str | None:
    """``net.ipv4.ip_forward``; '/' may stand for '.'."""
    if len(text) <= 253 and _SYSCTL.fullmatch(text):
        return None
    return f"allowed are {_WORDS}, '-' and '_' in parts divided by '.' or '/', at most 253 characters"


def uid(text: str) -> str | None:
    """A uid becomes part of cgroup and file names."""
    return (
        None if len(text) <= 63 and _UID.fullmatch(text) else "allowed are letters, digits and '-', at most 63 of them"
    )


def ip_address(text: str) -> str | None:
    """IPv4 or IPv6."""
    from ipaddress import ip_address as parsed  # rarely needed, and slow to import

    try:
        if "%" not in text:
            parsed(text)
            return None
    except ValueError:
        pass
    return "allowed is an IPv4 or IPv6 address"


def timestamp(text: str) -> str | None:
    """RFC 3339, as ``metav1.Time`` is written."""
    return "allowed is a time such as 2026-08-26T12:00:00Z" if parse_rfc3339(text) is None else None


def absolute_path(text: str) -> str | None:
    """Begins with '/'."""
    return None if text.startswith("/") else "must be an absolute path, beginning with '/'"


def no_backsteps(text: str) -> str | None:
    """No part of the path is '..'."""
    return "must not contain '..'" if ".." in text.split("/") else None


def relative_path(text: str) -> str | None:
    """Neither absolute nor leaving the directory it starts from."""
    if text.startswith("/"):
        return "must be a relative path, without '/' at its beginning"
    return no_backsteps(text)


def trimmed(text: str) -> str | None:
    """No space around it."""
    return None if text == text.strip() else "must not begin or end with white space"


def base64_text(text: str) -> str | None:
    """Standard base64; line breaks are passed over, as Go does."""
    from binascii import Error, a2b_base64  # rarely needed

    try:
        a2b_base64(text.replace("\n", "").replace("\r", ""), strict_mode=True)
    except (Error, ValueError):
        return "allowed is base64, with padding"
    return None


def config_key(text: str) -> str | None:
    """The key of a value in a ConfigMap or Secret, which becomes a file's name."""
    if len(text) <= 253 and _CONFIG_KEY.fullmatch(text) and text != "." and not text.startswith(".."):
        return None
    return "allowed are letters, digits, '-', '_' and '.', at most 253 characters, not '.' and nothing with '..' first"


SYNTAX: dict[str, Callable[[str], str | None]] = {
    rule.__name__: rule
    for rule in (
        dns_label,
        dns_subdomain,
        name_prefix,
        qualified_name,
        annotation_key,
        label_value,
        env_name,
        port_name,
        sysctl_name,
        uid,
        ip_address,
        timestamp,
        absolute_path,
        no_backsteps,
        relative_path,
        trimmed,
    )
}
