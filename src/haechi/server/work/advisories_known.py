"""Findings about packages that are open or accepted: what a new judgement is compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import select, tuple_

from haechi.engines.purl import package_of_purl
from haechi.errors import InputError
from haechi.model.advisory import is_vulnerability
from haechi.model.finding import DEPENDENCIES
from haechi.server.work.bills import asked_as
from haechi.server.work.bills_judged import Judge, Name
from haechi.store.records import Life
from haechi.store.state.acceptance import REPORT
from haechi.store.state.bulk import parts
from haechi.store.state.metadata import NEVER
from haechi.store.state.plain import from_json
from haechi.store.state.rejudged import ACTOR
from haechi.store.state.rows import SEVERITIES
from haechi.store.state.schema import finding as f
from haechi.store.state.schema import finding_text

if TYPE_CHECKING:
    from haechi.store.state.state import State

Target = tuple[str, str, str]
_TARGET = ("cluster", "source", "ref")
_SAID = (
    *("n", "fingerprint", "rule", "severity", "title", "message", "path", "line", "resource"),
    *("label", "attribute", "owner_scan", "due_scan", "state", "waiver", "waiver_from"),
    *("waived_until", "commit_id", "fix", "cwe", "tags", "secret_id", "scan", "aliases"),
)
_ROWS = 1_000


class Known(msgspec.Struct, frozen=True):
    """A finding as the store has it. ``ids`` are all names of its vulnerability."""

    name: Name
    ids: frozenset[str]
    row: Any

    @property
    def fingerprint(self) -> str:
        return str(self.row.fingerprint)

    @property
    def rule(self) -> str:
        return str(self.row.rule)

    @property
    def path(self) -> str:
        return str(self.row.path)

    @property
    def evidence(self) -> str:
        """JSON, or nothing."""
        return self.row.evidence or ""

    @property
    def by_server(self) -> bool:
        """Opened by an import of advisories; no run has seen it since."""
        return str(self.row.scan).startswith(ACTOR)

    @property
    def waived(self) -> bool:
        """Accepted by the report of a run: by a waiver that stands in the repository."""
        return bool(self.row.state == Life.WAIVED and self.row.waiver_from == REPORT)

    def document(self) -> dict[str, Any]:
        """As a report has it."""
        row = self.row
        said = from_json(self.evidence) if self.evidence else None
        return {
            "rule": row.rule,
            "severity": SEVERITIES[row.severity].value,
            "title": row.title,
            "message": row.message,
            "location": {"path": row.path, "line": row.line},
            "resource": row.resource,
            "label": row.label,
            "attribute": row.attribute,
            "fingerprint": row.fingerprint,
            "domain": DEPENDENCIES,
            "cwe": from_json(row.cwe),
            "tags": from_json(row.tags),
            "owner": row.owner_scan or None,
            "due": self.due,
            "state": "waived" if self.waived else "open",
            "fix": row.fix or None,
            "commit": row.commit_id or None,
            "secret_id": row.secret_id or None,
            "aliases": from_json(row.aliases),
            "evidence": said if isinstance(said, dict) else {},
        }

    @property
    def due(self) -> str | None:
        """What a scan promised."""
        return None if self.row.due_scan == NEVER else str(self.row.due_scan)


def known_of(state: State, targets: Sequence[Target]) -> dict[Target, list[Known]]:
    """Vulnerabilities that are not fixed, by repository and branch."""
    found: dict[Target, list[Known]] = {one: [] for one in targets}
    place = tuple(f.c[name] for name in _TARGET)
    columns = tuple(f.c[name] for name in _SAID)
    with state.read() as connection:
        for some in parts(found, 200):
            ask = (
                select(*place, *columns, finding_text.c.evidence)
                .outerjoin(finding_text, finding_text.c.n == f.c.n)
                .where(tuple_(*place).in_(some), f.c.domain == DEPENDENCIES, f.c.live == 1)
            )
            for row in connection.execute(ask):
                one = _known(row)
                if one is not None:
                    found[row.cluster, row.source, row.ref].append(one)
    return found


def _known(row: Any) -> Known | None:
    if not is_vulnerability(row.rule) or (name := name_of(row.resource)) is None:
        return None
    return Known(name, frozenset((row.rule, *from_json(row.aliases))), row)


def names_found(state: State) -> frozenset[Name]:
    """Packages that something is known against."""
    ask = select(f.c.resource).where(f.c.domain == DEPENDENCIES, f.c.live == 1).distinct()
    with state.read() as connection:
        resources = connection.execute(ask).scalars().all()
    return frozenset(name for one in resources if (name := name_of(one)) is not None)


def names_at_other_risk(state: State, judge: Judge) -> frozenset[Name]:
    """Packages with a finding whose risk is told otherwise than EPSS and KEV have it now. An
    import of those changes no advisory, so no package is named as changed by it."""
    if not judge.risk_kinds:
        return frozenset()
    columns = (f.c.rule, f.c.resource, f.c.scan, f.c.aliases, finding_text.c.evidence)
    ask = (
        select(*columns)
        .outerjoin(finding_text, finding_text.c.n == f.c.n)
        .where(f.c.domain == DEPENDENCIES, f.c.live == 1)
    )
    found: dict[str, bool] = {}
    with state.read() as connection:
        for rows in connection.execute(ask).partitions(_ROWS):
            for row in rows:
                if not found.get(row.resource) and is_vulnerability(row.rule):
                    found[row.resource] = _differs(row, judge)
    names = (name_of(resource) for resource, differs in found.items() if differs)
    return frozenset(name for name in names if name is not None)


def _differs(row: Any, judge: Judge) -> bool:
    said = from_json(row.evidence) if row.evidence else None
    told: Mapping[str, Any] = said if isinstance(said, dict) else {}
    risk = judge.risk((row.rule, *from_json(row.aliases)))
    since = risk.exploited_since if risk else None
    epss = risk.epss if risk else None
    shown = told.get("epss")
    if epss is not None and (not isinstance(shown, float) or _shown(shown) != _shown(epss)):
        return True
    if since is None:
        gone = "kev" in judge.risk_kinds and str(row.scan).startswith(ACTOR)
        return gone and "exploited_since" in told
    return told.get("exploited_since") != since.isoformat()


def _shown(chance: float) -> str:
    """To a tenth of a percent, as people see it: the last digits move every day."""
    return f"{chance:.1%}"


def name_of(resource: str) -> Name | None:
    """The package of a package URL, as advisories call it."""
    try:
        package = package_of_purl(resource)
    except InputError:
        return None
    if package is None:
        return None
    return package.ecosystem, asked_as(package.ecosystem, package.name)
