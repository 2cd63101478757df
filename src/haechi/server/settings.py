"""How a server is set up: ``haechi.server.yaml``, the environment, options; each over the last.

Strict, as a key that is passed over is a protection that is off without a word. What every key
means stands beside its type, from where settings.list and the test of the guide take it. No
secret stands in these settings: they name the file or variable that holds one.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from collections.abc import Mapping as Names
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, inspect

from haechi.engines.typed import Misfit, config_error, misfits, nearest, read_single, shown
from haechi.engines.values import Limits as DocumentLimits
from haechi.errors import ConfigError
from haechi.model.location import AttrPath
from haechi.respond.alerts.settings import Route
from haechi.respond.alerts.settings import check as check_alerts
from haechi.respond.steps.notify import Receiver as ResponseReceiver
from haechi.runtime.decode.application import Application, Mapping
from haechi.runtime.sources import FeedSettings
from haechi.server.auth.config import AuthSettings
from haechi.server.shapes import Setting
from haechi.world.receivers.settings import ReceiverSettings

FILE = "haechi.server.yaml"
PREFIX = "HAECHI_SERVER_"
PORT = 8420
_DOCUMENT = DocumentLimits(size=1024 * 1024, documents=10, values=20_000, depth=20)
_DAYS = Meta(ge=1, le=3650)


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the sections."""


class Listen(Section, frozen=True, kw_only=True):
    """Where the server listens and under which names."""

    address: Annotated[
        str, Meta(description="IP address to listen on; this machine only unless set")
    ] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="TCP port; 0 takes a free one")] = PORT
    public_url: Annotated[
        str, Meta(description="how people reach it, as https://haechi.example.com")
    ] = ""
    hosts: Annotated[
        list[str],
        Meta(description="host names that it answers to, besides public_url and this machine's"),
    ] = []
    trusted_proxies: Annotated[
        list[str],
        Meta(description="networks of proxies whose X-Forwarded-For and -Proto count"),
    ] = []
    allow_plain: Annotated[
        bool, Meta(description="allow HTTP without TLS on other addresses than loopback")
    ] = False
    connections: Annotated[
        int, Meta(ge=16, le=65536, description="connections at a time; more wait")
    ] = 1024
    open_metrics: Annotated[
        bool, Meta(description="let everybody who reaches the server read /metrics")
    ] = False


class Tls(Section, frozen=True, kw_only=True):
    """Encryption of the connections."""

    certificate: Annotated[str, Meta(description="PEM file of the certificate chain")] = ""
    key: Annotated[str, Meta(description="PEM file of its private key")] = ""
    self_made: Annotated[
        bool, Meta(description="make a certificate authority and a certificate of one's own")
    ] = False
    names: Annotated[
        list[str],
        Meta(description="further names and addresses in the certificate that is made"),
    ] = []


class Keep(Section, frozen=True, kw_only=True):
    """How long and how much is kept."""

    retention_days: Annotated[int, _DAYS, Meta(description="days that events are kept")] = 30
    max_bytes: Annotated[
        int,
        Meta(ge=64 << 20, description="bytes that events may take; the oldest go first"),
    ] = 20 << 30


class Limits(Section, frozen=True, kw_only=True):
    """Bounds against use that takes the server from others."""

    threads: Annotated[int, Meta(ge=1, le=128, description="requests worked on at a time")] = 8
    waiting: Annotated[
        int, Meta(ge=1, le=10_000, description="requests that may wait for a thread")
    ] = 256
    seconds: Annotated[float, Meta(ge=1, le=600, description="longest time of a request")] = 30.0
    body_seconds: Annotated[
        float, Meta(ge=1, le=3600, description="longest time that a body may take to come")
    ] = 60.0
    body_rate: Annotated[
        int, Meta(ge=1, description="bytes a second that a body must reach after ten seconds")
    ] = 4096
    header_seconds: Annotated[
        float, Meta(ge=1, le=120, description="longest time that a request's head may take")
    ] = 10.0
    downloads: Annotated[
        int, Meta(ge=1, le=64, description="CSV and NDJSON answers and searches at a time")
    ] = 8
    streams: Annotated[int, Meta(ge=1, le=10_000, description="live streams at a time")] = 256
    streams_each: Annotated[
        int, Meta(ge=1, le=1000, description="live streams at a time of one user or token")
    ] = 16


