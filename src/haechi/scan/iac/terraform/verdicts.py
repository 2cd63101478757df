"""Verdicts about Terraform → findings and gaps, told by cause.

A block inside a module is judged once for each call that brings it, and its faults are one
finding that names the calls. A value that is not known holds up many rules on many resources: it
is told once, with the numbers. Values that are secret appear in no message and no evidence.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from haechi.model.coverage import Gap
from haechi.model.resource import Resource
from haechi.model.review import Verdict
from haechi.model.waiver import Waiver
from haechi.rules.schema import Rule
from haechi.scan.findings import Findings
from haechi.scan.iac.collected import Collected
from haechi.scan.iac.terraform.calls import is_cached
from haechi.scan.iac.terraform.masking import Hidden, masked
from haechi.scan.iac.terraform.read import brought_by

UNKNOWN, COMPUTED = "terraform-unknown", "terraform-computed"
_VARIABLE = re.compile(r"var\.\S+ at (\S+)")
_PLACE = re.compile(r"\S+:\d+\Z")


@dataclass(slots=True)
class _Doubt:
    """What one cause holds up."""

    reason: str
    place: str
    verdicts: int = 0
    rules: set[str] = field(default_factory=set)


class Verdicts:
    """Takes the verdicts of one run that are about blocks of Terraform."""

    def __init__(self, collected: Collected, findings: Findings) -> None:
        self._collected = collected
        self._findings = findings
        self._hidden = Hidden(collected.secrets)
        self._carried: dict[tuple[str, str], list[Waiver]] = defaultdict(list)
        for one in collected.carried:
            self._carried[one.folder, one.call].append(one.waiver)
        self._calls: dict[int, dict[str, None]] = {}
        self._deferred: list[tuple[Rule, Verdict, Resource, list[Waiver]]] = []
        self._doubts: dict[str, _Doubt] = {}
        self.waivers: list[Waiver] = []

    def concerns(self, resource: Resource) -> bool:
        """Whether a resource stems from Terraform."""
        return resource.key.startswith("tf:") or id(resource) in self._collected.built

    def block_of(self, resource: Resource) -> Resource:
        """The Terraform block that a Kubernetes object was made of, or the block itself."""
        return self._collected.built.get(id(resource), resource)

    def fail(self, rule: Rule, verdict: Verdict, resource: Resource) -> None:
        """A violation. One that a waiver on the module call covers waits: when another call
        brings the same fault, it stands."""
        block = self.block_of(resource)
        verdict = masked(verdict, block, self._hidden)
        waivers = [
            waiver
            for call in self._collected.chains.get(id(block), ())
            for waiver in self._carried.get(call, ())
            if waiver.rule in (rule.id, "*")
        ]
        if waivers:
            self._deferred.append((rule, verdict, resource, waivers))
        else:
            self._add(rule, verdict, resource)

    def _add(self, rule: Rule, verdict: Verdict, resource: Resource) -> bool:
        """True when it is a finding of its own."""
        block = self.block_of(resource)
        before = len(self._findings.found)
        origin = self._collected.origins.get(id(resource))
        at = self._findings.add(rule, verdict, resource, origin=origin)
        if block is not resource and len(self._findings.found) > before:
            # What corrects manifests does not write Terraform.
            self._findings.found[-1] = replace(self._findings.found[-1], fix=None)
        call = brought_by(block)
        if at is not None and call:
            self._calls.setdefault(at, {})[_instances(block.name, call)] = None
        return len(self._findings.found) > before

    def finish(self) -> None:
        """Add what waited, and name the calls in messages."""
        for rule, verdict, resource, waivers in self._deferred:
            if self._add(rule, verdict, resource):
                finding = self._findings.found[-1]
                self.waivers += [
                    replace(
                        one,
                        path=finding.location.path,
                        first_line=None,
                        last_line=None,
                        resource=finding.resource,
                    )
                    for one in waivers
                ]
        found = self._findings.found
        for at, calls in self._calls.items():
            if len(calls) > 1 or is_cached(found[at].location.path.rpartition("/")[0]):
                found[at] = replace(found[at], message=f"{found[at].message} ({_by(list(calls))})")

    def doubt(self, verdict: Verdict, resource: Resource) -> bool:
        """Take a verdict that waits for a value; False when it does not say for which."""
        cause = verdict.evidence.get("cause")
        if not isinstance(cause, str) or not cause:
            return False
        doubt = self._doubts.get(cause)
        if doubt is None:
            place = str(resource.locate(verdict.path))
            doubt = self._doubts[cause] = _Doubt(verdict.message, place)
        doubt.verdicts += 1
        doubt.rules.add(verdict.rule)
        return True

    def waiting(self) -> frozenset[str]:
        """Rules of which a verdict waits: what they did not find may be there all the same."""
        return frozenset().union(*(doubt.rules for doubt in self._doubts.values()))

    def gaps(self) -> Iterator[Gap]:
        """One gap for each variable without a value, one for all that apply would tell."""
        computed = _Doubt("", "")
        causes: list[str] = []
        for cause, doubt in self._doubts.items():
            variable = _VARIABLE.search(cause)
            if variable is not None or "terraform.workspace" in cause:
                yield _unknown(cause, doubt, variable[1].rstrip(",") if variable else doubt.place)
            elif not _PLACE.match(cause) and not _is_told(cause, doubt.reason):
                causes.append(cause)
                computed.place = computed.place or doubt.place
                computed.verdicts += doubt.verdicts
                computed.rules |= doubt.rules
        if causes:
            yield _computed(causes, computed)

    def counts(self) -> Mapping[str, int]:
        """Verdicts that wait, for the summary."""
        waiting = sum(doubt.verdicts for doubt in self._doubts.values())
        return {"verdicts that wait for unknown terraform values": waiting} if waiting else {}


def _is_told(cause: str, reason: str) -> bool:
    """Modules that are not there and names that nobody declares have gaps of their own."""
    return (cause.startswith("module.") and "is not here" in reason) or "not declared" in reason


def _unknown(cause: str, doubt: _Doubt, place: str) -> Gap:
    name = cause.partition(" at ")[0]
    what = "is not known" if "terraform." in name else "has no value"
    waits = _waits(doubt)
    do = "name a variable file in haechi.yaml (terraform.var_files), or scan a plan"
    return Gap(kind=UNKNOWN, path=place, reason=f"{name} {what}: {waits}", do=do)


def _computed(causes: Sequence[str], doubt: _Doubt) -> Gap:
    shown = ", ".join(causes[:3]) + (f" and {len(causes) - 3:,} more" if len(causes) > 3 else "")
    reason = f"{_waits(doubt)} for what is known after apply ({shown[:300]})"
    do = "scan a plan (`terraform show -json`), or accept this kind in coverage.accept"
    return Gap(kind=COMPUTED, path=".", reason=reason, do=do)


def _waits(doubt: _Doubt) -> str:
    verdicts = "verdict" if doubt.verdicts == 1 else "verdicts"
    rules = "rule" if len(doubt.rules) == 1 else "rules"
    wait = "waits" if doubt.verdicts == 1 else "wait"
    return f"{doubt.verdicts:,} {verdicts} of {len(doubt.rules)} {rules} {wait}"


def _by(calls: Sequence[str]) -> str:
    more = f" and {len(calls) - 3} more" if len(calls) > 3 else ""
    return f"brought by {', '.join(calls[:3])}{more}"


def _instances(address: str, call: str) -> str:
    """The part of an address that is the call, keys included."""
    steps = call.count(".") + 1
    seen = at = depth = 0
    for at, char in enumerate(address):
        depth += (char == "[") - (char == "]")
        if char == "." and depth == 0:
            seen += 1
            if seen == steps:
                return address[:at]
    return address[: at + 1]
