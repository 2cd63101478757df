"""Where in a file a fault stands, more exactly than at the first line of its rule.

A condition is a folded block, so a place within it says nothing about the file's lines. The word
that a fault is about is looked for from the rule's line to the next item instead.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec.structs import replace

from haechi.engines.falco.lint_fault import Fault
from haechi.engines.falco.ruleset import At, RuleText

ITEM = re.compile(
    r"\s*-\s+[\"']?(?:rule|macro|list|required_engine_version|required_plugin_versions)\b"
)


class Places:
    """The lines of the files that were checked."""

    def __init__(self, files: Sequence[RuleText]) -> None:
        self._texts = {file.name: file.text for file in files}
        self._lines: dict[str, list[str]] = {}

    def exact(self, fault: Fault) -> Fault:
        """The fault at its word, where the rule's text holds it outside of comments."""
        lines = self._lines_of(fault.at.file)
        if not fault.word or not lines:
            return fault
        pattern = re.compile(rf"(?<![\w.]){re.escape(fault.word)}(?![\w])")
        start = fault.at.line - 1
        for number in range(start, len(lines)):
            if number > start and ITEM.match(lines[number]):
                break
            line = lines[number]
            found = pattern.search(line)
            if found and not line.lstrip().startswith(("#", "output:", "desc:", "- rule:")):
                at = At(file=fault.at.file, line=number + 1, column=found.start() + 1)
                return replace(fault, at=at)
        return fault

    def _lines_of(self, name: str) -> list[str]:
        if name not in self._lines:
            self._lines[name] = self._texts.get(name, "").splitlines()
        return self._lines[name]
