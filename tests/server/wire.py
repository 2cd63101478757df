"""Raw connections, for what no well-behaved client sends."""

from __future__ import annotations

import gzip
import socket


def exchange(port: int, *parts: bytes, seconds: float = 20.0) -> bytes:
    """Send the parts, and read until the server closes; ``b"…still open"`` when it does not."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        answer = b""
        try:
            for part in parts:
                connection.sendall(part)
            while piece := connection.recv(65536):
                answer += piece
        except TimeoutError:
            return answer + b"still open"
        except ConnectionError:
            return answer
        return answer


def head(method: str, target: str, who: str = "admin", **headers: str) -> bytes:
    """The head of a request; ``content_type="a/b"`` is a header."""
    lines = [f"{method} {target} HTTP/1.1", "Host: 127.0.0.1"]
    if who:
        lines.append(f"Authorization: Bearer {who}")
    lines += [f"{name.replace('_', '-').title()}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def status(answer: bytes) -> int:
    """The status of an answer."""
    return int(answer.split(b" ", 2)[1])


def packed(data: bytes) -> bytes:
    """As gzip, without the time: parameters of tests are the same in every process."""
    return gzip.compress(data, mtime=0)
