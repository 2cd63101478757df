"""``haechi policy eval``: one object, one answer, explained."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from haechi.cli.policy_inputs import policy_options, read_policies
from haechi.errors import UsageError

if TYPE_CHECKING:
    from haechi.admit.policies import PolicySet
    from haechi.model.admission import Decision, PolicyInfo, PolicyVerdict
    from haechi.model.resource import Resource
    from haechi.model.review import Review
    from haechi.report.ink import Ink

EPILOG = """\b
Examples:
  haechi policy eval --policies policies/ --resource pod.yaml
  haechi policy eval --policies policies/ --resource review.json --only gatekeeper/K8sX/name
  kubectl get pod web -o yaml | haechi policy eval --pack pss-restricted --resource -

\b
The resource may be an object or an AdmissionReview. Objects around it (its Namespace, the
others of an inventory) come from --with.
Exit codes: 0 let in, 1 refused, 2 wrong use, 3 something could not be judged.
"""
_CHOICES = ["CREATE", "UPDATE", "DELETE", "CONNECT"]


@click.command(name="eval", epilog=EPILOG)
@policy_options
@click.option(
    "-r", "--resource", required=True, type=click.Path(path_type=Path), help="file, or - for stdin"
)
@click.option(
    "--with",
    "around",
    multiple=True,
    type=click.Path(path_type=Path),
    help="files or folders with what is known around it",
)
@click.option("--only", metavar="ID", help="this policy alone")
@click.option("--operation", type=click.Choice(_CHOICES), default="CREATE")
@click.option("--user", default="", help="who asks")
@click.option("--group", "groups", multiple=True, help="of which groups")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
@click.pass_context
def command(
    ctx: click.Context,
    policies: tuple[Path, ...],
    packs: tuple[str, ...],
    resource: Path,
    around: tuple[Path, ...],
    only: str | None,
    operation: str,
    user: str,
    groups: tuple[str, ...],
    form: str,
) -> None:
    """Judge one RESOURCE and tell for every policy what it said, where and why."""
    from haechi.admit.decide import decide

    given = read_policies(policies, packs)
    if only is not None and only not in given.policies.by_id():
        known = ", ".join(sorted(given.policies.by_id()))
        raise UsageError(f"there is no policy {only}", do=f"one of: {known}")
    review, view = _review(resource, around, given.documents, operation, _user(user, groups))
    verdicts = _verdicts(given.policies, review, view, only)
    decision = decide(verdicts, review, generation=given.policies.generation)
    if form == "json":
        _json(given.policies, review, decision)
    else:
        _text(given.policies, review, decision)
    ctx.exit(_code(given.policies, decision))


def _verdicts(
    policies: PolicySet, review: Review, view: Any, only: str | None
) -> tuple[PolicyVerdict, ...]:
    """Apart, as ``policy check`` does: one of the policies may never come to an end."""
    from haechi.admit.apart import judged_apart
    from haechi.admit.policies import PolicySet as Policies

    if only is not None:
        policies = Policies([policies.by_id()[only]], rollout=policies.rollout)
    (found,) = judged_apart(policies, [review], view)
    return found


def _user(name: str, groups: tuple[str, ...]) -> dict[str, Any]:
    return {**({"username": name} if name else {}), **({"groups": list(groups)} if groups else {})}


def _review(
    path: Path,
    around: tuple[Path, ...],
    documents: tuple[Resource, ...],
    operation: str,
    user: Mapping[str, Any],
) -> tuple[Review, Any]:
    """The one object of a file as a review, and what is known around it."""
    from haechi.admit.reviews import request_fault, review_of, review_of_request
    from haechi.admit.view import ObjectsView
    from haechi.model.coverage import Gap
    from haechi.model.review import Point
    from haechi.world.manifests import objects_of, read_manifests

    gaps: list[Gap] = []
    if str(path) == "-":
        found = tuple(objects_of(sys.stdin.buffer.read(), "(standard input)", gaps))
    else:
        read = read_manifests([path])
        found, gaps = read.resources, list(read.gaps)
    if len(found) != 1:
        why = gaps[0].reason if gaps else f"there are {len(found)}"
        raise UsageError(
            f"{path} must hold one object", why=why, do="haechi policy check judges many"
        )
    others = read_manifests(around).resources if around else ()
    view = ObjectsView.of((*others, *documents))
    (one,) = found
    if one.kind == "AdmissionReview":
        request = one.data.get("request")
        if not isinstance(request, dict):
            raise UsageError(f"{path}: an AdmissionReview without request")
        request = _with_resource(request)
        if fault := request_fault(request):
            raise UsageError(
                f"{path}: the request of the AdmissionReview is none: {fault}",
                do="take one as the API server sends it (admission.k8s.io/v1)",
            )
        return review_of_request(request, view), view
    return review_of(one, view, point=Point.FILE, operation=operation, user=user), view


def _with_resource(request: dict[str, Any]) -> dict[str, Any]:
    """People who write a request by hand leave out what follows from its kind."""
    from haechi.admit.plurals import plural_of

    kind = request.get("kind")
    if "resource" in request or not isinstance(kind, dict):
        return request
    group, version, name = (str(kind.get(field, "")) for field in ("group", "version", "kind"))
    resource = {"group": group, "version": version, "resource": plural_of(group, name)}
    return {**request, "resource": resource}


def _code(policies: PolicySet, decision: Decision) -> int:
    from haechi.admit.checking import UNJUDGED, would_deny

    if any(would_deny(verdict) for verdict in decision.verdicts):
        return 1
    unjudged = any(verdict.state in UNJUDGED for verdict in decision.verdicts)
    return 3 if unjudged or any(fault.fatal for fault in policies.faults) else 0


def _json(policies: PolicySet, review: Review, decision: Decision) -> None:
    from haechi.cli.policy_words import fault_json, verdict_json

    judged = {verdict.policy for verdict in decision.verdicts}
    made = {
        "object": review.resource.label,
        "allowed": decision.allowed,
        "code": decision.code,
        "message": decision.message,
        "warnings": list(decision.warnings),
        "generation": decision.generation,
        "verdicts": [verdict_json(verdict, review.resource) for verdict in decision.verdicts],
        "not_applied": [p.info.id for p in policies.policies if p.info.id not in judged],
        "faults": [fault_json(fault) for fault in policies.faults],
    }
    sys.stdout.write(msgspec.json.encode(made).decode() + "\n")


def _text(policies: PolicySet, review: Review, decision: Decision) -> None:
    from haechi.cli.policy_words import told_faults
    from haechi.cli.screen import screen
    from haechi.report.ink import Ink
    from haechi.report.text import inert, one_line

    on = screen(sys.stdout)
    ink = Ink(width=on.width, colour=on.colour, ascii=on.ascii)
    judged = {verdict.policy for verdict in decision.verdicts}
    lines: list[str] = []
    for policy in policies.policies:
        info = policy.info
        if info.id in judged:
            lines += _policy(info, review, decision, ink)
    passed = [policy.info.id for policy in policies.policies if policy.info.id not in judged]
    if passed:
        lines += ["", ink.paint("Did not apply to it", "bold")]
        lines += [f"  {name}" for name in passed]
    lines += told_faults(policies.faults, ink)
    word = ink.paint("let in", "green") if decision.allowed else ink.paint("refused", "high")
    lines += ["", f"{one_line(review.resource.label)}: {word}"]
    lines += [f"  {one_line(text)}" for text in decision.message.split("; ") if text]
    sys.stdout.write(inert("\n".join(lines).lstrip("\n")) + "\n")


def _policy(info: PolicyInfo, review: Review, decision: Decision, ink: Ink) -> list[str]:
    from haechi.cli.policy_words import value_shown
    from haechi.model.location import format_path
    from haechi.model.review import State
    from haechi.report.text import one_line

    place = f"  {info.file}:{info.line}" if info.file else ""
    lines = ["", ink.paint(info.id, "bold") + ink.paint(place, "dim")]
    styles = {State.PASS: "green", State.FAIL: "high"}
    for verdict in decision.verdicts:
        if verdict.policy != info.id:
            continue
        word = ink.paint(verdict.state.value, styles.get(verdict.state, "magenta"))
        rule = f" {one_line(verdict.rule)}" if verdict.rule else ""
        pod = " (of the pod that it makes)" if verdict.generated else ""
        lines.append(f"  {word}{rule}{pod}")
        if verdict.message:
            lines += ink.block(one_line(verdict.message), " " * 6, " " * 6, most=6)
        if verdict.path and verdict.state is not State.PASS:
            where = review.resource.locate(verdict.path)
            at = f"  ({where})" if where.path else ""
            lines.append(f"      at {format_path(verdict.path)}{at}")
            lines.append(f"      is {value_shown(review.resource, verdict)}")
        file = verdict.file or info.file
        if verdict.line and file and verdict.state is not State.PASS:
            lines.append(ink.paint(f"      said by {file}:{verdict.line}", "dim"))
        if verdict.state is not State.PASS:
            effects = ", ".join(effect.value for effect in verdict.effects)
            named = f" ({verdict.action})" if verdict.action else ""
            lines.append(f"      effect: {effects}{named}, on error {verdict.failure.value}")
    if info.fix and any(v.policy == info.id and v.state is State.FAIL for v in decision.verdicts):
        lines += ink.block(f"fix: {one_line(info.fix)}", "  ", " " * 7, most=4)
    return lines
