"""Waivers of the server, as the gate takes them: for pipelines and for webhooks alike."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from haechi.model.access import ANY
from haechi.model.location import Location
from haechi.model.waiver import Waiver, WaiverOrigin


def waivers_of(row: Mapping[str, Any], cluster: str) -> Iterator[Waiver]:
    """A waiver of the server as the gate takes it; one for each fingerprint that it names."""
    reach = row.get("reach") or {}
    if reach.get("cluster", ANY) not in (ANY, cluster):
        return
    namespace = str(reach.get("namespace", ANY))
    prints: list[str | None] = [str(value) for value in row.get("fingerprints") or ()]
    for fingerprint in prints or [None]:
        yield Waiver(
            rule=str(row["rule"]),
            origin=WaiverOrigin.STORE,
            location=Location(path=f"waivers/{row['id']}"),
            fingerprint=fingerprint,
            path=str(row.get("path") or "") or None,
            resource=str(row.get("resource") or "") or None,
            namespace=None if namespace == ANY else namespace,
            reason=str(row["reason"]),
            owner=str(row["owner"]),
            expires=dt.date.fromisoformat(str(row["expires"])),
            source=f"server waiver {row['id']}",
        )
