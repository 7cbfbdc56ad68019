"""One question, one answer, without http.client: its imports (email, ssl) take longer than everything else of a list.

HTTP/1.0, so that the answer ends with the connection. Whatever is not a plain 200 is left to those who know more.
"""

from __future__ import annotations

import socket

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 30.0


def read(path: str, target: str, accept: str) -> bytes | None:
    """The body of the answer; None when there is none, or when it is not as plain as it should be."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(CONNECT_SECONDS)
        try:
            connection.connect(path)
            connection.settimeout(ANSWER_SECONDS)
            head = f"GET {target} HTTP/1.0\r\nHost: localhost\r\nAccept: {accept}\r\nUser-Agent: nodeguard\r\n\r\n"
            connection.sendall(head.encode("ascii"))
            pieces = []
            while piece := connection.recv(1 << 18):
                pieces.append(piece)
        except (OSError, UnicodeEncodeError):
            return None
    return plain_body(b"".join(pieces))


def plain_body(answer: bytes) -> bytes | None:
    """What follows the head of a 200 that is whole, of known length and without warnings; None for any other. Pure."""
    head, end, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.split(b"\r\n")
    if not end or status.split(b" ")[1:2] != [b"200"]:
        return None
    length = None
    for line in lines:
        name, _, value = line.partition(b":")
        name = name.strip().lower()
        if name in (b"warning", b"transfer-encoding", b"content-encoding"):
            return None
        if name == b"content-length":
            length = value.strip()
    return body if length == str(len(body)).encode() else None
