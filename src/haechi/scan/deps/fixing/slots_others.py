"""Versions in go.mod, Cargo.toml and Gemfile."""

from __future__ import annotations

import re
from collections.abc import Iterator

from haechi.scan.deps.fixing.slots import Slot, Sought
from haechi.scan.deps.fixing.spans import Path, toml_spans
from haechi.scan.deps.formats.go_mod import directives
from haechi.scan.fix.changes import Refused

_SECTIONS = frozenset(
    {"dependencies", "dev-dependencies", "build-dependencies", "dev_dependencies"}
) | {"build_dependencies"}
_GEM = re.compile(r"^[ \t]*gem[ \t(]+(['\"])([^'\"\n]+)\1", re.MULTILINE)
_NEXT = re.compile(r"[ \t]*,[ \t]*(?:\n[ \t]*)?(['\"])([^'\"\n]*)\1(?![ \t]*=>)")


def go_mod(text: str, sought: Sought) -> Iterator[Slot]:
    """The line of ``require``; of the standard library that of ``toolchain``, else ``go``. A
    version that ``replace`` stands in for is where that line says."""
    starts = [0, *(match.end() for match in re.finditer("\n", text))]
    found = list(directives(text))
    if sought.name == "stdlib":
        yield from _language(text, found, starts)
        return
    for one in found:
        words = one.words
        line = starts[one.line - 1]
        if one.verb == "replace" and "=>" in words:
            new = words[words.index("=>") + 1 :]
            if new[:1] == (sought.name,) and len(new) == 2 and new[1] == sought.version:
                yield _last(text, line, new[1])
        elif one.verb == "require" and words[:1] == (sought.name,) and len(words) > 1:
            yield _last(text, line, words[1])


def _language(text: str, found: list, starts: list[int]) -> Iterator[Slot]:  # type: ignore[type-arg]
    for verb, prefix in (("toolchain", "go"), ("go", "")):
        for one in found:
            if one.verb == verb and one.words and one.words[0].startswith(prefix):
                slot = _last(text, starts[one.line - 1], one.words[0])
                yield Slot(start=slot.start + len(prefix), end=slot.end)
                return


def _last(text: str, line: int, word: str) -> Slot:
    end = text.find("\n", line)
    body = text[line : end if end >= 0 else len(text)].partition("//")[0]
    at = body.rfind(word)
    if at < 0:
        raise Refused("its line is not understood")
    return Slot(start=line + at, end=line + at + len(word))


def cargo_toml(text: str, sought: Sought) -> Iterator[Slot]:
    """Every section of dependencies, those of targets and of the workspace included."""
    renamed: dict[Path, str] = {}
    spans = list(toml_spans(text))
    for span in spans:
        if span.path[-1] == "package" and _section(span.path[:-1]):
            renamed[span.path[:-1]] = span.of(text)
    for span in spans:
        path = span.path
        if path[-1] == "version" and _section(path[:-1]):
            path = path[:-1]
        elif not _section(path):
            continue
        if renamed.get(path, path[-1]) == sought.name:
            yield Slot(start=span.start, end=span.end)


def _section(path: Path) -> bool:
    if path[:1] == ("workspace",) or path[:1] == ("target",):
        path = path[2:] if path[0] == "target" else path[1:]
    return len(path) == 2 and path[0] in _SECTIONS


def gemfile(text: str, sought: Sought) -> Iterator[Slot]:
    """``gem "name", "~> 1.2"``; to a single range a lower end may be added."""
    for gem in _GEM.finditer(text):
        if gem[2] != sought.name:
            continue
        ranges = []
        at = gem.end()
        while found := _NEXT.match(text, at):
            ranges.append(found)
            at = found.end()
        for found in ranges:
            quote = found[1] if len(ranges) == 1 else ""
            yield Slot(start=found.start(2), end=found.end(2), quote=quote)
