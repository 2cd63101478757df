"""Comments for zizmor: ``# zizmor: ignore[audit]``, as zizmor itself understood them.

zizmor decides which of its findings a comment is about, by the text that the finding spans; its
report says so. The finding stays, and the comment becomes its waiver.
"""

from __future__ import annotations

from collections.abc import Iterator

from haechi.engines.zizmor import AuditResult
from haechi.model.location import Location
from haechi.model.waiver import Waiver, WaiverOrigin
from haechi.scan.suppressions.index import ZIZMOR, Index
from haechi.scan.suppressions.inline import reason_text


def from_audit(result: AuditResult, path: str, line: int, index: Index) -> Iterator[Waiver]:
    """Waivers of the rules that refer to the audit, for the ``line`` that the finding is at."""
    for rule in index.rules(ZIZMOR, result.audit):
        yield Waiver(
            rule=rule,
            origin=WaiverOrigin.PEER,
            location=Location(path=path, line=result.line, end_line=result.line),
            path=path,
            first_line=line,
            last_line=line,
            reason=reason_text((result.ignored or "").partition("]")[2]),
            source=f"zizmor: ignore[{result.audit}]",
        )
