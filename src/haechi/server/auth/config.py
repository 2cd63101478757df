"""The settings of signing in (section ``auth`` of the server's settings), checked when read.

A provider signs people in; a pipeline issuer lets CI jobs push with the token that their CI
makes for each run. What a claim gives is written as rules; who matches none gets nothing.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import msgspec

from haechi.errors import ConfigError
from haechi.model.access import Grant, Reach, Role

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
PIPELINE_MAY = frozenset(
    {"scans.push", "findings.list", "findings.show", "waivers.list", "now.show"}
)
"""What a pipeline's token may be allowed at all: never tokens, users, waivers or settings."""
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the sections: unknown keys are refused."""


class ClaimRule(Section, frozen=True, kw_only=True):
    """Who has ``value`` (exact, or a glob with ``*``) in ``claim`` gets the role within the
    clusters and namespaces. A claim of a list matches by any of its members."""

    value: str
    role: Role
    claim: str = "groups"
    clusters: tuple[str, ...] = ("*",)
    namespaces: tuple[str, ...] = ("*",)

    def grants(self) -> tuple[Grant, ...]:
        """One grant for each cluster and namespace."""
        return tuple(
            Grant(role=self.role, reach=Reach(cluster=cluster, namespace=namespace))
            for cluster in self.clusters
            for namespace in self.namespaces
        )


class Provider(Section, frozen=True, kw_only=True):
    """An OpenID provider for people. The secret stands in a file of its own (0600), or there is
    none (a public client: PKCE alone). ``allow_http`` is for a provider on loopback only."""

    name: str
    issuer: str
    client_id: str
    client_secret_file: str = ""
    label: str = ""
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    rules: tuple[ClaimRule, ...] = ()
    allow_http: bool = False


class PipelineRule(Section, frozen=True, kw_only=True):
    """A run whose claims match all of ``claims`` (claim → globs, any of them) may do
    ``permissions``, and push for its own repository only. A push asks for the server's waivers
    first, so both are the default."""

    claims: dict[str, tuple[str, ...]]
    permissions: tuple[str, ...] = ("scans.push", "waivers.list")
    role: Role = Role.OPERATOR
    clusters: tuple[str, ...] = ("*",)
    namespaces: tuple[str, ...] = ("*",)

    def grants(self) -> tuple[Grant, ...]:
        """One grant for each cluster and namespace."""
        return tuple(
            Grant(role=self.role, reach=Reach(cluster=cluster, namespace=namespace))
            for cluster in self.clusters
            for namespace in self.namespaces
        )


class PipelineIssuer(Section, frozen=True, kw_only=True):
    """A CI that signs tokens for its jobs. ``repository`` makes the URL of the run's repository
    from its claims; ``refs`` (default) binds a run to its own branch or tag, too."""

    name: str
    issuer: str
    audience: str
    rules: tuple[PipelineRule, ...]
    repository: str = "https://github.com/{repository}"
    refs: bool = True
    allow_http: bool = False


class Limits(Section, frozen=True, kw_only=True):
    """Requests in a second on the long run, and how many may come at once. ``anonymous`` is per
    network address, for whoever shows no valid credentials. ``sender`` is for events and feeds:
    Falco sends each alert alone and does not try again, and the Falcos of all nodes often share
    one token."""

    per_second: float = 200.0
    burst: int = 1000
    sender_per_second: float = 2000.0
    sender_burst: int = 10_000
    anonymous_per_second: float = 10.0
    anonymous_burst: int = 120
    failures_before_lockout: int = 5


class AuthSettings(Section, frozen=True, kw_only=True):
    """The section. ``session_idle_hours`` and ``session_hours`` end a session."""

    providers: tuple[Provider, ...] = ()
    pipelines: tuple[PipelineIssuer, ...] = ()
    limits: Limits = Limits()
    session_idle_hours: float = 8.0
    session_hours: float = 24.0

    def check(self) -> None:
        """Raises ConfigError for what the types cannot say."""
        _names([one.name for one in self.providers], "auth.providers")
        _names([one.name for one in self.pipelines], "auth.pipelines")
        for index, provider in enumerate(self.providers):
            where = f"auth.providers[{index}]"
            _issuer(provider.issuer, provider.allow_http, where)
            if "openid" not in provider.scopes:
                raise ConfigError("scopes lack openid", where=where, do="add openid to scopes")
        for index, pipeline in enumerate(self.pipelines):
            _pipeline(pipeline, f"auth.pipelines[{index}]")
        if not 0 < self.session_idle_hours <= self.session_hours <= 24 * 30:
            raise ConfigError(
                "session_idle_hours must be above 0 and not above session_hours (at most 720)",
                where="auth",
            )
        limits = self.limits
        rates = (limits.per_second, limits.sender_per_second, limits.anonymous_per_second)
        bursts = (limits.burst, limits.sender_burst, limits.anonymous_burst)
        if min(rates) <= 0 or min(*bursts, limits.failures_before_lockout) < 1:
            raise ConfigError("limits must be above 0", where="auth.limits")


def _names(names: list[str], where: str) -> None:
    for name in names:
        if not _NAME.fullmatch(name):
            raise ConfigError(f"{name!r} is no name", where=where, do="use a-z, 0-9 and -")
    if len(set(names)) != len(names):
        raise ConfigError("two have the same name", where=where)


def _issuer(issuer: str, allow_http: bool, where: str) -> None:
    try:
        parts = urlsplit(issuer)
        host = parts.hostname or ""
    except ValueError as error:
        raise ConfigError(f"issuer is no URL: {error}", where=where) from None
    if parts.scheme == "http" and allow_http and host in LOOPBACK:
        return
    if parts.scheme != "https" or not host or parts.query or parts.fragment or parts.username:
        raise ConfigError(
            f"issuer {issuer!r} is no https URL",
            where=where,
            why="keys fetched over http can be exchanged on the way",
            do="write https://…; http is possible for a provider on loopback with allow_http",
        )


def _pipeline(issuer: PipelineIssuer, where: str) -> None:
    _issuer(issuer.issuer, issuer.allow_http, where)
    if not issuer.audience:
        raise ConfigError("audience is empty", where=where, do="name this server's URL")
    if not re.search(r"\{\w+\}", issuer.repository):
        raise ConfigError("repository names no claim", where=where, do="write e.g. {repository}")
    for index, rule in enumerate(issuer.rules):
        place = f"{where}.rules[{index}]"
        if not rule.claims or not all(rule.claims.values()):
            raise ConfigError(
                "claims is empty", where=place, why="every run of everybody on this CI would match"
            )
        if extra := set(rule.permissions) - PIPELINE_MAY:
            raise ConfigError(
                f"a pipeline may not have {', '.join(sorted(extra))}",
                where=place,
                do=f"choose of {', '.join(sorted(PIPELINE_MAY))}",
            )
        if rule.role not in (Role.VIEWER, Role.OPERATOR):
            raise ConfigError(f"a pipeline may not be {rule.role}", where=place)
