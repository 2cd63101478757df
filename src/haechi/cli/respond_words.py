"""How ``haechi respond`` says what actions, plans and policies are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_MOST_LINES = 60


def policy_lines(answer: Mapping[str, Any]) -> Iterator[str]:
    for one in answer["entries"]:
        clock = f"undone after {one['ttl_s']} s"
        yield f"{one['kind']:<20} {one['stage']:<10} by {one['because']}, {clock}"
    if not answer["entries"]:
        yield "nothing is done"
    yield from (f"  because {why}" for why in answer["why"])


def line(one: Mapping[str, Any]) -> str:
    outcome = f" {one['outcome']}" if one["outcome"] else ""
    state = f"{one['state']}{outcome}"
    why = f": {one['why']}" if one["why"] else ""
    return f"{one['id']}  {state:<24} {one['kind']:<18} {one['resource']}  {one['says']}{why}"


def plan_lines(one: Mapping[str, Any]) -> Iterator[str]:
    yield f"{one['kind']}: {one['says']}"
    yield f"  {one['resource']}; {one['stage']} by {one['because']}; undone after {one['ttl_s']} s"
    for step in one["steps"]:
        back = "" if step["reversible"] else " (nothing to undo)"
        said = f" [{step['state']}{': ' + step['error'] if step['error'] else ''}]"
        yield f"  {step['place'] + 1}. {step['says']}{back}{said}"
        for line in step["diff"][:_MOST_LINES]:
            yield f"       {line['sign']} {line['text']}"
    if one.get("contained") is not None:
        words = (
            "nothing new passes after it" if one["contained"] else "it does not close everything"
        )
        yield f"  by the model: {words}"
    for flow in one["residual"]:
        because = f" ({', '.join(flow['because'])})" if flow["because"] else ""
        yield f"  still passes: {flow['direction']} {flow['peer']} {flow['ports']}{because}"
    yield from (f"  note: {warning}" for warning in one["warnings"])
    for check in one["checks"]:
        able = " (a person may accept it)" if check["acceptable"] and _bars_way(check) else ""
        yield f"  {check['said']:<8} {check['name']}: {check['says']}{able}"


def _bars_way(check: Mapping[str, Any]) -> bool:
    return check["said"] in ("no", "unknown")


def barring(checks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in checks if _bars_way(one)]


def names_of(checks: list[dict[str, Any]]) -> str:
    able = [one["name"] for one in checks if one["acceptable"]]
    words = ", ".join(one["name"] for one in checks)
    return f"{words}; to take it upon yourself: --accept {','.join(able)}" if able else words
