"""kubeconfig files: read as kubectl reads them, several merged into one.

Values are kubectl's: the first file to name a cluster, user, context or the current context wins,
and a path in a file is meant from that file's folder. Unknown keys are left alone (other tools
keep their own there). What kubectl refuses is refused here: a name given twice in one list, no
such context. Source: k8s.io/client-go/tools/clientcmd (loader.go, validation.go).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import structs

from haechi.engines.typed import read_single
from haechi.engines.values import Limits
from haechi.errors import ConfigError

_LIMITS = Limits(size=4 << 20, documents=4, values=200_000, depth=40)
VARIABLE = "KUBECONFIG"


class _Part(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """Base of the parts."""


class ExecVariable(msgspec.Struct, frozen=True, kw_only=True):
    """A variable for a plug-in."""

    name: str = ""
    value: str = ""


class ExecPlugin(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A program that gives credentials."""

    command: str = ""
    args: list[str] = []
    env: list[ExecVariable] = []
    api_version: str = ""
    install_hint: str = ""
    provide_cluster_info: bool = False
    interactive_mode: str = ""


class Extension(msgspec.Struct, frozen=True, kw_only=True):
    """What other tools keep beside an entry."""

    name: str = ""
    extension: Any = None


class ClusterEntry(_Part, frozen=True, kw_only=True):
    """How a server is reached."""

    server: str = ""
    tls_server_name: str = ""
    insecure_skip_tls_verify: bool = False
    certificate_authority: str = ""
    certificate_authority_data: str = ""
    proxy_url: str = ""
    disable_compression: bool = False
    extensions: list[Extension] = []


class UserEntry(_Part, frozen=True, kw_only=True):
    """Who asks."""

    client_certificate: str = ""
    client_certificate_data: str = ""
    client_key: str = ""
    client_key_data: str = ""
    token: str = ""
    token_file: str = msgspec.field(name="tokenFile", default="")
    impersonate: str = msgspec.field(name="as", default="")
    impersonate_uid: str = msgspec.field(name="as-uid", default="")
    impersonate_groups: list[str] = msgspec.field(name="as-groups", default=[])
    impersonate_extra: dict[str, list[str]] = msgspec.field(name="as-user-extra", default={})
    username: str = ""
    password: str = ""
    auth_provider: Any = None
    exec: ExecPlugin | None = None


class ContextEntry(_Part, frozen=True, kw_only=True):
    """Which user asks which server."""

    cluster: str = ""
    user: str = ""
    namespace: str = ""


class _NamedCluster(msgspec.Struct, frozen=True, kw_only=True):
    name: str = ""
    cluster: ClusterEntry = ClusterEntry()


class _NamedUser(msgspec.Struct, frozen=True, kw_only=True):
    name: str = ""
    user: UserEntry = UserEntry()


class _NamedContext(msgspec.Struct, frozen=True, kw_only=True):
    name: str = ""
    context: ContextEntry = ContextEntry()


class _File(_Part, frozen=True, kw_only=True):
    clusters: list[_NamedCluster] = []
    users: list[_NamedUser] = []
    contexts: list[_NamedContext] = []
    current_context: str = ""


class Kubeconfig(msgspec.Struct, frozen=True, kw_only=True):
    """All files as one. ``folders`` tells where the plug-in of a user was declared."""

    clusters: dict[str, ClusterEntry] = {}
    users: dict[str, UserEntry] = {}
    contexts: dict[str, ContextEntry] = {}
    current_context: str = ""
    files: tuple[str, ...] = ()

    def chosen(self, context: str = "") -> tuple[str, ContextEntry, ClusterEntry, UserEntry]:
        """The context's name and what it stands for. Raises ConfigError."""
        name = context or self.current_context
        where = ", ".join(self.files) or "kubeconfig"
        if not name:
            raise ConfigError(
                "no context is chosen and the files name no current one",
                do=_choose(self.contexts),
                where=where,
            )
        entry = _named(self.contexts, "context", name, where)
        if not entry.cluster:
            raise ConfigError(f"the context {name!r} names no cluster", where=where)
        cluster = _named(self.clusters, "cluster", entry.cluster, where)
        user = _named(self.users, "user", entry.user, where) if entry.user else UserEntry()
        return name, entry, cluster, user


