"""The coverage strip: each place that haechi looks at or hears from, what it does not see there,
and the command that refreshes or connects it, exactly as to be typed. What is connected by
settings, or by no version yet, is named without a command: an empty strip must not look like a
covered estate.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from typing import Any

from haechi.server.shapes import CoverageLine, UnseenGap
from haechi.store.records import ScanRun, SourceStatus

_REPOSITORY = "repo:"
_KINDS = 20
_UNBUILT = (
    (
        "image",
        "container images",
        "what is installed inside images is not looked at: not in this version",
        "",
    ),
    (
        "cluster",
        "clusters",
        "what runs may differ from what the files say, unless a cluster is followed",
        "name it under clusters.followed in the server's settings",
    ),
    (
        "kubernetes-audit",
        "Kubernetes audit logs",
        "who changed what in a cluster is not seen, unless its audit log comes in",
        "send it to POST /api/v1/feeds/kubernetes-audit, or follow its file: Settings, Sources",
    ),
)
"""Classes of sources that no push and no sender of events connects: id, name, what is not seen,
what to do."""
EVENTS = "events"


def coverage_lines(
    sources: Sequence[SourceStatus], runs: Sequence[ScanRun], url: str
) -> list[CoverageLine]:
    """Repositories, then what sends events, then what is not connected."""
    newest: dict[str, ScanRun] = {}
    for run in runs:
        if run.source not in newest or run.received > newest[run.source].received:
            newest[run.source] = run
    scanned = [one for one in sources if one.kind == "repository"]
    heard = [one for one in sources if one.kind != "repository"]
    lines = [_repository(one, newest.get(one.id), url) for one in scanned]
    lines += [CoverageLine(source=one, unseen=[], command=connect_command(url)) for one in heard]
    if not heard:
        lines.append(_no_events(url))
    return lines + [_unbuilt(*one) for one in _UNBUILT]


def scan_command(source: SourceStatus, url: str) -> str:
    """What scans a repository again and pushes what came out."""
    name = source.id.removeprefix(_REPOSITORY)
    if "://" not in name:
        return f"haechi scan . --push {shlex.quote(url)}"
    folder = name.rstrip("/").rpartition("/")[2].removesuffix(".git")
    if folder.strip(".") == "":  # the folder that one stands in, or the one above
        folder = "repository"
    # Whoever pushes chooses the name: it must not be read as an option.
    end = ["--"] if "-" in (name[0], folder[0]) else []
    clone = shlex.join(["git", "clone", *end, name, folder])
    place = f"./{folder}" if end else folder
    return f"{clone} && {shlex.join(['haechi', 'scan', place, '--push', url])}"


def connect_command(url: str) -> str:
    """What sends a file of ``haechi.event/1`` records, one a line."""
    return (
        'curl --fail-with-body -H "Authorization: Bearer $HAECHI_TOKEN" '
        "-H 'Content-Type: application/x-ndjson' --data-binary @events.ndjson "
        f"{shlex.quote(url + '/api/v1/events')}"
    )


def unseen(coverage: dict[str, Any]) -> list[UnseenGap]:
    """The gaps of a scan by kind, most first, each with its first case."""
    by_kind: dict[str, list[dict[str, Any]]] = {}
    for gap in _rows(coverage.get("gaps")):
        by_kind.setdefault(str(gap.get("kind") or "other"), []).append(gap)
    grouped = sorted(by_kind.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    return [_unseen(kind, gaps) for kind, gaps in grouped[:_KINDS]]


def _unseen(kind: str, gaps: Sequence[dict[str, Any]]) -> UnseenGap:
    first = next((gap for gap in gaps if not gap.get("accepted")), gaps[0])
    accepted = " (accepted in haechi.yaml)" if first.get("accepted") else ""
    return UnseenGap(
        kind=kind,
        count=len(gaps),
        example=str(first.get("path") or ""),
        reason=f"{first.get('reason') or ''}{accepted}",
        do=str(first.get("do") or ""),
    )


def _repository(source: SourceStatus, run: ScanRun | None, url: str) -> CoverageLine:
    return CoverageLine(
        source=source,
        unseen=unseen(run.coverage) if run is not None else [],
        command=scan_command(source, url),
    )


def _no_events(url: str) -> CoverageLine:
    return CoverageLine(
        source=_never(EVENTS, "events", "events of running systems"),
        unseen=[
            UnseenGap(
                kind="events",
                count=0,
                example="",
                reason="nothing has sent events, so what happens at run time is not seen",
                do="send haechi.event/1 records, one JSON object a line",
            )
        ],
        command=connect_command(url),
    )


def _unbuilt(id_: str, name: str, reason: str, do: str) -> CoverageLine:
    gap = UnseenGap(kind=id_, count=0, example="", reason=reason, do=do)
    return CoverageLine(source=_never(id_, id_, name), unseen=[gap], command="")


def _never(id_: str, kind: str, name: str) -> SourceStatus:
    return SourceStatus(id=id_, kind=kind, name=name, state="never", last_seen=None, gaps=0)


def _rows(value: Any) -> Iterable[dict[str, Any]]:
    return (one for one in value if isinstance(one, dict)) if isinstance(value, list) else ()
