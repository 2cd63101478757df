"""The language of ``go.mod`` and ``go.work``: lines of words, some of them in blocks (Go Modules
Reference, "go.mod files"). What a directive means is told by ``go``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_WORD = re.compile(r'"((?:[^"\\\n]|\\.)*)"|`([^`\n]*)`|(=>)|([^\s"`()]+)|([()])')
_COMMENT = re.compile(r"(?:^|\s)//")
_INDIRECT = re.compile(r"\s*indirect(?:\s*;|\s*$)")


class Directive(NamedTuple):
    """``verb`` and its ``words``; ``comment`` is what stands after ``//`` on the line."""

    verb: str
    words: tuple[str, ...]
    comment: str
    line: int
    column: int

    @property
    def indirect(self) -> bool:
        """Whether the line says that no package of the module itself imports this one."""
        return _INDIRECT.match(self.comment) is not None


class Replace(NamedTuple):
    """What stands in for a module; ``version`` is "" for a folder."""

    path: str
    version: str
    line: int
    column: int


class Module(NamedTuple):
    """One ``go.mod`` or ``go.work``. ``replaces`` are by path and version ("": all versions)."""

    name: str
    go: Directive | None
    toolchain: Directive | None
    requires: list[Directive]
    replaces: dict[tuple[str, str], Replace]
    excludes: set[tuple[str, str]]
    tools: list[str]
    uses: list[Directive]

    def replaced(self, path: str, version: str) -> Replace | None:
        """What is used instead of this version of a module; a rule for one version wins."""
        return self.replaces.get((path, version)) or self.replaces.get((path, ""))


def directives(text: str) -> Iterator[Directive]:
    """Every directive with its line; the lines of a block each carry the block's verb."""
    block = ""
    for number, line in enumerate(text.splitlines(), 1):
        comment = _COMMENT.search(line)
        body = line[: comment.start()] if comment else line
        words = tuple(m[1] or m[2] or m[3] or m[4] or m[5] or "" for m in _WORD.finditer(body))
        if not words:
            continue
        told = line[comment.end() :] if comment else ""
        column = len(body) - len(body.lstrip()) + 1
        if block:
            if words[0] == ")":
                block = ""
            else:
                yield Directive(block, words, told, number, column)
        elif len(words) > 1 and words[1] == "(":
            block = "" if words[-1] == ")" else words[0]
        else:
            yield Directive(words[0], words[1:], told, number, column)


def module(text: str) -> Module:
    """What the file says. Unknown directives and incomplete lines say nothing, as to Go itself
    in a module that is not the main one."""
    found = Module("", None, None, [], {}, set(), [], [])
    for one in directives(text):
        words = one.words
        if not words or not words[0]:
            continue
        match one.verb:
            case "module" if words and not found.name:
                found = found._replace(name=words[0])
            case "go" if words and found.go is None:
                found = found._replace(go=one)
            case "toolchain" if words and found.toolchain is None:
                found = found._replace(toolchain=one)
            case "require" if len(words) >= 2:
                found.requires.append(one)
            case "replace" if "=>" in words:
                _replace(found, one)
            case "exclude" if len(words) >= 2:
                found.excludes.add((words[0], words[1]))
            case "tool" if words:
                found.tools.append(words[0])
            case "use" if words:
                found.uses.append(one)
            case _:
                pass
    return found


def _replace(found: Module, one: Directive) -> None:
    arrow = one.words.index("=>")
    old, new = one.words[:arrow], one.words[arrow + 1 :]
    if not old or not new or not new[0]:
        return
    key = (old[0], old[1] if len(old) > 1 else "")
    version = new[1] if len(new) > 1 else ""
    found.replaces[key] = Replace(new[0], version, one.line, one.column)
