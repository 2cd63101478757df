"""The process that judges a cluster's objects: ``python -m haechi.server.work.audits.child``.

It compiles the policies once and stays, so that a change costs the judging of one object. What it
says goes to the standard output that it was started with; whatever else prints goes to standard
error.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import msgspec

from haechi.checks.pods.view import mapping
from haechi.errors import HaechiError
from haechi.model.admission import PolicyInfo
from haechi.model.resource import Resource
from haechi.server.work.audits.judging import Judging, resources_of
from haechi.server.work.audits.wire import (
    LENGTH,
    MOST_FRAME,
    Asked,
    Compare,
    Failed,
    Foresee,
    Go,
    News,
    Ready,
    Setup,
    framed,
    to_child,
)

INCIDENT = "haechi.dev/incident"


def load(setup: Setup) -> tuple[Judging, Ready]:
    """Compile the policies. Raises HaechiError."""
    from haechi.admit.load import load_policies

    resources, unread = resources_of(setup.texts)
    policies = load_policies(resources, packs=tuple(setup.packs))
    infos = policies.infos()
    return Judging(setup, policies), Ready(
        generation=policies.generation,
        policies=infos,
        faults=[*policies.faults, *unread],
        marked=sorted(_marked(resources, infos)),
        owners=list(policies.rollout.reads) if policies.rollout is not None else [],
    )


def _marked(resources: Sequence[Resource], infos: Sequence[PolicyInfo]) -> Iterator[str]:
    """Policies that ask for incidents: by the annotation of the object that they are written in
    (found by its file and line, or by its key), or by their severity."""
    places = set()
    for one in resources:
        annotations = mapping(mapping(mapping(one.data).get("metadata")).get("annotations"))
        if annotations.get(INCIDENT) == "true":
            places.add(one.key)
            places.add(f"{one.file}:{one.locate(()).line}")
    for info in infos:
        written = {info.object, f"{info.file}:{info.line}"} & places
        if info.severity == "critical" or written:
            yield info.id


def serve(given: BinaryIO, told: BinaryIO) -> int:
    """Until the server goes away."""
    judging: Judging | None = None
    while (payload := _receive(given)) is not None:
        match to_child(payload):
            case Setup() as setup:
                _limit(setup.memory_bytes)
                try:
                    judging, ready = load(setup)
                except (HaechiError, MemoryError, RecursionError) as error:
                    _send(told, Failed(_words(error)))
                    return 1
                _send(told, ready)
            case News() as news if judging is not None:
                judging.news(news)
            case Asked(kept=kept) if judging is not None:
                judging.asked(kept)
            case Go() as go if judging is not None:
                for message in judging.round(go):
                    _send(told, message)
            case Compare() as ask if judging is not None:
                try:
                    _send(told, judging.compare(ask))
                except (HaechiError, MemoryError, RecursionError) as error:
                    _send(told, Failed(_words(error)))
            case Foresee(today=today) if judging is not None:
                _send(told, judging.foresee(today))
    return 0


def _words(error: BaseException) -> str:
    if isinstance(error, HaechiError):
        return error.explain()
    return "the policies need more memory than they may have, or are nested too deeply"


def _receive(stream: BinaryIO) -> bytes | None:
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    size: int = LENGTH.unpack(head)[0]
    if size > MOST_FRAME:
        return None
    payload = stream.read(size)
    return payload if len(payload) == size else None


def _send(stream: BinaryIO, message: msgspec.Struct) -> None:
    stream.write(framed(message))
    stream.flush()


def _limit(more: int) -> None:
    """What compiling and holding may take; judging is bounded in its fork."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (4 * more, 4 * more))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> int:
    """Serve on standard input and output; whatever else prints goes to standard error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with os.fdopen(os.dup(1), "wb") as told:
        os.dup2(2, 1)
        with contextlib.suppress(BrokenPipeError):
            return serve(sys.stdin.buffer, told)
    return 0


if __name__ == "__main__":
    sys.exit(main())
