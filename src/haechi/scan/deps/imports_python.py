"""What Python files import, by a fast scan of import statements.

Every file is gone over with one expression; where it seems to import what is asked for, the file is
looked at again without its strings and comments, so that an example in a docstring is no import.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from haechi.scan.deps.module_names import roots_of_namespaces
from haechi.scan.deps.reach_sources import Place, Reader

_STATEMENT = (
    rb"(?:from[ \t]+(?P<module>[A-Za-z_][\w.]*)[ \t]+import\b[ \t]*(?P<names>\([^)]*\)|[^\n#;]*)"
    rb"|import[ \t]+(?P<modules>[A-Za-z_][^\n#;]*))"
)
_IMPORT = re.compile(rb"(?:^|[;:])[ \t]*" + _STATEMENT, re.MULTILINE)
_CALL = re.compile(
    rb"\b(?:import_module|__import__|importorskip|find_spec)\(\s*(?:[\"']([A-Za-z_][\w.]*)[\"']|(?=[^\s\"']))"
)
_CODE = re.compile(
    rb"(?s:[rRbBuUfF]{0,2}(?:\"\"\".*?(?:\"\"\"|\Z)|'''.*?(?:'''|\Z)))"
    rb"|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|#[^\n]*"
)
_KEPT = 200


class PythonImports:
    """Where modules are imported; the files are read when this is made."""

    def __init__(self, reader: Reader, paths: Iterable[str]) -> None:
        self._reader = reader
        self._places: dict[str, list[Place]] = {}
        self._seen: set[tuple[str, str]] = set()
        self._clean: dict[str, bytes] = {}
        self.computed: list[Place] = []
        namespaces = roots_of_namespaces()
        for path in paths:
            data = reader.read(path)
            for name, offset in _imports(data, namespaces):
                self._add(name, path, offset)
            if b"import" in data:
                self._calls(data, path, namespaces)

    def places(self, modules: Iterable[str]) -> Iterator[Place]:
        """Places that import one of these, each looked at in the code itself."""
        for module in modules:
            for place in self._places.get(module, ()):
                if self._is_code(place):
                    yield place

    def strings(
        self, paths: Iterable[str], modules: Mapping[str, str]
    ) -> Iterator[tuple[str, Place]]:
        """Packages by modules that a text names (``"corsheaders"``, ``"a.b:c"``), as settings and
        entry points do."""
        if not modules:
            return
        either = b"|".join(re.escape(one).encode() for one in sorted(modules, key=len)[:2_000])
        named = re.compile(rb"[\"'](" + either + rb")((?:[.:][\w.:]*)?)[\"']")
        for path in paths:
            settings = "settings" in path or path.endswith(("conf.py", "setup.py", "noxfile.py"))
            data = self._reader.read(path)
            for match in named.finditer(data):
                if match[2] or settings:
                    yield modules[match[1].decode()], Place(path, match.start(1))

    def _add(self, name: str, path: str, offset: int) -> None:
        held = self._places.setdefault(name, [])
        folder = path.rpartition("/")[0]
        if len(held) < _KEPT and (len(held) < 3 or (name, folder) not in self._seen):
            self._seen.add((name, folder))
            held.append(Place(path, offset))

    def _calls(self, data: bytes, path: str, namespaces: frozenset[str]) -> None:
        for match in _CALL.finditer(data):
            if match[1] is None:
                self.computed.append(Place(path, match.start()))
            else:
                for name in _prefixes(match[1].decode("ascii", "replace"), namespaces):
                    self._add(name, path, match.start())

    def _is_code(self, place: Place) -> bool:
        clean = self._clean.get(place.path)
        if clean is None:
            clean = _CODE.sub(_blank, self._reader.again(place.path))
            self._clean = {**dict(list(self._clean.items())[-20:]), place.path: clean}
        return clean[place.offset : place.offset + 1] not in (b" ", b"")


def _blank(match: re.Match[bytes]) -> bytes:
    return b" " * len(match[0])


def _imports(data: bytes, namespaces: frozenset[str]) -> Iterator[tuple[str, int]]:
    for match in _IMPORT.finditer(data):
        module = match["module"]
        if module is not None:
            name = module.decode("ascii", "replace")
            yield from ((one, match.start("module")) for one in _prefixes(name, namespaces))
            if name.partition(".")[0] in namespaces:
                for one in re.findall(rb"[A-Za-z_]\w*", match["names"]):
                    yield f"{name}.{one.decode('ascii', 'replace')}", match.start("module")
            continue
        for part in match["modules"].split(b","):
            words = part.split()
            if words and re.fullmatch(rb"[A-Za-z_][\w.]*", words[0]):
                name = words[0].decode("ascii", "replace")
                yield from ((one, match.start("modules")) for one in _prefixes(name, namespaces))


def _prefixes(name: str, namespaces: frozenset[str]) -> Iterable[str]:
    """The module's top, and of namespaces that several distributions share each part of it."""
    top = name.partition(".")[0]
    if top not in namespaces:
        return (top,)
    parts = name.split(".")[:6]
    return [".".join(parts[: count + 1]) for count in range(len(parts))]