class Witness(Section, frozen=True, kw_only=True):
    """A second place for the audit log's signed heads."""

    file: Annotated[
        str,
        Meta(description="file to which every signed head is added, best on another machine"),
    ] = ""


class Logging(Section, frozen=True, kw_only=True):
    """The server's own log, on standard error."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="least level that is told")
    ] = "info"
    format: Annotated[
        Literal["auto", "json", "text"],
        Meta(description="JSON lines or text; auto is text on a terminal"),
    ] = "auto"


class Tracing(Section, frozen=True, kw_only=True):
    """Traces of requests for OpenTelemetry; they need the extra ``haechi[otel]``."""

    endpoint: Annotated[
        str, Meta(description="OTLP over HTTP, as http://127.0.0.1:4318/v1/traces; none unless set")
    ] = ""


class Runtime(Section, frozen=True, kw_only=True):
    """Judging events by rules in the Falco language, and where events are read from."""

    judge: Annotated[bool, Meta(description="judge events by the runtime rules as they come")] = (
        True
    )
    behaviour: Annotated[
        bool, Meta(description="learn what is normal for each workload, and rank detections by it")
    ] = True
    learn_hours: Annotated[
        float,
        Meta(ge=0, le=2160, description="hours that a workload is learnt before it is judged"),
    ] = 24.0
    learn_events: Annotated[
        int,
        Meta(ge=100, le=10**9, description="events of a workload that are learnt before, at least"),
    ] = 2_000
    rules: Annotated[
        list[str],
        Meta(description="rule files, or folders of them, besides the built-in and saved ones"),
    ] = []
    feeds: Annotated[
        list[FeedSettings], Meta(description="files and pipes that events are read from")
    ] = []
    mappings: Annotated[
        dict[str, Mapping],
        Meta(description="how lines of applications become events, by name"),
    ] = {}


class Alerts(Section, frozen=True, kw_only=True):
    """Who is told of incidents and responses, where, and in which words."""

    language: Annotated[Literal["en", "ko"], Meta(description="language of the messages")] = "en"
    receivers: Annotated[
        list[ReceiverSettings], Meta(description="where messages are sent; in the file only")
    ] = []
    routes: Annotated[
        list[Route], Meta(description="which news go to which receivers; in the file only")
    ] = []
    max_age_hours: Annotated[
        int, Meta(ge=1, le=720, description="hours after which a message is given up")
    ] = 24
    keep_days: Annotated[int, _DAYS, Meta(description="days that what was sent is remembered")] = 30


class ClusterSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One cluster: by a kubeconfig (KUBECONFIG or ``~/.kube/config`` unless named), by the account
    of the pod that the server runs in, or out of a folder of manifests."""

    name: str
    kubeconfig: str = ""
    context: str = ""
    in_cluster: bool = False
    dump: str = ""
    namespaces: list[str] = []


class ClustersSection(Section, frozen=True, kw_only=True):
    """The clusters that the server follows, and how long their past is kept."""

    followed: Annotated[
        list[ClusterSettings],
        Meta(description="clusters that are followed, or read from a folder"),
    ] = []
    history_days: Annotated[
        int, _DAYS, Meta(description="days that what a cluster's objects were is kept")
    ] = 30
    history_rows: Annotated[
        int,
        Meta(ge=1_000, le=10_000_000, description="changes that are kept of each cluster"),
    ] = 500_000


class Respond(Section, frozen=True, kw_only=True):
    """What is done about incidents, and how far that goes by itself."""

    enabled: Annotated[
        bool, Meta(description="plan responses to incidents; what stands is undone in any case")
    ] = True
    policy: Annotated[
        str, Meta(description="file of the policy; the built-in one recommends and no more")
    ] = ""
    most: Annotated[
        Literal["observe", "recommend", "approve", "enforce"],
        Meta(description="how far any response goes by itself, whatever the policy says"),
    ] = "enforce"
    host: Annotated[
        bool, Meta(description="allow changes of this host's own packet filter (nftables, root)")
    ] = False
    host_cluster: Annotated[
        str,
        Meta(
            min_length=1,
            description="cluster that events of this host name: who may act there may change it",
        ),
    ] = "-"
    receivers: Annotated[
        dict[str, ResponseReceiver],
        Meta(description="where the action webhook sends to, by name; in the file only"),
    ] = {}
    evidence_days: Annotated[int, _DAYS, Meta(description="days that evidence is kept")] = 90
    evidence_bytes: Annotated[
        int,
        Meta(ge=64 << 10, le=1 << 30, description="largest file of evidence, in bytes"),
    ] = 32 << 20
    evidence_total: Annotated[
        int, Meta(ge=1 << 20, description="bytes that all evidence may take; the oldest goes first")
    ] = 4 << 30


class FileSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a file may hold: every section."""

    listen: Listen = Listen()
    tls: Tls = Tls()
    store: Keep = Keep()
    auth: AuthSettings = AuthSettings()
    limits: Limits = Limits()
    witness: Witness = Witness()
    logging: Logging = Logging()
    tracing: Tracing = Tracing()
    runtime: Runtime = Runtime()
    respond: Respond = Respond()
    alerts: Alerts = Alerts()
    clusters: ClustersSection = ClustersSection()


class Settings(FileSettings, frozen=True, kw_only=True):
    """All of it. ``origins`` tells where a key that is no default was set."""

    origins: dict[str, str] = {}

    def rows(self) -> list[Setting]:
        """Every setting in force, for settings.list."""
        return [
            Setting(
                key=key,
                value=_words(getattr(getattr(self, section), name)),
                origin=self.origins.get(key, "default"),
                what=what,
            )
            for key, section, name, what in keys()
        ]


def keys() -> Iterator[tuple[str, str, str, str]]:
    """Each key: ``section.name``, both parts, and what it means."""
    for section in _sections():
        for field in _fields(section):
            what = _meaning(field.type) or _AUTH.get(field.encode_name, "")
            yield f"{section}.{field.encode_name}", section, field.name, what


def _sections() -> tuple[str, ...]:
    return tuple(name for name in Settings.__struct_fields__ if name != "origins")


def _fields(section: str) -> tuple[inspect.Field, ...]:
    info = inspect.type_info(_section_type(section))
    assert isinstance(info, inspect.StructType)  # noqa: S101
    return info.fields


def _section_type(section: str) -> type[msgspec.Struct]:
    return type(getattr(Settings(), section))


_AUTH = {
    "providers": "OpenID providers by which people sign in",
    "pipelines": "issuers whose pipelines may push with the token of their run",
    "limits": "requests in a second, and failures before a lockout",
    "session_idle_hours": "hours without a request after which a session ends",
    "session_hours": "hours after which a session ends in any case",
}


def _meaning(info: inspect.Type) -> str:
    if isinstance(info, inspect.Metadata):
        found = (info.extra_json_schema or {}).get("description", "")
        return str(found) or _meaning(info.type)
    return ""


def _words(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case list() | tuple():
            return ", ".join(_named(one) for one in value)
        case dict():
            return ", ".join(map(str, value))
        case msgspec.Struct():
            return ", ".join(
                f"{name} {_words(getattr(value, name))}" for name in value.__struct_fields__
            )
        case _:
            return str(value)


def _named(value: Any) -> str:
    if isinstance(value, FeedSettings):
        return value.id
    return value.name if hasattr(value, "name") else str(value)


def load_settings(
    path: Path | None,
    *,
    environ: Names[str, str],
    options: Names[str, object] | None = None,
) -> Settings:
    """The settings in force. ``path`` None: no file. ``options`` by key (``listen.port``), None
    values are passed over. Raises ConfigError with the line of each fault."""
    document = read_single(_bytes(path), path.name, limits=_DOCUMENT) if path else None
    data: dict[str, Any] = {}
    if document is not None and document.data is not None:
        found = [_placed(one) for one in misfits(document.data, FileSettings)]
        if found:
            raise config_error(path.name if path else FILE, document, found)
        data = {section: dict(values) for section, values in document.data.items()}
    origins = {f"{section}.{key}": "file" for section in data for key in data[section]}
    _overlay(data, origins, "environment", _of_environment(environ))
    given = {key: value for key, value in (options or {}).items() if value is not None}
    _overlay(data, origins, "option", given)
    try:
        settings = msgspec.convert({**data, "origins": origins}, Settings)
    except msgspec.ValidationError as error:
        raise ConfigError(_plain(str(error)), where="the server's settings") from error
    _check(settings)
    return settings


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(_DOCUMENT.size + 1)
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=str(path)) from error


_PLACE = re.compile(r" - at `\$\.?([^`]*)`\Z")


def _plain(message: str) -> str:
    """msgspec's words with the place first, as everywhere in haechi."""
    place = _PLACE.search(message)
    words = _PLACE.sub("", message).replace("Expected", "must be")
    return f"`{place[1]}` {words}" if place and place[1] else words


