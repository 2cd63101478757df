"""A mail server on loopback (RFC 5321 as far as it is needed) with STARTTLS, TLS and AUTH."""

from __future__ import annotations

import base64
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any, cast


class MailServer:
    """``script`` are answers to the next commands of a kind: ``{"RCPT": ["450 later"]}``."""

    def __init__(self, context: ssl.SSLContext | None, *, at_once: bool = False) -> None:
        self.context, self.at_once = context, at_once
        self.user, self.password = "", ""
        self.mails: list[EmailMessage] = []
        self.raw: list[bytes] = []
        self.recipients: list[list[str]] = []
        self.plain_logins = 0
        self.script: dict[str, list[str]] = {}
        self._server = _Server(("127.0.0.1", 0), _Session)
        self._server.mail = self
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    mail: MailServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no fault."""


class _Session(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.mail = cast("_Server", self.server).mail
        self.secure = False
        self.let_in = not self.mail.user
        if self.mail.at_once:
            self._wrap()
        self.file = self.request.makefile("rb")
        self.to: list[str] = []
        try:
            self._say("220 mail.test ESMTP")
            while line := self.file.readline(2_000):
                if not self._command(line.decode("ascii", "replace").rstrip("\r\n")):
                    return
        finally:
            self.file.close()
            self.request.close()

    def _wrap(self) -> None:
        assert self.mail.context is not None
        self.request = self.mail.context.wrap_socket(self.request, server_side=True)
        self.secure = True

    def _say(self, text: str) -> None:
        self.request.sendall(text.replace("\n", "\r\n").encode() + b"\r\n")

    def _command(self, line: str) -> bool:
        verb = line.partition(" ")[0].upper()
        scripted = self.mail.script.get(verb)
        if scripted:
            self._say(scripted.pop(0))
            return True
        match verb:
            case "EHLO":
                can = ["250-mail.test"]
                can += ["250-STARTTLS"] if self.mail.context and not self.secure else []
                can += ["250-AUTH PLAIN LOGIN"] if self.mail.user else []
                self._say("\n".join([*can, "250 SMTPUTF8"]))
            case "STARTTLS":
                self._say("220 go on")
                self.file.close()
                self._wrap()
                self.file = self.request.makefile("rb")
            case "AUTH":
                self._login(line)
            case "MAIL":
                self._say("250 ok" if self.let_in else "530 authentication required")
            case "RCPT":
                self.to.append(line.partition("<")[2].partition(">")[0])
                self._say("250 ok")
            case "DATA":
                self._data()
            case "QUIT":
                self._say("221 bye")
                return False
            case _:
                self._say("250 ok")
        return True

    def _login(self, line: str) -> None:
        self.mail.plain_logins += not self.secure
        way, said = line.split()[1:3]
        if way == "LOGIN":
            self._say("334 UGFzc3dvcmQ6")
            words = [said, self.file.readline(2_000).decode("ascii", "replace")]
            user, password = (base64.b64decode(one).decode() for one in words)
        else:
            _, user, password = base64.b64decode(said).decode().split("\0")
        self.let_in = (user, password) == (self.mail.user, self.mail.password)
        self._say("235 in" if self.let_in else "535 5.7.8 no")

    def _data(self) -> None:
        self._say("354 go on")
        lines = []
        while (line := self.file.readline(100_000)) and line != b".\r\n":
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        raw = b"".join(lines)
        self.mail.raw.append(raw)
        self.mail.mails.append(message_from_bytes(raw, policy=default))
        self.mail.recipients.append(self.to)
        self.to = []
        self._say("250 taken")


@contextmanager
def mail_server(
    context: ssl.SSLContext | None = None, *, at_once: bool = False
) -> Iterator[MailServer]:
    """A server for the time of a test."""
    made = MailServer(context, at_once=at_once)
    try:
        yield made
    finally:
        made.close()
