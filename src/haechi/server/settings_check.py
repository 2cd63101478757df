"""What types cannot say of the server's settings: what goes together, what nobody could use."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from haechi.engines.addresses import is_loopback
from haechi.engines.typed import shown
from haechi.errors import ConfigError
from haechi.respond.alerts.settings import check as check_alerts
from haechi.runtime.decode.application import Application

if TYPE_CHECKING:
    from haechi.server.settings import ClusterSettings, Listen, Respond, Settings, Tls


def check(settings: Settings) -> None:
    """Raises ConfigError."""
    listen, tls = settings.listen, settings.tls
    for where, fault, do in _faults(listen, tls):
        raise ConfigError(fault, do=do, where=where)
    settings.auth.check()
    _check_clusters(settings.clusters.followed)
    check_alerts(settings.alerts.receivers, settings.alerts.routes)
    _check_respond(settings.respond)
    for feed in settings.runtime.feeds:
        if feed.kind == "application" and feed.mapping not in settings.runtime.mappings:
            raise ConfigError(
                f"the mapping {shown(feed.mapping)} of the feed {feed.id} is not declared",
                do="declare it under runtime.mappings",
                where="runtime.feeds",
            )
    for name, mapping in settings.runtime.mappings.items():
        try:
            Application(mapping)
        except ConfigError as error:
            raise ConfigError(
                error.what, why=error.why, do=error.do, where=f"runtime.mappings.{name}"
            ) from error


def _check_respond(respond: Respond) -> None:
    """A policy that cannot be read must not turn into none: the server does not start."""
    from haechi.world.receivers.settings import check_url

    for name, receiver in respond.receivers.items():
        check_url(receiver.url, where=f"respond.receivers.{name}", allow_http=receiver.allow_http)
        if not re.fullmatch(r"https?://[^/?#\s@]+(/[^\s]*)?", receiver.url):
            raise ConfigError(
                f"{shown(receiver.url)} is no address to send to",
                do="https://host/path; a token is named by token_file",
                where=f"respond.receivers.{name}",
            )
    if not respond.policy:
        return
    from haechi.respond.policy import load_policy

    needed = load_policy(Path(respond.policy)).file.receiver
    if needed and needed not in respond.receivers:
        raise ConfigError(
            f"the policy sends to {shown(needed)}, and no such receiver is declared",
            do="declare it under respond.receivers",
            where="respond.policy",
        )


def _check_clusters(clusters: Sequence[ClusterSettings]) -> None:
    seen: set[str] = set()
    for one in clusters:
        where = f"clusters.followed: {shown(one.name)}"
        # `-` alone is the cluster of events and scans that name none.
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,99}|-", one.name):
            raise ConfigError(
                "is no name for a cluster", do="letters, digits, . _ : @ -", where=where
            )
        if one.name in seen:
            raise ConfigError("stands there twice", do="give each its own name", where=where)
        seen.add(one.name)
        ways = [bool(one.dump), one.in_cluster, bool(one.kubeconfig or one.context)]
        if sum(ways) > 1:
            raise ConfigError(
                "is to be reached in several ways",
                do="take one of kubeconfig (with context), in_cluster, dump",
                where=where,
            )


def _faults(listen: Listen, tls: Tls) -> Iterator[tuple[str, str, str]]:
    try:
        ipaddress.ip_address(listen.address)
    except ValueError:
        yield "listen.address", f"{shown(listen.address)} is no IP address", "127.0.0.1 or ::1"
        return
    if bool(tls.certificate) != bool(tls.key):
        yield "tls", "certificate and key go together", "set both, or neither"
    if tls.certificate and tls.self_made:
        yield "tls", "either files or self_made", "take one of them away"
    if not is_loopback(listen.address) and not (
        tls.certificate or tls.self_made or listen.allow_plain
    ):
        yield (
            "listen.address",
            f"{listen.address} can be reached by others, and without TLS everybody on the way "
            "reads passwords and findings",
            "set tls.certificate and tls.key, tls.self_made, or (behind a proxy that encrypts) "
            "listen.allow_plain",
        )
    yield from _network_faults(listen.trusted_proxies)
    if listen.public_url and not re.fullmatch(r"https?://[^/?#\s@]+/?", listen.public_url):
        yield "listen.public_url", "must be scheme and host alone", "https://haechi.example.com"


def _network_faults(networks: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    for network in networks:
        try:
            ipaddress.ip_network(network)
        except ValueError:
            yield "listen.trusted_proxies", f"{shown(network)} is no network", "10.0.0.0/8"
