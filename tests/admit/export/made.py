"""Documents → policies → an export → policies again, and both judged on the same requests."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from haechi.admit.export import exported
from haechi.admit.export.portable import Export
from haechi.admit.export.writing import written
from haechi.admit.load import load_policies
from haechi.admit.policies import PolicySet
from haechi.admit.reviews import review_of_request
from haechi.admit.view import ObjectsView
from haechi.model.coverage import Gap
from haechi.model.resource import Resource
from haechi.model.review import Review, State
from haechi.world.manifests import objects_of

TODAY = dt.date(2026, 3, 31)


def read(text: str) -> list[Resource]:
    gaps: list[Gap] = []
    found = list(objects_of(text.encode(), "policies.yaml", gaps))
    assert not gaps
    return found


def export(
    text: str, form: str, *, packs: Sequence[str] = (), today: dt.date = TODAY
) -> tuple[PolicySet, Export, str]:
    """The policies, their export, and its text."""
    resources = read(text)
    policies = load_policies(resources, packs=packs)
    made = exported(policies, resources, form=form, today=today)  # type: ignore[arg-type]
    return policies, made, written(made, form=form, today=today)


def again(text: str) -> PolicySet:
    """The policies of an exported text, all in force."""
    found = load_policies(read(text))
    assert not [fault.what for fault in found.faults if fault.fatal]
    return found


def namespace(name: str, **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


VIEW = ObjectsView(
    [
        namespace("shop", environment="prod"),
        namespace("lab", environment="test"),
        namespace("kube-system"),
    ],
    complete=True,
)


def request(
    body: Mapping[str, Any] | None,
    plural: str,
    *,
    operation: str = "CREATE",
    old: Mapping[str, Any] | None = None,
    sub: str = "",
) -> dict[str, Any]:
    shown = body or old or {}
    metadata = shown.get("metadata", {})
    group, _, version = str(shown["apiVersion"]).rpartition("/")
    made: dict[str, Any] = {
        "uid": "1",
        "kind": {"group": group, "version": version, "kind": shown["kind"]},
        "resource": {"group": group, "version": version, "resource": plural},
        "name": metadata.get("name", ""),
        "operation": operation,
        "userInfo": {"username": "ana"},
        "object": body,
        "oldObject": old,
    }
    place = metadata.get("namespace") or (
        metadata.get("name") if shown["kind"] == "Namespace" else ""
    )
    if place:
        made["namespace"] = place
    if sub:
        made["subResource"] = sub
    return made


def review(asked: Mapping[str, Any]) -> Review:
    return review_of_request(asked, VIEW)


Said = list[tuple[str, str, tuple[str, ...], str]]


def said(policies: PolicySet, asked: Mapping[str, Any], *, joined: bool = False) -> Said:
    """State, message, effects and failure choice of each verdict about the object itself.
    ``joined``: failures of one rule are told in one message."""
    found: dict[Any, list[str]] = {}
    for number, one in enumerate(policies.review(review(asked), VIEW)):
        if not one.generated:
            effects = tuple(effect.value for effect in one.effects)
            key = (one.state.value, effects, one.failure.value, one.rule if joined else number)
            unknown = one.state is State.NOT_EVALUATED  # each family has its own words for it
            found.setdefault(key, []).append("" if unknown else one.message)
    return sorted(
        (state, "; ".join(messages), effects, failure)
        for (state, effects, failure, _), messages in found.items()
    )
