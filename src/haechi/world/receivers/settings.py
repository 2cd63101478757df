"""How a receiver is set up: one flat shape for all kinds, and what each kind may and must have.

Flat, because the reader of settings names every misfit with its line and knows no unions. No
secret stands here: ``secret_file`` or ``secret_env`` names where it is, and so do ``url_file``
and ``url_env`` for addresses that are secrets themselves (Slack's).
"""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from haechi.engines.addresses import is_loopback
from haechi.errors import ConfigError

Kind = Literal[
    "webhook",
    "slack",
    "alertmanager",
    "smtp",
    "pagerduty",
    "jira",
    "github",
    "gitlab",
    "otlp",
    "syslog",
]
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")
TICKETS = frozenset({"jira", "github", "gitlab"})
"""Kinds that keep one thing for each topic, which people work on there."""
KEYED = frozenset({*TICKETS, "pagerduty"})
"""Kinds that know a topic by a key of its own: a message tells of one topic only."""

_COMMON = {"name", "kind", "rate", "timeout"}
_WEB = {*_COMMON, "url", "ca_file", "allow_http"}
_HIDDEN = {"url_file", "url_env"}
_SECRET = {"secret_file", "secret_env"}
_MAY: dict[str, set[str]] = {
    "webhook": {*_WEB, *_HIDDEN, *_SECRET},
    "slack": {*_WEB, *_HIDDEN, "flavor"},
    "alertmanager": {*_WEB, *_SECRET, "user", "resend"},
    "smtp": {*_COMMON, *_SECRET, "host", "port", "tls", "user", "sender", "to", "ca_file"},
    "pagerduty": {*_WEB, *_SECRET},
    "jira": {
        *_WEB,
        *_SECRET,
        *("user", "api", "project", "issue_type", "done", "again", "labels"),
    },
    "github": {*_WEB, *_SECRET, "repository", "labels"},
    "gitlab": {*_WEB, *_SECRET, "repository", "labels"},
    "otlp": {*_WEB, *_SECRET},
    "syslog": {*_COMMON, "host", "port", "protocol", "format", "ca_file"},
}
_URLS = {
    "pagerduty": "https://events.pagerduty.com",
    "github": "https://api.github.com",
    "gitlab": "https://gitlab.com",
}
_PORTS = {"smtp": {"starttls": 587, "tls": 465, "none": 25}}


class ReceiverSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A receiver. ``secret`` is what its kind needs: the key of the webhook's signature,
    PagerDuty's routing key, a token of Jira, GitHub or GitLab, the password of a mail server, the
    bearer of Alertmanager and OTLP. ``rate`` is messages in a minute, ``timeout`` seconds in all
    that one may take, ``resend`` seconds after which an Alertmanager is told again what lasts.
    ``done`` and ``again`` name Jira's transitions to close and to reopen an issue."""

    name: str
    kind: Kind
    url: str = ""
    url_file: str = ""
    url_env: str = ""
    secret_file: str = ""
    secret_env: str = ""
    ca_file: str = ""
    allow_http: bool = False
    rate: Annotated[int, Meta(ge=1, le=6000)] = 30
    timeout: Annotated[float, Meta(ge=1, le=120)] = 20.0
    flavor: Literal["slack", "mattermost"] = "slack"
    resend: Annotated[int, Meta(ge=10, le=3600)] = 60
    host: str = ""
    port: Annotated[int, Meta(ge=0, le=65535)] = 0
    tls: Literal["starttls", "tls", "none"] = "starttls"
    user: str = ""
    sender: str = ""
    to: list[str] = []
    api: Literal["2", "3"] = "3"
    project: str = ""
    issue_type: str = "Task"
    done: str = "Done"
    again: str = "To Do"
    repository: str = ""
    labels: list[str] = []
    protocol: Literal["udp", "tcp", "tls"] = "tls"
    format: Literal["json", "cef"] = "json"

    @property
    def tickets(self) -> bool:
        """True for a kind that keeps a ticket for each topic."""
        return self.kind in TICKETS

    @property
    def keyed(self) -> bool:
        """True for a kind whose messages are each about one topic."""
        return self.kind in KEYED

    @property
    def address(self) -> str:
        """Where it is, without what may be secret in it: scheme and host."""
        if self.kind in ("smtp", "syslog"):
            return f"{self.host}:{self.port_or_default}"
        if not self.url and (self.url_file or self.url_env):
            return ""
        parts = urlsplit(self.web_address)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")

    @property
    def web_address(self) -> str:
        """The URL, or that of the product's own service; no slash at the end."""
        return (self.url or _URLS.get(self.kind, "")).rstrip("/")

    @property
    def port_or_default(self) -> int:
        """The port that is meant."""
        if self.port:
            return self.port
        if self.kind == "smtp":
            return _PORTS["smtp"][self.tls]
        return {"udp": 514, "tcp": 601, "tls": 6514}[self.protocol]

    @property
    def secret_set(self) -> bool:
        """True when a place for the secret is named."""
        return bool(self.secret_file or self.secret_env)

    def check(self, where: str) -> None:
        """Raises ConfigError for what the types cannot say."""
        if not NAME.fullmatch(self.name):
            raise ConfigError(
                f"{self.name[:60]!r} is no name", where=where, do="use a-z, 0-9 and -"
            )
        self._foreign(where)
        for name, either, or_ in (
            ("secret", self.secret_file, self.secret_env),
            ("url", self.url_file, self.url_env),
        ):
            if either and or_:
                raise ConfigError(f"{name}_file and {name}_env exclude each other", where=where)
        if self.url and (self.url_file or self.url_env):
            raise ConfigError("the URL is named twice", where=where, do="keep one of them")
        if self.kind in ("smtp", "syslog"):
            self._server(where)
        else:
            self._web(where)
        self._needed(where)

    def _foreign(self, where: str) -> None:
        """Keys of another kind are a mistake, and would be passed over without a word."""
        for field in msgspec.structs.fields(self):
            value = getattr(self, field.name)
            given = value != field.default if field.default is not msgspec.NODEFAULT else True
            if field.default_factory is not msgspec.NODEFAULT:
                given = bool(value)
            if given and field.name not in _MAY[self.kind]:
                may = ", ".join(sorted(_MAY[self.kind] - {"name", "kind"}))
                raise ConfigError(
                    f"`{field.name}` means nothing to a receiver of the kind {self.kind}",
                    where=where,
                    do=f"it may have: {may}",
                )

    def _web(self, where: str) -> None:
        if self.url_file or self.url_env:
            return
        check_url(self.web_address, where=where, allow_http=self.allow_http)

    def _server(self, where: str) -> None:
        if not re.fullmatch(r"[A-Za-z0-9._:-]{1,253}", self.host):
            raise ConfigError("`host` is missing or no host", where=where, do="host: mail.example")
        if self.kind == "smtp" and self.tls == "none" and not is_loopback(self.host):
            raise ConfigError(
                "mail without TLS",
                why="everybody on the way reads what is attacked, and the password",
                do="tls: starttls, or tls; none is for a server on this machine",
                where=where,
            )

    def _needed(self, where: str) -> None:
        for name in {
            "smtp": ("sender", "to"),
            "jira": ("project",),
            "github": ("repository",),
            "gitlab": ("repository",),
        }.get(self.kind, ()):
            if not getattr(self, name):
                raise ConfigError(f"`{name}` is missing", where=where)
        needs = self.kind in ("pagerduty", "jira", "github", "gitlab", "webhook")
        if needs and not self.secret_set:
            raise ConfigError(
                f"a receiver of the kind {self.kind} needs a secret",
                why="a webhook without a signature can be sent by anybody"
                if self.kind == "webhook"
                else "",
                do="secret_file: a file of mode 0600, or secret_env: a variable",
                where=where,
            )
        if self.secret_env.startswith("HAECHI_SERVER_"):
            raise ConfigError("HAECHI_SERVER_… are names of settings", where=where)
        if self.kind == "github" and not re.fullmatch(r"[\w.-]+/[\w.-]+", self.repository):
            raise ConfigError("`repository` is no owner/name", where=where)
        if self.kind == "smtp":
            for one in (self.sender, *self.to):
                if not re.fullmatch(r"[^\s<>@,;:\"()\\]+@[^\s<>@,;:\"()\\]+", one, re.ASCII):
                    raise ConfigError(
                        f"{one[:60]!r} is no address", where=where, do="name@example.com"
                    )
        if self.kind == "jira" and not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,254}", self.project):
            raise ConfigError("`project` is no key of a project", where=where, do="project: SEC")


def check_url(url: str, *, where: str, allow_http: bool) -> None:
    """Raises ConfigError unless the URL can be sent to: https, or plain on this machine or by
    leave."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise ConfigError("`url` is no URL", where=where) from None
    if parts.scheme not in ("http", "https") or not host or parts.fragment or not url.isascii():
        raise ConfigError("`url` is missing or no URL", where=where, do="url: https://…")
    if parts.username or parts.password:
        raise ConfigError("`url` holds a login", where=where, do="use user and secret_file")
    if parts.scheme == "http" and not allow_http and not is_loopback(host):
        raise ConfigError(
            "`url` is not https",
            why="everybody on the way could read and change what is sent",
            do="write https://…, or allow_http: true where the way is safe",
            where=where,
        )
