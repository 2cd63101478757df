"""``rules``: a file of runtime rules, saved under a name of its own. The body is ``{"text": …}``.

A saved file is judged by at once, and sensors that follow the server's rules watch what these
rules read. The file is ours as long as its newest version says what we said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from haechi.errors import Conflict, NotFound
from haechi.respond.steps.performer import Standing, Unfit
from haechi.store.state.action_records import StoredStep

if TYPE_CHECKING:
    from haechi.store.records import RuleFile
    from haechi.store.state.runtime_rules import RuntimeRules

BY = "haechi-respond"


class Saves(Protocol):
    """Whoever keeps rule files: the rulebook of a server, which judges by them at once, or the
    store."""

    def save(self, name: str, text: str, *, expected: int, by: str, note: str = "") -> Any:
        """Keep a version."""

    def remove(self, name: str, *, expected: int, by: str) -> Any:
        """Take it out of force."""


class RuleFileStep:
    """See ``Performer``. The target is the file's name."""

    def __init__(self, store: RuntimeRules, saves: Saves) -> None:
        self._store, self._saves = store, saves

    def prepare(self, step: StoredStep) -> Any:
        """Sure that the name is free, or the file ours."""
        found = self._newest(step.target)
        if found is not None and found.text != step.body["text"]:
            raise Unfit(f"the rule file {step.target} exists, and is not ours")
        return {"remove": step.target}

    def apply(self, step: StoredStep) -> str:
        """Save it, if it is not there."""
        if self._newest(step.target) is None:
            self._saves.save(
                step.target, step.body["text"], expected=0, by=BY, note=step.id.rpartition("-")[0]
            )
        return ""

    def standing(self, step: StoredStep) -> Standing:
        """By its text."""
        found = self._newest(step.target)
        if found is None:
            return Standing.ABSENT
        return Standing.APPLIED if found.text == step.body["text"] else Standing.CHANGED

    def undo(self, step: StoredStep) -> str:
        """Remove it over the version that is ours."""
        found = self._newest(step.target)
        if found is None:
            return ""
        if found.text != step.body["text"]:
            return f"{step.target} was changed by {found.by}: it is left so"
        try:
            self._saves.remove(step.target, expected=found.version, by=BY)
        except (Conflict, NotFound):
            return f"{step.target} was changed meanwhile: it is left so"
        return ""

    def _newest(self, name: str) -> RuleFile | None:
        """The version in force."""
        try:
            found = self._store.versions(name)[0]
        except NotFound:
            return None
        return None if found.removed else found
