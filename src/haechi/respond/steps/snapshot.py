"""``snapshot``: evidence is put by in a file of the store's folder."""

from __future__ import annotations

from typing import Any

from haechi.model.response import Want
from haechi.respond.evidence import gathered, sealed
from haechi.respond.ground import Ground, Site
from haechi.respond.steps.kube_apply import action_of
from haechi.respond.steps.performer import Standing, Unfit
from haechi.store.state.action_records import StoredStep


class Snapshot:
    """See ``Performer``. Carried out again it finds its own file and gives the same words."""

    def __init__(self, ground: Ground, site: Site | None, want: Want) -> None:
        self._ground, self._site, self._want = ground, site, want

    def prepare(self, step: StoredStep) -> Any:
        """Nothing is changed, so nothing has to be undone."""
        return None

    def apply(self, step: StoredStep) -> str:
        """Gather and seal."""
        ground = self._ground
        name = f"{step.id}.json.gz"
        found: dict[str, Any] = {"missing": []}
        if not (ground.evidence / name).exists():
            found = gathered(self._want, action_of(step), ground, self._site)
        try:
            digest, size = sealed(ground.evidence, name, found, most=ground.evidence_bytes)
        except OSError as error:
            why = error.strerror or str(error)
            raise Unfit("the evidence could not be written", why=why, where=name) from error
        missing = f"; not read: {'; '.join(found['missing'])}" if found["missing"] else ""
        return f"evidence/{name}, {size:,} bytes, SHA-256 {digest}{missing}"

    def standing(self, step: StoredStep) -> Standing:
        """It may be carried out again at no cost, and then says what it sealed."""
        return Standing.ABSENT

    def undo(self, step: StoredStep) -> str:
        """Evidence stays."""
        return ""