T = TypeVar("T")


def _named(entries: Mapping[str, T], what: str, name: str, where: str) -> T:
    if name not in entries:
        raise ConfigError(f"there is no {what} {name[:100]!r}", do=_choose(entries), where=where)
    return entries[name]


def _choose(names: Mapping[str, object]) -> str:
    if not names:
        return "the files declare none: is it the right file?"
    return f"there are: {', '.join(sorted(names)[:20])}"


def files_of(environ: Mapping[str, str], home: Path) -> list[Path]:
    """The files that kubectl would read: those of KUBECONFIG, else ``~/.kube/config``."""
    listed = environ.get(VARIABLE, "")
    if not listed:
        return [home / ".kube" / "config"]
    return [Path(one) for one in dict.fromkeys(listed.split(os.pathsep)) if one]


def load(paths: Sequence[Path], *, required: bool) -> Kubeconfig:
    """The files merged. Absent ones are passed over unless ``required``. Raises ConfigError."""
    clusters: dict[str, ClusterEntry] = {}
    users: dict[str, UserEntry] = {}
    contexts: dict[str, ContextEntry] = {}
    current, read = "", []
    for path in paths:
        file = _read(path, required=required)
        if file is None:
            continue
        read.append(str(path))
        folder = path.absolute().parent
        for cluster in _unique(file.clusters, "cluster", path):
            clusters.setdefault(cluster.name, _cluster_at(cluster.cluster, folder))
        for user in _unique(file.users, "user", path):
            users.setdefault(user.name, _user_at(user.user, folder))
        for context in _unique(file.contexts, "context", path):
            contexts.setdefault(context.name, context.context)
        current = current or file.current_context
    if not read:
        raise ConfigError(
            "there is no kubeconfig",
            do=f"set {VARIABLE}, or the path in the settings",
            where=", ".join(map(str, paths)),
        )
    return Kubeconfig(
        clusters=clusters,
        users=users,
        contexts=contexts,
        current_context=current,
        files=tuple(read),
    )


def _read(path: Path, *, required: bool) -> _File | None:
    try:
        with path.open("rb") as stream:
            data = stream.read(_LIMITS.size + 1)
    except FileNotFoundError:
        if not required:
            return None
        raise ConfigError("there is no such file", where=str(path)) from None
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=str(path)) from error
    document = read_single(data, str(path), limits=_LIMITS)
    if document is None or document.data is None:
        return _File()
    try:
        return msgspec.convert(_without_nulls(document.data), _File)
    except msgspec.ValidationError as error:
        raise ConfigError(f"not a kubeconfig: {error}", where=str(path)) from error


def _without_nulls(value: Any) -> Any:
    """``users: null`` is no users: kubectl writes it so."""
    match value:
        case dict():
            return {str(k): _without_nulls(one) for k, one in value.items() if one is not None}
        case list():
            return [_without_nulls(one) for one in value if one is not None]
        case _:
            return value


Entry = TypeVar("Entry", _NamedCluster, _NamedUser, _NamedContext)


def _unique(entries: Sequence[Entry], what: str, path: Path) -> Sequence[Entry]:
    seen: set[str] = set()
    for entry in entries:
        if entry.name in seen:
            raise ConfigError(
                f"the {what} {entry.name[:100]!r} stands there twice",
                do="keep one",
                where=str(path),
            )
        seen.add(entry.name)
    return entries


def _at(path: str, folder: Path) -> str:
    return str(folder / path) if path else ""


def _cluster_at(entry: ClusterEntry, folder: Path) -> ClusterEntry:
    return structs.replace(entry, certificate_authority=_at(entry.certificate_authority, folder))


def _user_at(entry: UserEntry, folder: Path) -> UserEntry:
    plugin = entry.exec
    if plugin is not None and "/" in plugin.command:
        plugin = structs.replace(plugin, command=_at(plugin.command, folder))
    return structs.replace(
        entry,
        client_certificate=_at(entry.client_certificate, folder),
        client_key=_at(entry.client_key, folder),
        token_file=_at(entry.token_file, folder),
        exec=plugin,
    )
