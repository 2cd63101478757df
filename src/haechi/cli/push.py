"""``haechi scan --push``: the server's waivers before the gate, the result to the server after.

A waiver made on the page must mean the same in the pipeline, so it is asked for first; a server
that cannot be asked must not make the gate stricter or milder unseen, so the run then says so
and ends with 3 (what the gate itself says still wins when it is worse).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from haechi.cli.pipeline import Options, Outcome
from haechi.cli.project import open_project
from haechi.client.answers import ServerRefused, ServerUnreachable
from haechi.client.waivers import waivers_of
from haechi.model.access import NONE
from haechi.model.push import Origin, Push
from haechi.model.waiver import Waiver
from haechi.scan.setup import pod_templates
from haechi.world.origin import origin_of

if TYPE_CHECKING:
    from haechi.client.http import Client

CLUSTER = "HAECHI_CLUSTER"
NOT_SENT = 3


def receiver(url: str, path: Path) -> Receiver:
    """The server at ``url`` (or HAECHI_SERVER). Raises UsageError when none is named."""
    from haechi.client.http import Client

    project = open_project(path)
    cluster = os.environ.get(CLUSTER, "") or NONE
    return Receiver(Client(url or None), origin_of(project.root, os.environ, cluster=cluster))


class Receiver:
    """The server that a run is sent to."""

    def __init__(self, client: Client, origin: Origin) -> None:
        self._client = client
        self._origin = origin
        self._failed = False

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def waivers(self) -> tuple[Waiver, ...]:
        """Those that hold for this repository. Raises ServerRefused (wrong token, no right)."""
        try:
            rows = list(self._client.each("waivers", state="active", limit=500))
        except ServerUnreachable as error:
            self._failed = True
            _tell(error.explain(), "the server's waivers are not known: the gate is stricter")
            return ()
        source = f"repo:{self._origin.repository}"
        return tuple(
            waiver
            for row in rows
            if row.get("source") in ("", source, self._origin.repository)
            for waiver in waivers_of(row, self._origin.cluster)
        )

    def take(self, outcome: Outcome, options: Options) -> int:
        """Send the result. Exit code 0, or 3 when nobody can say that it arrived."""
        if self._failed:
            return NOT_SENT
        try:
            answer = self._client.push(document_of(outcome, options, self._origin))
        except (ServerUnreachable, ServerRefused) as error:
            _tell(error.explain(), "the server did not take the result")
            return error.exit_code
        changes = answer["scan"]["changes"]
        told = ", ".join(f"{number} {what}" for what, number in changes.items() if number)
        sys.stderr.write(f"pushed to {answer['url']} ({told or 'no change'})\n")
        return 0


def document_of(outcome: Outcome, options: Options, origin: Origin) -> Push:
    """``haechi.push/1`` of a run."""
    from haechi.report.push import push_document, push_scope
    from haechi.scan.push import ProjectFacts

    project = outcome.project
    facts = ProjectFacts(
        repository=origin.repository,
        commit=origin.commit,
        ref=origin.ref,
        cluster=origin.cluster,
        templates=pod_templates(project.config),
        owner_of=outcome.owners.owner_of,
        config=project.config,
    )
    scope = push_scope(
        only=options.only,
        within=project.within,
        staged=options.staged,
        history=options.history and project.config.secrets.history,
        part=bool(options.since or options.branch),
    )
    return push_document(outcome.material, outcome.looked, origin, scope, facts)


def _tell(*lines: str) -> None:
    for line in lines:
        sys.stderr.write(f"haechi: {line}\n")
