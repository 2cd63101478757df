"""What people said may stand: comments beside a value, and gitleaks' list of fingerprints.

Both become waivers that name the one finding they cover, so that reports show them and the gate
decides under ``gate.inline_waivers`` whether they hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from haechi.model.location import Location
from haechi.model.waiver import Waiver, WaiverOrigin
from haechi.rules.schema import Rule
from haechi.scan.secrets.findings import Leak

GITLEAKS_FILE = ".gitleaksignore"
MAX_LINES = 100_000
_GITLEAKS = "gitleaks"


def from_remarks(leaks: Iterable[Leak]) -> Iterator[Waiver]:
    """Waivers by comments: ours name rules, those of other tools mean whatever stands there."""
    for leak in leaks:
        remark, finding = leak.candidate.remark, leak.finding
        if remark is None:
            continue
        ours = bool(remark.rules)
        if ours and finding.rule not in remark.rules and "*" not in remark.rules:
            continue
        yield Waiver(
            rule=finding.rule,
            origin=WaiverOrigin.INLINE if ours else WaiverOrigin.PEER,
            location=finding.location,
            fingerprint=finding.fingerprint,
            path=finding.location.path,
            reason=remark.reason,
            source=remark.source,
        )


def from_gitleaks(text: str, leaks: Iterable[Leak], rules: Mapping[str, Rule]) -> Iterator[Waiver]:
    """Waivers by ``.gitleaksignore``: ``[commit:]path:rule:line``, one a line."""
    entries = _entries(text)
    if not entries:
        return
    for leak in leaks:
        finding = leak.finding
        commits = {"", str(finding.evidence.get("first_commit") or "")}
        for theirs in rules[finding.rule].refs.get(_GITLEAKS, ()):
            tail = f"{finding.location.path}:{theirs}:{finding.location.line}"
            found = [f"{c}:{tail}" if c else tail for c in commits]
            number = next((entries[entry] for entry in found if entry in entries), None)
            if number is not None:
                yield Waiver(
                    rule=finding.rule,
                    origin=WaiverOrigin.PEER,
                    location=Location(path=GITLEAKS_FILE, line=number, end_line=number),
                    fingerprint=finding.fingerprint,
                    path=finding.location.path,
                    source=f"{GITLEAKS_FILE}: {theirs}",
                )
                break


def _entries(text: str) -> dict[str, int]:
    """Entry → its line."""
    found: dict[str, int] = {}
    for number, line in enumerate(text.splitlines()[:MAX_LINES], 1):
        entry = line.partition("#")[0].strip() if line.startswith("#") else line.strip()
        if entry:
            found.setdefault(entry, number)
    return found
