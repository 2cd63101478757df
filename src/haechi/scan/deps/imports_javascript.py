"""What JavaScript and TypeScript files import: ``import``, ``export … from``, ``require`` and
``import()``, by a scan for the words and the text that follows them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from haechi.scan.deps.reach_sources import Place, Reader

_IMPORT = re.compile(
    rb"(?:\bfrom|\bimport|\brequire(?:\.resolve)?|\bjest\.mock)[ \t]*(?:\([ \t\n]*)?"
    rb"(?:/\*[^*]*\*/[ \t\n]*)?"
    rb"[\"'`]((?:@[\w.~-]+/)?[A-Za-z0-9_~][\w.~-]*)(?:/[^\"'`\n]*)?[\"'`]"
)
_COMPUTED = re.compile(
    rb"(?<![\w.$])(?:require|import)[ \t]*\([ \t\n]*(?:[A-Za-z_$][\w$.\[\]]*[ \t]*[)+]|`\$)"
)
_STYLE = re.compile(rb"(?:~|node_modules/)((?:@[\w.~-]+/)?[A-Za-z0-9_][\w.-]*)")
_COMMENT = re.compile(rb"[ \t]*(?://|\*|/\*)")
STYLES = (".css", ".scss", ".sass", ".less", ".styl", ".html", ".hbs", ".ejs", ".pug")
_KEPT = 200


class JavaScriptImports:
    """Where packages are imported; the files are read when this is made."""

    def __init__(self, reader: Reader, paths: Iterable[str]) -> None:
        self._places: dict[str, list[Place]] = {}
        self._seen: set[tuple[str, str]] = set()
        self._reader = reader
        self.computed: list[Place] = []
        for path in paths:
            data = reader.read(path)
            for match in _IMPORT.finditer(data):
                if not _commented(data, match.start()):
                    self._add(match[1].decode("ascii", "replace"), path, match.start())
            if b"require" in data or b"import(" in data:
                self.computed += (
                    Place(path, match.start())
                    for match in _COMPUTED.finditer(data)
                    if not _commented(data, match.start())
                )

    def places(self, name: str) -> Iterator[Place]:
        """Places that import a package."""
        return iter(self._places.get(name, ()))

    def styles(self, paths: Iterable[str]) -> Iterator[tuple[str, Place]]:
        """Packages that style sheets and pages take files of."""
        for path in paths:
            if path.endswith(STYLES):
                for match in _STYLE.finditer(self._reader.read(path)):
                    yield match[1].decode("ascii", "replace"), Place(path, match.start())

    def _add(self, name: str, path: str, offset: int) -> None:
        held = self._places.setdefault(name, [])
        folder = path.rpartition("/")[0]
        if len(held) < _KEPT and (len(held) < 3 or (name, folder) not in self._seen):
            self._seen.add((name, folder))
            held.append(Place(path, offset))


def _commented(data: bytes, offset: int) -> bool:
    start = data.rfind(b"\n", 0, offset) + 1
    return _COMMENT.match(data, start, offset) is not None
