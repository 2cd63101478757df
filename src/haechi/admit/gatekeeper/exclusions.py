"""Gatekeeper's ``Config``: namespaces that are left alone, by process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from haechi.admit.gatekeeper.names import CONFIG, fault, spec_of
from haechi.admit.match import glob_takes, subjects_of
from haechi.checks.pods.view import items, mapping
from haechi.model.admission import PolicyFault
from haechi.model.resource import Resource
from haechi.model.review import Point, Review

WEBHOOK, AUDIT, MUTATION = "webhook", "audit", "mutation-webhook"
_PROCESSES: Final = {"*", WEBHOOK, AUDIT, MUTATION, "sync"}
_BY_POINT: Final = {Point.AUDIT: AUDIT}


class Exclusions(msgspec.Struct, frozen=True):
    """Globs of namespaces by process (``webhook``, ``audit``, ``mutation-webhook``)."""

    by_process: Mapping[str, tuple[str, ...]]

    def leaves_out(self, review: Review, process: str = "") -> bool:
        """Whether nothing of Gatekeeper applies to this review. Files count as requests."""
        globs = self.by_process.get(process or _BY_POINT.get(review.point, WEBHOOK), ())
        if not globs:
            return False
        for subject in subjects_of(review):
            name = subject.name if subject.is_namespace else subject.namespace
            if not name or not any(glob_takes(glob, name) for glob in globs):
                return False
        return True


NONE: Final = Exclusions({})


def read_exclusions(resources: Iterable[Resource]) -> tuple[Exclusions, list[PolicyFault]]:
    """The exclusions of the one Config that Gatekeeper reads, and faults of others."""
    globs: dict[str, list[str]] = {}
    faults: list[PolicyFault] = []
    for resource in resources:
        if (resource.group, resource.kind) != (CONFIG, "Config"):
            continue
        if resource.name != "config":
            what = f"{resource.label}: Gatekeeper reads the Config named `config` only"
            faults.append(fault("ignored", what, resource, ("metadata", "name"), fatal=False))
            continue
        for number, entry in enumerate(items(spec_of(resource).get("match"))):
            _take(resource, number, mapping(entry), globs, faults)
    return Exclusions({name: tuple(found) for name, found in globs.items()}), faults


def _take(
    resource: Resource,
    number: int,
    entry: Mapping[str, Any],
    globs: dict[str, list[str]],
    faults: list[PolicyFault],
) -> None:
    excluded = [one for one in items(entry.get("excludedNamespaces")) if isinstance(one, str)]
    for process in items(entry.get("processes")):
        if process not in _PROCESSES:
            what = f"{resource.label}: {process!r} is none of {', '.join(sorted(_PROCESSES))}"
            path = ("spec", "match", number, "processes")
            faults.append(fault("invalid", what, resource, path, fatal=False))
            continue
        for name in (WEBHOOK, AUDIT, MUTATION) if process == "*" else (process,):
            globs.setdefault(name, []).extend(excluded)
