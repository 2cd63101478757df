"""How a server is set up: ``haechi.server.yaml``, the environment, options; each over the last.

Strict, as a key that is passed over is a protection that is off without a word. What every key
means stands beside its type, from where settings.list and the test of the guide take it. No
secret stands in these settings: they name the file or variable that holds one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Mapping as Names
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, inspect

from haechi.engines.typed import config_error, misfits, nearest, placed, plain, read_single, shown
from haechi.engines.values import Limits as DocumentLimits
from haechi.errors import ConfigError
from haechi.respond.alerts.settings import Route
from haechi.respond.steps.notify import Receiver as ResponseReceiver
from haechi.runtime.decode.application import Mapping
from haechi.runtime.sources import FeedSettings
from haechi.server.auth.config import AuthSettings
from haechi.server.settings_check import check
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


class Admission(Section, frozen=True, kw_only=True):
    """Policies at the door: the background audit by them, and what webhooks tell."""

    audit: Annotated[
        bool, Meta(description="judge what followed clusters hold by their policies")
    ] = True
    policies: Annotated[
        list[str], Meta(description="files of policies, or folders of them, for every cluster")
    ] = []
    packs: Annotated[
        list[str], Meta(description="built-in packs of policies that the audit judges by")
    ] = msgspec.field(default_factory=lambda: ["sensible"])
    cluster_policies: Annotated[
        bool, Meta(description="judge by the policies that a cluster itself holds, too")
    ] = True
    interval_minutes: Annotated[
        int, Meta(ge=1, le=1440, description="minutes after which all is judged again")
    ] = 30
    deadline_s: Annotated[
        float, Meta(ge=0.1, le=60, description="seconds that a policy may take for one object")
    ] = 5.0
    memory_bytes: Annotated[
        int,
        Meta(ge=64 << 20, le=16 << 30, description="memory that judging by policies may take"),
    ] = 1 << 30
    record_reviews: Annotated[
        bool,
        Meta(description="keep requests that webhooks saw, without secrets, for what-if"),
    ] = True
    decision_days: Annotated[int, _DAYS, Meta(description="days that decisions are kept")] = 30
    decision_rows: Annotated[
        int, Meta(ge=1_000, le=10_000_000, description="decisions that are kept with details")
    ] = 200_000
    review_days: Annotated[int, _DAYS, Meta(description="days that recorded requests are kept")] = (
        30
    )
    review_bytes: Annotated[
        int, Meta(ge=1 << 20, description="bytes that recorded requests may take")
    ] = 512 << 20


class Advisories(Section, frozen=True, kw_only=True):
    """The server's own advisories, by which it judges stored SBOMs when there are new ones."""

    sources: Annotated[
        list[str],
        Meta(
            description="files, folders, HTTPS addresses or ecosystems (PyPI: OSV's export) that "
            "advisories are imported from; the network is not used unless one says so"
        ),
    ] = []
    every_hours: Annotated[
        float, Meta(ge=0.1, le=720, description="hours after which the sources are asked again")
    ] = 24.0
    stale_days: Annotated[
        int, _DAYS, Meta(description="days after which advisories are too old to rely on")
    ] = 30
    max_bytes: Annotated[
        int, Meta(ge=1 << 20, le=8 << 30, description="bytes of an upload of advisories, at most")
    ] = 1 << 30


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
    admission: Admission = Admission()
    advisories: Advisories = Advisories()


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
        found = [placed(one) for one in misfits(document.data, FileSettings)]
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
        raise ConfigError(plain(str(error)), where="the server's settings") from error
    check(settings)
    return settings


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(_DOCUMENT.size + 1)
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=str(path)) from error


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
            what = f"`{key}` {plain(str(error))}, not {shown(value)}"
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
