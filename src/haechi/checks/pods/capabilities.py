"""Linux capabilities: what is added, what is not dropped, and spellings that do nothing.

Container runtimes read the names in their own ways. containerd compares ``ALL`` without regard
to case and puts ``CAP_`` before every other name, so a name that already carries the prefix
means nothing to it; CRI-O takes both spellings. The rules about danger therefore take both, the
rules about spelling say which reader disagrees.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from haechi.checks.pods.privilege import is_privileged
from haechi.checks.pods.view import Container, items, mapping, pod_of
from haechi.checks.pods.words import listed, named, quoted
from haechi.model.location import AttrPath
from haechi.model.review import Hit, Review

TAKEOVER = frozenset(
    {
        "SYS_ADMIN",
        "SYS_MODULE",
        "SYS_RAWIO",
        "SYS_PTRACE",
        "SYS_BOOT",
        "DAC_READ_SEARCH",
        "BPF",
        "MAC_ADMIN",
        "MAC_OVERRIDE",
        "PERFMON",
    }
)
"""Capabilities from which an attacker reaches the node or other containers' data."""

NETWORK = frozenset({"NET_ADMIN", "NET_RAW", "NET_BROADCAST"})
DEFAULT = frozenset(
    {
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    }
)
"""What Pod Security's baseline allows to add (runtimes grant most of it anyway)."""


def _names(container: Container, which: str) -> list[str]:
    names = mapping(container.security.get("capabilities")).get(which)
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _plain(name: str) -> str:
    return name.upper().removeprefix("CAP_")


def _path(container: Container, which: str) -> AttrPath:
    return (*container.path, "securityContext", "capabilities", which)


def _added(review: Review) -> list[tuple[Container, set[str]]]:
    """Containers that add capabilities, with the plain names; found once per review."""
    known: list[tuple[Container, set[str]]] | None = review.memo.get("pods.capabilities")
    if known is None:
        pod = pod_of(review)
        containers = () if pod.is_windows else pod.containers
        known = review.memo["pods.capabilities"] = [
            (container, {_plain(name) for name in names})
            for container in containers
            if (names := _names(container, "add")) and not is_privileged(container)
        ]
    return known


def _hits(review: Review, among: Collection[str]) -> Iterator[Hit]:
    for container, names in _added(review):
        found = sorted(name for name in names if name in among)
        if found and "ALL" not in names:
            yield Hit(f"{named(container)} adds {listed(found)}", _path(container, "add"))


def add_all(review: Review) -> Iterator[Hit]:
    """Every capability at once: privileged in all but name."""
    for container, names in _added(review):
        if "ALL" in names:
            yield Hit(f"{named(container)} adds every capability", _path(container, "add"))


def add_takeover(review: Review) -> Iterator[Hit]:
    """Capabilities that lead to the node."""
    return _hits(review, TAKEOVER)


def add_network(review: Review) -> Iterator[Hit]:
    """Raw packets and network configuration."""
    return _hits(review, NETWORK)


def add_other(review: Review) -> Iterator[Hit]:
    """Anything else beyond what baseline allows."""
    known = TAKEOVER | NETWORK | DEFAULT
    for container, names in _added(review):
        found = sorted(names - known)
        if found and "ALL" not in names:
            yield Hit(f"{named(container)} adds {listed(found)}", _path(container, "add"))


def add_default(review: Review) -> Iterator[Hit]:
    """Within baseline, beyond restricted (which allows NET_BIND_SERVICE only)."""
    return _hits(review, DEFAULT - {"NET_BIND_SERVICE"})


def not_dropped(review: Review) -> Iterator[Hit]:
    """The runtime's default capabilities stay in the container."""
    pod = pod_of(review)
    if pod.is_windows:
        return
    for container in pod.containers:
        if is_privileged(container):
            continue
        drop = mapping(container.security.get("capabilities")).get("drop")
        names = [drop] if isinstance(drop, str) else items(drop)
        if any(isinstance(name, str) and name.upper() == "ALL" for name in names):
            continue
        said = (
            f"drops only {listed(names)}" if names else "keeps the runtime's default capabilities"
        )
        yield Hit(f"{named(container)} {said}", _path(container, "drop"))


def letter_case(review: Review) -> Iterator[Hit]:
    """``drop: [all]``: honoured by the runtimes; Pod Security compares exactly and refuses."""
    for container in pod_of(review).containers:
        if "capabilities" not in container.security:
            continue
        wrong = [name for name in _names(container, "drop") if name.upper() == "ALL" != name]
        which = "drop"
        if not wrong:
            wrong = [name for name in _names(container, "add") if name != name.upper()]
            which = "add"
        if wrong:
            yield Hit(
                f"{named(container)} writes {listed(map(quoted, wrong))} under {which}, and Pod "
                "Security accepts capital letters only",
                _path(container, which),
            )


def prefixed(review: Review) -> Iterator[Hit]:
    """``CAP_`` before a name: containerd adds it again and then knows no such capability."""
    for container in pod_of(review).containers:
        if "capabilities" not in container.security:
            continue
        for which, effect in (("drop", "drops nothing"), ("add", "adds nothing")):
            names = [n for n in _names(container, which) if n.upper().startswith("CAP_")]
            if names:
                yield Hit(
                    f"{named(container)} writes {listed(names)} with the CAP_ prefix, "
                    f"which {effect} under containerd",
                    _path(container, which),
                )
