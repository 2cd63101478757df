"""``haechi policy pod-security``: are these pods allowed by a level of the standards?

One answer a file, with no policy, namespace or exemption involved: what the evaluator of the Pod
Security Standards says of every pod in it, those included that its workloads would make.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from haechi.errors import UsageError

if TYPE_CHECKING:
    from haechi.model.coverage import Gap
    from haechi.model.resource import Resource
    from haechi.world.manifests import Manifests

EPILOG = """\b
Examples:
  haechi policy pod-security pod.yaml                         restricted, latest
  haechi policy pod-security --level baseline --version v1.33 deploy/
  helm template chart/ | haechi policy pod-security --format ndjson -

\b
Exit codes: 0 all allowed, 1 a pod is not allowed, 2 wrong use, 3 a file could not be judged.
"""
_STDIN = "-"
_MOST_STDIN = 128 << 20


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is said of one file. ``allowed`` is None when that cannot be said: ``error`` tells."""

    file: str
    level: str
    version: str
    allowed: bool | None
    reasons: list[str]
    error: str = ""


class _Reason(msgspec.Struct, frozen=True):
    """One forbidden thing: ``text`` names object, check and detail; ``line`` where it stands."""

    text: str
    line: int


class _Judged(msgspec.Struct, frozen=True):
    answer: Answer
    reasons: list[_Reason]
    pods: int


@click.command(name="pod-security", epilog=EPILOG)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--level",
    default="restricted",
    show_default=True,
    help="privileged, baseline or restricted",
)
@click.option(
    "--version",
    default="latest",
    show_default=True,
    metavar="vMAJOR.MINOR",
    help="the standard as of this version of Kubernetes",
)
@click.option("--format", "form", type=click.Choice(["text", "ndjson"]), default="text")
@click.pass_context
def command(
    ctx: click.Context, files: tuple[Path, ...], level: str, version: str, form: str
) -> None:
    """Judge every pod in FILES by a level of the Pod Security Standards, one answer a file.

    Workloads are judged by the pod that they make. Of a folder all manifests are read; those
    without Kubernetes objects are left out.
    """
    from haechi.checks.pod_security import parse_level, parse_version

    parse_level(level), parse_version(version)
    outcomes: set[bool | None] = set()
    for path in files:
        for judged in _judged(path, level, version):
            outcomes.add(judged.answer.allowed)
            _write(judged, form)
    ctx.exit(1 if False in outcomes else 3 if None in outcomes else 0)


def _judged(path: Path, level: str, version: str) -> Iterator[_Judged]:
    found, fault = _read(path)
    if found is None:
        yield _unread(str(path), level, version, fault)
        return
    for file in found.files:
        resources = [resource for resource in found.resources if resource.file == file]
        faults = [gap for gap in found.gaps if gap.path.startswith(f"{file}:") or gap.path == file]
        if resources or faults:
            yield _judge(file, resources, faults, level, version)
        elif not path.is_dir():
            yield _unread(file, level, version, "no Kubernetes objects in it")
    read = {*found.files}
    for gap in found.gaps:
        if gap.path not in read and gap.path.rpartition(":")[0] not in read:
            yield _unread(gap.path, level, version, gap.reason)


def _read(path: Path) -> tuple[Manifests | None, str]:
    """What is there, or why nothing can be read."""
    from haechi.world.manifests import Manifests, objects_of, read_manifests

    if str(path) != _STDIN:
        try:
            return read_manifests([path]), ""
        except UsageError as error:
            return None, error.what
    data = sys.stdin.buffer.read(_MOST_STDIN + 1)
    if len(data) > _MOST_STDIN:
        return None, f"more than {_MOST_STDIN >> 20} MiB"
    gaps: list[Gap] = []
    resources = tuple(objects_of(data, _STDIN, gaps))
    return Manifests(resources=resources, gaps=tuple(gaps), files=(_STDIN,)), ""


def _unread(file: str, level: str, version: str, error: str) -> _Judged:
    answer = Answer(file=file, level=level, version=version, allowed=None, reasons=[], error=error)
    return _Judged(answer, [], 0)


def _judge(
    file: str, resources: list[Resource], faults: list[Gap], level: str, version: str
) -> _Judged:
    from haechi.checks.pod_security import evaluate
    from haechi.checks.pod_security.template import pod_in

    reasons: list[_Reason] = []
    pods = 0
    for resource in resources:
        pod = pod_in(resource)
        if pod is None:
            continue
        pods += 1
        for result in evaluate(level, version, pod.metadata, pod.spec):
            if not result.allowed:
                where = resource.locate((*pod.path, *result.places[0].path))
                text = f"{resource.label}: {result.check}: {result.text}"
                reasons.append(_Reason(text, where.line))
    answer = Answer(
        file=file,
        level=level,
        version=version,
        allowed=False if reasons else None if faults else True,
        reasons=[reason.text for reason in reasons],
        error="; ".join(f"{gap.path}: {gap.reason}" for gap in faults),
    )
    return _Judged(answer, reasons, pods)


def _write(judged: _Judged, form: str) -> None:
    answer = judged.answer
    if form == "ndjson":
        sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")
        return
    from haechi.cli.plain import plain

    asked = f"{answer.level}:{answer.version}"
    if answer.allowed is None:
        lines = [f"{answer.file}: cannot be judged"]
    elif not judged.pods:
        lines = [f"{answer.file}: makes no pods"]
    elif answer.allowed:
        lines = [f"{answer.file}: allowed by {asked}"]
    else:
        lines = [f"{answer.file}: violates PodSecurity {asked}"]
    lines += [f"  {answer.file}:{reason.line}: {reason.text}" for reason in judged.reasons]
    lines += [f"  {answer.error}"] if answer.error else []
    for line in lines:
        click.echo(plain(line))
