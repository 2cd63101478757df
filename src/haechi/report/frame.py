"""The lines around a finding, as a report shows them.

Lines that hold a secret are masked in every frame, also when they stand next to another finding:
a report travels further (artifact, mail, chat) than the file that leaked. Frames are bounded, so
a minified file of one line of 5 MB costs a report a few hundred characters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

import msgspec

from haechi.model.finding import Finding
from haechi.model.location import Location
from haechi.report.masking import may_hold, secret_lines
from haechi.report.text import visible

LINE_LIMIT = 240
"""Characters of one line that a frame shows at most."""
MASK = "(not shown: the line may hold a secret)"

_CACHED_FILES = 32
_BREAK = re.compile(r"\r\n|\n|\r")
_SECRET_CWE = frozenset({"CWE-259", "CWE-321", "CWE-798"})


class FrameLine(msgspec.Struct, frozen=True):
    """One line, ready to show. ``start``/``end`` mark the columns at fault (0-based, end after).

    ``hit`` is true for the finding's own line. ``end`` is below ``start`` in a masked line.
    """

    number: int
    text: str
    hit: bool
    start: int = 0
    end: int = 0


def holds_secret(finding: Finding) -> bool:
    """True when the finding's own line may hold a secret value: by domain, tag ``secret`` or
    weakness (hard-coded password, key, credentials). A mere reference to a Secret is none."""
    return (
        finding.domain == "secrets"
        or "secret" in finding.tags
        or not _SECRET_CWE.isdisjoint(finding.cwe)
    )


class Frames:
    """Cuts frames from files; reads each file once while its findings are being shown."""

    def __init__(self, read: Callable[[str], str | None], findings: Iterable[Finding]) -> None:
        self._read = read
        self._files: dict[str, Sequence[str]] = {}
        self._hidden: dict[str, frozenset[int]] = {}
        self._masked = {
            (finding.location.path, line)
            for finding in findings
            if finding.in_tree and holds_secret(finding)
            for line in _span(finding.location)
        }

    def of(self, finding: Finding, *, before: int, after: int) -> tuple[FrameLine, ...]:
        """The finding's line with its neighbours; empty for what only history holds, because
        today's file says something else in that line."""
        if not finding.in_tree:
            return ()
        return self.around(finding.location, before=before, after=after)

    def around(self, location: Location, *, before: int, after: int) -> tuple[FrameLine, ...]:
        """The location's line with its neighbours; empty when the file or line is not there."""
        lines = self._lines(location.path)
        if not 1 <= location.line <= len(lines):
            return ()
        first = max(1, location.line - before)
        last = min(len(lines), location.line + after)
        return tuple(self._line(location, number, lines) for number in range(first, last + 1))

    def _line(self, location: Location, number: int, lines: Sequence[str]) -> FrameLine:
        hit, text = number == location.line, lines[number - 1]
        if (
            (location.path, number) in self._masked
            or number - 1 in self._hidden[location.path]
            or may_hold(lines, number - 1)
        ):
            return FrameLine(number, MASK, hit, end=-1)
        if not hit:
            return FrameLine(number, _clipped(visible(text[: LINE_LIMIT + 1])), hit)
        return _marked(location, text)

    def _lines(self, path: str) -> Sequence[str]:
        lines = self._files.get(path)
        if lines is None:
            if len(self._files) >= _CACHED_FILES:
                self._files.clear()
                self._hidden.clear()
            lines = _BREAK.split(self._read(path) or "")
            if not lines[-1]:
                lines.pop()  # what follows the last line break is no line
            self._files[path] = lines
            self._hidden[path] = frozenset(secret_lines(lines))
        return lines


def _span(location: Location) -> range:
    return range(location.line, max(location.line, min(location.end_line, location.line + 200)) + 1)


def _marked(location: Location, text: str) -> FrameLine:
    """The finding's line with its columns carried over to the shown text.

    Unseen characters grow when they are written out, and a line that is too long is cut so that
    the column stays in view.
    """
    start = min(max(location.column - 1, 0), len(text))
    end = location.end_column - 1 if location.end_line == location.line else len(text.rstrip())
    end = min(max(end, start), len(text))
    lead = ""
    if start > LINE_LIMIT * 2 // 3:
        cut = start - LINE_LIMIT // 3
        lead, text, start, end = "…", text[cut:], start - cut, end - cut
    text = text[: LINE_LIMIT + 1]
    left, fault, right = text[:start], text[start:end], text[end:]
    left, fault = lead + visible(left), visible(fault)
    shown = _clipped(left + fault + visible(right))
    begin = min(len(left), len(shown))
    return FrameLine(location.line, shown, True, begin, min(begin + len(fault), len(shown)))


def _clipped(text: str) -> str:
    return text if len(text) <= LINE_LIMIT else text[: LINE_LIMIT - 1] + "…"