def _placed(misfit: Misfit) -> Misfit:
    """A range's fault has its place in its words only: make the path of it."""
    place = _PLACE.search(misfit.message)
    if misfit.path or place is None:
        return misfit
    path: AttrPath = tuple(
        int(word) if word.isdigit() else word
        for word in re.split(r"[.\[\]]+", place[1])
        if word and word != "..."
    )
    return Misfit(path=path, message=_plain(misfit.message), do=misfit.do)


_FILE_ONLY = frozenset(
    {
        "runtime.feeds",
        "runtime.mappings",
        "respond.receivers",
        "alerts.receivers",
        "alerts.routes",
        "clusters.followed",
    }
)


def _of_environment(environ: Names[str, str]) -> dict[str, str]:
    """``HAECHI_SERVER_LISTEN_PORT`` is ``listen.port``. Unknown names are errors."""
    names = {f"{PREFIX}{re.sub('[.-]', '_', key).upper()}": key for key, *_ in keys()}
    found: dict[str, str] = {}
    for name, value in environ.items():
        if not name.startswith(PREFIX):
            continue
        if name not in names:
            do = nearest(name, names) or f"the names are those of the keys in {FILE}"
            raise ConfigError(f"{name} names no setting", do=do, where="the environment")
        if names[name].startswith("auth.") or names[name] in _FILE_ONLY:
            raise ConfigError(f"{name}: set it in {FILE}", where="the environment")
        found[names[name]] = value
    return found


def _overlay(
    data: dict[str, Any], origins: dict[str, str], origin: str, given: Names[str, object]
) -> None:
    known = {key: (section, name) for key, section, name, _ in keys()}
    for key, value in given.items():
        if key not in known:
            raise ConfigError(f"{key} names no setting", do=nearest(key, known))
        section, name = known[key]
        types = dict(zip(*_types(section), strict=True))
        try:
            made = _read(value, types[name])
        except msgspec.ValidationError as error:
            what = f"`{key}` {_plain(str(error))}, not {shown(value)}"
            raise ConfigError(what, where=f"the {origin}") from error
        data.setdefault(section, {})[key.partition(".")[2]] = made
        origins[key] = origin


def _types(section: str) -> tuple[list[str], list[Any]]:
    fields = msgspec.structs.fields(_section_type(section))
    return [field.name for field in fields], [field.type for field in fields]


def _read(value: object, type_: Any) -> Any:
    """A value of the environment or of an option; texts of a list are parted by commas."""
    if isinstance(value, str) and _is_list(type_):
        value = [part.strip() for part in value.split(",") if part.strip()]
    return msgspec.convert(value, type_, strict=False)


def _is_list(type_: Any) -> bool:
    info = inspect.type_info(type_)
    return isinstance(info.type if isinstance(info, inspect.Metadata) else info, inspect.ListType)


def is_loopback(address: str) -> bool:
    """True for an address that only this machine reaches."""
    return ipaddress.ip_address(address).is_loopback


def _check(settings: Settings) -> None:
    """What types cannot say."""
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
        loopback = is_loopback(listen.address)
    except ValueError:
        yield "listen.address", f"{shown(listen.address)} is no IP address", "127.0.0.1 or ::1"
        return
    if bool(tls.certificate) != bool(tls.key):
        yield "tls", "certificate and key go together", "set both, or neither"
    if tls.certificate and tls.self_made:
        yield "tls", "either files or self_made", "take one of them away"
    if not loopback and not (tls.certificate or tls.self_made or listen.allow_plain):
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
