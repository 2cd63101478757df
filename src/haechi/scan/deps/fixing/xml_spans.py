"""Where texts and attributes stand in XML. Comments, CDATA and instructions are passed over."""

from __future__ import annotations

import re

import msgspec

from haechi.engines.xml import parse
from haechi.errors import InputError
from haechi.scan.fix.changes import Refused

MAX_TEXT = 4 * 1024 * 1024
_MARK = re.compile(
    r"<!--.*?-->|<!\[CDATA\[.*?\]\]>|<\?.*?\?>|<!(?:[^<>\"']|\"[^\"]*\"|'[^']*')*>"
    r"|<(?P<close>/)?(?P<name>[A-Za-z_][\w.:-]*)"
    r"(?P<rest>(?:[^<>\"']|\"[^\"]*\"|'[^']*')*?)(?P<empty>/)?>",
    re.DOTALL,
)
_ATTRIBUTE = re.compile(r"([A-Za-z_][\w.:-]*)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")


class Text(msgspec.Struct, frozen=True):
    """Characters of the file: what they say, and where they are."""

    value: str
    start: int
    end: int


class Node:
    """An element. ``text`` is its own text where it has no elements and no marks in it."""

    __slots__ = ("attributes", "children", "name", "start", "text")

    def __init__(self, name: str, start: int) -> None:
        self.name = name
        self.start = start
        self.attributes: dict[str, Text] = {}
        self.children: list[Node] = []
        self.text: Text | None = None

    def first(self, *names: str) -> Node | None:
        """The first element down a way of names."""
        here: Node | None = self
        for name in names:
            here = next((one for one in here.children if one.name == name), None) if here else None
        return here

    def said(self, name: str) -> str:
        """The text of a child; "" without it."""
        found = self.first(name)
        return found.text.value if found and found.text else ""

    def walk(self) -> list[Node]:
        """Itself and all below, in order."""
        found, pending = [], [self]
        while pending:
            one = pending.pop()
            found.append(one)
            pending.extend(reversed(one.children))
        return found


def xml_nodes(text: str) -> Node:
    """A node above the root. Raises Refused for what is not well-formed: on that the pattern
    would look for ends that are not there, again and again."""
    if len(text) > MAX_TEXT:
        raise Refused(f"it has more than {MAX_TEXT:,} characters")
    try:
        parse(text.encode("utf-8"))
    except (InputError, UnicodeEncodeError) as error:
        raise Refused("its XML is not understood") from error
    top = Node("", 0)
    stack, opened = [top], -1
    for mark in _MARK.finditer(text):
        name = mark["name"]
        if name is None:
            opened = -1
            continue
        if mark["close"]:
            if len(stack) < 2 or stack[-1].name != _local(name):
                raise Refused("its XML is not understood")
            node = stack.pop()
            if opened >= 0 and not node.children:
                node.text = _text(text, opened, mark.start())
            opened = -1
            continue
        node = Node(_local(name), mark.start())
        for found in _ATTRIBUTE.finditer(text, mark.start("rest"), mark.end("rest")):
            group = 2 if found[2] is not None else 3
            node.attributes[found[1]] = Text(found[group], found.start(group), found.end(group))
        stack[-1].children.append(node)
        opened = -1
        if not mark["empty"]:
            stack.append(node)
            opened = mark.end()
    if len(stack) != 1:
        raise Refused("its XML is not understood")
    return top


def _text(text: str, start: int, end: int) -> Text:
    raw = text[start:end]
    inside = raw.strip()
    start += len(raw) - len(raw.lstrip()) if inside else 0
    return Text(inside, start, start + len(inside))


def _local(name: str) -> str:
    return name.rpartition(":")[2]
