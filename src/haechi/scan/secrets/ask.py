"""What the providers say of leaked credentials, put into the findings (``--verify``).

A credential that works is critical whatever its rule says; one that the provider refused in
words meant for no living one is low: it is still a habit to break. Unknown changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from haechi.model.severity import Severity
from haechi.scan.secrets.findings import Leak
from haechi.world.verify.conditions import Life
from haechi.world.verify.verifier import Verifier

_SEVERITY = {Life.LIVE: Severity.CRITICAL, Life.DEAD: Severity.LOW}
_SAYS = {Life.LIVE: "it still works", Life.DEAD: "it no longer works"}


def verified(leaks: Sequence[Leak], verifier: Verifier, providers: frozenset[str]) -> list[Leak]:
    """The leaks with what was learnt about those whose provider may be asked."""
    return [_verified(leak, leaks, verifier, providers) for leak in leaks]


def _verified(
    leak: Leak, leaks: Sequence[Leak], verifier: Verifier, providers: frozenset[str]
) -> Leak:
    pattern = leak.candidate.rule.pattern
    if pattern is None or pattern.verify not in providers:
        return leak
    values = {"secret": _text(leak), "id": _partner(leak, leaks, pattern.partner)}
    answer = verifier.verify(pattern.verify, values)
    finding = leak.finding
    said = _SAYS.get(answer.state)
    evidence = {
        **finding.evidence,
        "verified": answer.state.value,
        "provider_said": answer.detail,
    }
    return Leak(
        replace(
            finding,
            severity=_SEVERITY.get(answer.state, finding.severity),
            message=f"{finding.message}; {said} ({answer.detail})" if said else finding.message,
            evidence=evidence,
        ),
        leak.candidate,
    )


def _text(leak: Leak) -> str:
    return leak.candidate.secret.decode("utf-8", "replace")


def _partner(leak: Leak, leaks: Sequence[Leak], rule: str) -> str:
    """The other half of a pair: the nearest of its kind in the same file and commit."""
    where = leak.finding.location
    halves = [
        other
        for other in leaks
        if other.finding.rule == rule
        and other.finding.location.path == where.path
        and other.finding.commit == leak.finding.commit
    ]
    if not halves:
        return ""
    return _text(min(halves, key=lambda half: abs(half.finding.location.line - where.line)))
