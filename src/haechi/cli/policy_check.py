"""``haechi policy check``: would these objects be let in?"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from haechi.cli.policy_inputs import (
    DEFAULT_PACK,
    Given,
    Subjects,
    policy_options,
    read_policies,
    read_subjects,
)

if TYPE_CHECKING:
    from haechi.admit.checking import Judged

EPILOG = """\b
Examples:
  haechi policy check deploy/
  haechi policy check deploy/ --policies policies/ --format json
  haechi policy check --pack pss-restricted pod.yaml
  helm template chart/ | haechi policy check - --policies policies/

\b
Workloads are judged as themselves and as the pods that they make. Waivers of
haechi.waivers.yaml count as they do for haechi scan.
Exit codes: 0 all let in, 1 something is refused, 2 wrong use, 3 something could not be judged.
"""
POLICY_KINDS = frozenset(
    {
        "ConstraintTemplate",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "PolicyPack",
        "ImagePolicy",
        "PolicyRollout",
    }
)
"""Among the files to check, policies themselves are passed over: they are judged by scan."""
_STRICTER = "pss-restricted"
_POLICY_GROUPS = (".gatekeeper.sh",)


@click.command(name="check", epilog=EPILOG)
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="FILES...")
@policy_options
@click.option("--format", "form", type=click.Choice(["text", "json", "ndjson"]), default="text")
@click.pass_context
def command(
    ctx: click.Context,
    paths: tuple[Path, ...],
    policies: tuple[Path, ...],
    packs: tuple[str, ...],
    form: str,
) -> None:
    """Judge the objects in FILES (this folder by default) as they would be at the door."""
    given = read_policies(policies, packs)
    subjects = read_subjects(paths or (Path(),))
    found = judge(given, subjects)
    _write(given, subjects, found, form)
    ctx.exit(exit_code(given, subjects, found))


def judge(given: Given, subjects: Subjects) -> list[Judged]:
    """Every object of the files by every policy, with the files as what is known around them."""
    from haechi.admit.apart import judged_apart, judged_here
    from haechi.admit.checking import judge_all
    from haechi.admit.view import ObjectsView
    from haechi.gate.admission import waiving
    from haechi.model.review import Point

    taken = [resource for resource in subjects.resources if not is_policy(resource)]
    view = ObjectsView.of((*subjects.resources, *given.documents))
    today = dt.datetime.now(dt.UTC).date()
    waive = waiving(subjects.waivers, today, gate=subjects.gate)
    # Only policies of others may be without an end; ours judge at every scan, too.
    judging = judged_apart if given.documents else judged_here
    return list(
        judge_all(given.policies, taken, view, point=Point.FILE, waive=waive, judging=judging)
    )


def is_policy(resource: Any) -> bool:
    """Whether an object says how others are judged."""
    return resource.kind in POLICY_KINDS or resource.group.endswith(_POLICY_GROUPS)


def exit_code(given: Given, subjects: Subjects, found: Sequence[Judged]) -> int:
    """By the precedence of all commands: refused before not judged."""
    if any(judged.refused for judged in found):
        return 1
    incomplete = (
        any(judged.unjudged for judged in found)
        or any(fault.fatal for fault in given.policies.faults)
        or bool(given.gaps)
        or any(not gap.accepted for gap in subjects.gaps)
    )
    return 3 if incomplete else 0


def _write(given: Given, subjects: Subjects, found: Sequence[Judged], form: str) -> None:
    from haechi.cli import policy_words as words

    gaps = (*given.gaps, *subjects.gaps)
    if form == "ndjson":
        for judged in found:
            _line(words.judged_json(judged))
        return
    if form == "json":
        _line(
            {
                "summary": _summary(given, found),
                "objects": [words.judged_json(judged) for judged in found],
                "faults": [words.fault_json(fault) for fault in given.policies.faults],
                "not_looked_at": [msgspec.to_builtins(gap) for gap in gaps],
            }
        )
        return
    from haechi.cli.screen import screen
    from haechi.report.ink import Ink
    from haechi.report.text import inert

    on = screen(sys.stdout)
    ink = Ink(width=on.width, colour=on.colour, ascii=on.ascii)
    lines = [
        *words.told_objects(found, given.policies, ink),
        *words.told_faults(given.policies.faults, ink),
        *words.told_gaps(gaps, ink),
        "",
        words.counted(found, len(given.policies.policies)),
    ]
    if not found and not subjects.gaps:
        lines.append("no Kubernetes objects were found in these files")
    elif found and not given.documents and given.packs == (DEFAULT_PACK,):
        lines += _next(subjects)
    sys.stdout.write(inert("\n".join(lines).lstrip("\n")) + "\n")


def _next(subjects: Subjects) -> list[str]:
    """What the next stricter standard would say: the defaults are mild on purpose."""
    found = judge(read_policies((), (_STRICTER,)), subjects)
    refused = sum(bool(judged.refused) for judged in found)
    if not refused:
        return [f"next: all of them fit --pack {_STRICTER}, too; put your policies in --policies"]
    return [f"next: --pack {_STRICTER} would refuse {refused} of them"]


def _summary(given: Given, found: Sequence[Judged]) -> dict[str, Any]:
    from haechi.cli.policy_words import outcome_of

    outcomes = [outcome_of(judged) for judged in found]
    return {
        "objects": len(found),
        "refused": outcomes.count("refused"),
        "unjudged": outcomes.count("unjudged"),
        "warned": outcomes.count("warned"),
        "allowed": outcomes.count("let in"),
        "policies": len(given.policies.policies),
        "generation": given.policies.generation,
    }


def _line(value: Any) -> None:
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
