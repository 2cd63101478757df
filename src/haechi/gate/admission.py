"""The one waiver at the door: does any cover what a policy says of an object?

The verdict is put in the words of a finding and the gate's own matcher is asked, so a waiver
means the same in a scan, at admission and in the audit. Inline and peers' waivers count for
files alone: an annotation on an object that asks to be let in is no exception that somebody
granted.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from haechi.admit.decide import Waive
from haechi.admit.naming import rule_id
from haechi.admit.recording import dotted
from haechi.gate.matching import WaiverIndex, is_beside_code, is_expired
from haechi.model.admission import PolicyVerdict
from haechi.model.config import GateSection
from haechi.model.finding import Finding, fingerprint
from haechi.model.keys import without_cluster
from haechi.model.resource import Resource
from haechi.model.review import Point, Review
from haechi.model.severity import Severity
from haechi.model.waiver import Waiver
from haechi.scan.findings import context_of


def waiving(
    waivers: Iterable[Waiver], today: dt.date, *, gate: GateSection | None = None
) -> Waive | None:
    """A function that names the waiver of a verdict; None when there are no waivers."""
    index = WaiverIndex(waiver for waiver in waivers if not is_expired(waiver, today))
    if not index.matchers:
        return None
    section = gate or GateSection()

    def waive(verdict: PolicyVerdict, review: Review, number: int) -> str | None:
        finding = as_finding(verdict, review, number)
        for number in index.of(finding):
            waiver = index.matchers[number].waiver
            if is_beside_code(waiver) and (
                review.point is not Point.FILE or not section.honours_inline(finding.severity)
            ):
                continue
            return str(waiver.location)
        return None

    return waive


def as_finding(verdict: PolicyVerdict, review: Review, number: int = 0) -> Finding:
    """A verdict as the finding that it would be: of a file's object as the scan's, of one that
    lives as the audit's, with the same fingerprint. ``number`` tells several of one place apart."""
    resource = review.resource
    location = resource.locate(verdict.path)
    rule = rule_id(verdict.policy)
    if review.point is Point.FILE:
        place = location.path or without_cluster(resource.key)
        known = fingerprint(rule, place, context_of(resource, verdict.path), 0)
    else:
        known = live_fingerprint(verdict, resource, number)
    return Finding(
        rule=rule,
        severity=Severity.HIGH,
        title=verdict.policy,
        message=verdict.message,
        location=location,
        resource=resource.key,
        label=resource.label,
        path=verdict.path,
        fingerprint=known,
    )


def live_fingerprint(verdict: PolicyVerdict, resource: Resource, number: int) -> str:
    """The fingerprint of what a policy says of an object that lives in a cluster."""
    place = without_cluster(resource.key)
    context = f"{place}/{verdict.rule}/{attribute_of(resource, verdict)}"
    return fingerprint(rule_id(verdict.policy), place, context, number)


def attribute_of(resource: Resource, verdict: PolicyVerdict) -> str:
    """The place with list items called by what names them, so that it outlives their order."""
    if not verdict.path:
        return ""
    whole = context_of(resource, verdict.path).removeprefix(f"{without_cluster(resource.key)}/")
    return whole[:400] or dotted(verdict.path)
