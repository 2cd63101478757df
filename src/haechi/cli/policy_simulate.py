"""``haechi policy simulate``: what new policies would change, before anybody is refused."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from haechi.cli.policy_inputs import DEFAULT_PACK
from haechi.errors import UsageError
from haechi.model.review import Point

if TYPE_CHECKING:
    from haechi.admit.policies import PolicySet
    from haechi.admit.simulate import Case, Forecast, WhatIf
    from haechi.admit.view import ObjectsView
    from haechi.model.coverage import Gap
    from haechi.model.resource import Resource
    from haechi.report.ink import Ink

EPILOG = """\b
Examples:
  haechi policy simulate --policies next/ --today policies/ deploy/
  haechi policy simulate --policies next/ --dump cluster/       a folder of kubectl get -o yaml
  haechi policy simulate --policies next/ --cluster prod        a context of your kubeconfig
  haechi policy simulate --policies next/ --history 30d --server https://haechi.example.org

\b
Today's policies are those of --today, else those that the cluster (or its dump) holds itself.
Policies with a PolicyRollout are forecast besides: what the next stage would refuse today.
Exit codes: 0 nothing more would be refused, 1 something would be, 2 wrong use, 3 something
could not be judged.
"""
_SHOWN = 40


@click.command(name="simulate", epilog=EPILOG)
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[FILES]...")
@click.option(
    "-p",
    "--policies",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="NEW",
    help="the new policies: files or folders, repeatable",
)
@click.option("--pack", "packs", multiple=True, metavar="NAME", help="built-in ones, repeatable")
@click.option(
    "--today", multiple=True, type=click.Path(path_type=Path), help="the policies of today"
)
@click.option("--dump", type=click.Path(path_type=Path), help="a folder with a cluster's objects")
@click.option("--cluster", is_flag=False, flag_value="-", metavar="[CONTEXT]", help="a live one")
@click.option("--history", metavar="30d", help="recorded requests of a server, so far back")
@click.option("--server", metavar="URL", help="the server of --history  [HAECHI_SERVER]")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
@click.pass_context
def command(
    ctx: click.Context,
    paths: tuple[Path, ...],
    policies: tuple[Path, ...],
    packs: tuple[str, ...],
    today: tuple[Path, ...],
    dump: Path | None,
    cluster: str | None,
    history: str | None,
    server: str | None,
    form: str,
) -> None:
    """Judge the same objects or requests by today's policies and by NEW ones; tell the
    difference."""
    sources = [name for name, given in _given(paths, dump, cluster, history) if given]
    if len(sources) > 1:
        raise UsageError(f"{' and '.join(sources)} exclude each other", do="name one of them")
    if not policies and not packs:
        raise UsageError(
            "no new policies", do=f"name them: --policies DIR or --pack {DEFAULT_PACK}"
        )
    if history is not None:
        from haechi.cli.policy_history import simulated_history

        ctx.exit(simulated_history(policies, packs, history, server, form))
    outcome = _simulated(paths or (Path(),), policies, packs, today, dump, cluster)
    if form == "json":
        sys.stdout.write(msgspec.json.encode(_json(*outcome)).decode() + "\n")
    else:
        _text(*outcome)
    ctx.exit(_code(*outcome))


def _given(
    paths: tuple[Path, ...], dump: Path | None, cluster: str | None, history: str | None
) -> list[tuple[str, bool]]:
    return [
        ("FILES", bool(paths)),
        ("--dump", dump is not None),
        ("--cluster", cluster is not None),
        ("--history", history is not None),
    ]


Outcome = tuple["WhatIf", "tuple[Forecast, ...]", "PolicySet", "Sequence[Gap]"]


def _simulated(
    paths: Sequence[Path],
    policies: Sequence[Path],
    packs: Sequence[str],
    today: Sequence[Path],
    dump: Path | None,
    cluster: str | None,
) -> Outcome:
    from haechi.admit.apart import judged_apart
    from haechi.admit.load import load_policies
    from haechi.admit.simulate import forecast, what_if
    from haechi.admit.view import ObjectsView
    from haechi.cli.policy_check import is_policy
    from haechi.cli.policy_inputs import read_policies

    fresh = read_policies(policies, packs)
    resources, gaps = _objects(paths, dump, cluster, fresh.policies)
    own = [resource for resource in resources if is_policy(resource)]
    current = read_policies(today, ()).policies if today else load_policies(own) if own else None
    view = ObjectsView.of((*resources, *fresh.documents), complete=dump is not None and not gaps)
    point = Point.FILE if dump is None and cluster is None else Point.WHAT_IF
    cases = _cases([one for one in resources if not is_policy(one)], view, point)
    found = what_if(current, fresh.policies, cases, view, judging=judged_apart)
    day = dt.datetime.now(dt.UTC).date()
    coming = forecast(fresh.policies, cases, view, today=day, judging=judged_apart)
    return found, coming, fresh.policies, (*fresh.gaps, *gaps)


def _objects(
    paths: Sequence[Path], dump: Path | None, cluster: str | None, policies: PolicySet
) -> tuple[Sequence[Resource], Sequence[Gap]]:
    from haechi.model.coverage import Gap

    if dump is not None:
        from haechi.world.kube.dump import read_dump

        frozen = read_dump(dump, "")
        return frozen.objects(), [
            Gap(kind="not-evaluated", path=str(dump), reason=g) for g in frozen.gaps
        ]
    if cluster is not None:
        return _live("" if cluster == "-" else cluster, policies)
    from haechi.cli.policy_inputs import read_subjects

    subjects = read_subjects(paths)
    return subjects.resources, subjects.gaps


def _live(context: str, policies: PolicySet) -> tuple[Sequence[Resource], Sequence[Gap]]:
    from haechi.world.kube import judged, names
    from haechi.world.kube.client import KubernetesClient
    from haechi.world.kube.config import from_kubeconfig

    with KubernetesClient(from_kubeconfig(context=context)) as client:
        infos = [policy.info for policy in policies.policies]
        kinds = dict.fromkeys(
            (
                names.NAMESPACE,
                *judged.policy_kinds(client),
                *judged.matched_kinds(client, infos),
            )
        )
        read = judged.read(client, "", kinds)
    return read.resources, read.gaps


def _cases(resources: Iterable[Resource], view: ObjectsView, point: Point) -> list[Case]:
    from haechi.admit.reviews import review_of
    from haechi.admit.simulate import Case

    return [
        Case(review=review_of(resource, view, point=point))
        for resource in resources
        if resource.key.startswith("k8s:")
    ]


def _code(
    found: WhatIf, coming: Sequence[Forecast], policies: PolicySet, gaps: Sequence[Gap]
) -> int:
    if found.newly_refused:
        return 1
    incomplete = found.after["unjudged"] or any(not gap.accepted for gap in gaps)
    return 3 if incomplete or any(fault.fatal for fault in policies.faults) else 0


def _json(
    found: WhatIf, coming: Sequence[Forecast], policies: PolicySet, gaps: Sequence[Gap]
) -> dict[str, Any]:
    from haechi.cli.policy_words import fault_json

    return {
        **msgspec.to_builtins(found),
        "newly_refused": found.newly_refused,
        "forecast": [{**msgspec.to_builtins(row), "ready": row.ready} for row in coming],
        "faults": [fault_json(fault) for fault in policies.faults],
        "not_looked_at": [msgspec.to_builtins(gap) for gap in gaps],
    }


def _text(
    found: WhatIf, coming: Sequence[Forecast], policies: PolicySet, gaps: Sequence[Gap]
) -> None:
    from haechi.cli.policy_words import told_faults, told_gaps
    from haechi.cli.screen import screen
    from haechi.report.ink import Ink
    from haechi.report.text import inert

    on = screen(sys.stdout)
    ink = Ink(width=on.width, colour=on.colour, ascii=on.ascii)
    lines = [*changes_told(found, ink), *_forecast(coming, ink)]
    lines += told_faults(policies.faults, ink)
    lines += told_gaps(gaps, ink)
    lines += ["", *totals_told(found)]
    sys.stdout.write(inert("\n".join(lines).lstrip("\n")) + "\n")


def changes_told(found: WhatIf, ink: Ink) -> list[str]:
    """Each case that is judged otherwise, worst first."""
    from haechi.report.text import one_line

    lines: list[str] = []
    styles = {"refused": "high", "unjudged": "magenta", "warned": "medium", "let-in": "green"}
    for change in found.changes[:_SHOWN]:
        place = f"  {change.file}:{change.line}" if change.file else ""
        word = ink.paint(change.after.value, styles[change.after.value])
        was = ink.mark(f"{change.before.value} → ")
        lines.append(f"{was}{word}  {one_line(change.label)}{ink.paint(place, 'dim')}")
        for sign, reasons in (("+", change.appeared), ("-", change.disappeared)):
            for reason in reasons[:3]:
                lines += ink.block(f"{sign} {one_line(reason)}", "    ", " " * 6, most=3)
            if len(reasons) > 3:
                lines.append(f"    {sign} and {len(reasons) - 3} more")
    if found.changed > _SHOWN:
        lines.append(f"and {found.changed - _SHOWN:,} more (--format json lists them)")
    return lines


def totals_told(found: WhatIf) -> list[str]:
    """The last lines: how many, before and after, and where."""
    word = "one" if found.judged == 1 else f"{found.judged:,}"
    pairs = ", ".join(
        f"{answer} {found.before[answer]:,} → {found.after[answer]:,}"
        for answer in found.before
        if found.before[answer] or found.after[answer]
    )
    lines = [f"{word} judged: {pairs or 'nothing to judge'}"]
    if found.by_namespace:
        where = ", ".join(f"{name} {number}" for name, number in found.by_namespace.items())
        lines.append(f"newly refused {found.newly_refused:,}: {where}")
    else:
        lines.append("nothing more would be refused")
    return lines


def _forecast(coming: Sequence[Forecast], ink: Ink) -> list[str]:
    if not coming:
        return []
    lines = ["", ink.paint("If the next stage began now", "bold")]
    for row in coming:
        if row.next is None and row.ready:
            continue
        nexts = f"{row.next.value} from {row.begins}" if row.next else "no further stage"
        ready = ink.paint("ready", "green") if row.ready else ink.paint("not ready", "high")
        lines.append(
            f"  {row.policy}  {row.namespace or '-'}: {row.stage.value} now, {nexts}: {ready}"
            + (f", {row.refused} would be refused" if row.refused else "")
            + (f", {row.unjudged} could not be judged" if row.unjudged else "")
        )
        if row.examples:
            lines.append(f"      {', '.join(row.examples)}")
    return lines
