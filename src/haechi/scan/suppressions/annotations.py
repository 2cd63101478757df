"""Suppressions in annotations of Kubernetes objects and of their pod templates.

They cover the object that carries them: its key *and* its file, because two files often hold
an object of the same name (development and production) and accepting a fault in one says
nothing about the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from haechi.checks.pods.view import TEMPLATES
from haechi.model.location import Location, value_at
from haechi.model.waiver import Waiver, WaiverOrigin
from haechi.scan.suppressions.index import CHECKOV, KUBE_LINTER, Index
from haechi.scan.suppressions.inline import MAX_WAIVERS, reason_text

ALLOW = "haechi.dev/allow"
_CHECKOV = re.compile(r"checkov\.io/skip\d*\Z")
_KUBE_LINTER = "ignore-check.kube-linter.io/"
_KUBE_LINTER_ALL = "kube-linter.io/ignore-all"
_TEMPLATES = tuple(dict.fromkeys(TEMPLATES.values()))
_RULE = re.compile(r"(?:\*|[a-z][a-z0-9]*(?:-[a-z0-9]+)+)\Z")
_MAX_VALUE = 20_000


def from_object(data: Any, resource_key: str, location: Location, index: Index) -> list[Waiver]:
    """Waivers that a Kubernetes object carries. ``location`` is where the object stands."""
    found: list[Waiver] = []
    for path in _TEMPLATES:
        annotations = value_at(data, (*path, "metadata", "annotations"))
        if isinstance(annotations, dict):
            found.extend(islice(_read(annotations, index, resource_key, location), MAX_WAIVERS))
    return list(dict.fromkeys(found))


def _read(
    annotations: dict[str, Any], index: Index, key: str, location: Location
) -> Iterator[Waiver]:
    for name, value in annotations.items():
        text = value[:_MAX_VALUE] if isinstance(value, str) else ""
        origin = WaiverOrigin.INLINE if name == ALLOW else WaiverOrigin.PEER
        for rule, reason, source in _rules(name, text, index):
            yield Waiver(
                rule=rule,
                origin=origin,
                location=location,
                path=location.path,
                resource=key,
                reason=reason_text(reason),
                source=source,
            )


def _rules(name: str, text: str, index: Index) -> Iterator[tuple[str, str, str]]:
    """(rule, reason, how it was written) for each rule that an annotation suppresses."""
    if name == ALLOW:
        for part in re.split(r"[;\n]", text):
            rule, _, reason = part.partition("=")
            if _RULE.match(rule.strip()):
                yield rule.strip(), reason, ALLOW
    elif _CHECKOV.match(name):
        check, _, reason = text.partition("=")
        for rule in index.rules(CHECKOV, check):
            yield rule, reason, f"{name}: {check.strip()}"
    elif name == _KUBE_LINTER_ALL:
        for rule in index.all_rules(KUBE_LINTER):
            yield rule, text, name
    elif name.startswith(_KUBE_LINTER):
        for rule in index.rules(KUBE_LINTER, name.removeprefix(_KUBE_LINTER)):
            yield rule, text, name
