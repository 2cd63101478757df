"""Change values in YAML text by replacing ranges of characters, never by writing it anew.

The node tree of the parser gives exact starts and ends of scalars and of flow collections; block
collections end where their last scalar ends, so comments and blank lines behind them stay where
they are. What several places share (anchors, merge keys) is refused: a change would reach all.
Marks: libyaml counts characters, which equal Python's indices as long as the text holds none of
the line breaks that only YAML knows; such texts are refused, too.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from haechi.engines.documents import Document, parse_documents
from haechi.engines.values import plain_scalar
from haechi.errors import InputError
from haechi.model.location import AttrPath, format_path
from haechi.scan.fix.changes import Change, Delete, Refused, Rename, Set, nested
from haechi.scan.fix.yaml_nodes import (
    first_of,
    follows,
    merges,
    names,
    style_of,
    uses_of,
    without_comments,
)
from haechi.scan.fix.yaml_text import (
    block_lines,
    entry_lines,
    flow_text,
    item_lines,
    scalar_text,
)

_ODD_BREAKS = re.compile("\r(?!\n)|[\x85\u2028\u2029]")
_COMMENT = re.compile(r"(?:^|\s)#", re.MULTILINE)
_ALIAS = re.compile(r"\s*+:?(?:\s|#[^\n]*\n)*+\*[^\s,\[\]{}]+")
_ALIAS_ITEM = re.compile(r"(?:\s|#[^\n]*\n)*-[ \t]+\*[^\s,\[\]{}]+")


class Edit(msgspec.Struct, frozen=True, order=True):
    """Replace ``text[start:end]``."""

    start: int
    end: int
    text: str


def apply_edits(text: str, edits: list[Edit]) -> str:
    """The text with all edits made. Raises Refused when two of them touch the same characters."""
    out = []
    at = 0
    for edit in sorted(edits):
        if edit.start < at:
            raise Refused("two edits of one fix overlap")
        out += [text[at : edit.start], edit.text]
        at = edit.end
    return "".join([*out, text[at:]])


def edit_document(document: Document, change: Change) -> str:
    """The document's text with the change made. Raises Refused."""
    editor = _Editor(document)
    match change:
        case Set(path, value):
            edits = editor.set(path, value)
        case Delete(path, prune, moving):
            edits = editor.delete(path, prune)
            if moving and any(_COMMENT.search(editor.text[e.start : e.end]) for e in edits):
                raise Refused("its comments would be lost; move it by hand")
        case Rename(path, name):
            edits = editor.rename(path, name)
    return apply_edits(document.text, edits)


class _Spot(msgspec.Struct, frozen=True):
    """A node on the way: the mapping entry's key (None in lists), itself, and its surroundings."""

    key: Any
    node: Any
    flow: bool
    parent: _Spot | None = None
    position: int = 0

    def place(self) -> tuple[Any, int]:
        """The node that holds this one, and the position in it."""
        if self.parent is None:
            raise Refused("a whole document is not deleted")
        return self.parent.node, self.position


class _Editor:
    def __init__(self, document: Document) -> None:
        self.text = document.text
        if not self.text or document.node is None:
            raise Refused("the document has no positions to edit at")
        if _ODD_BREAKS.search(self.text):
            raise Refused("the text has line breaks other than LF or CRLF")
        self.root = document.node
        self._uses = uses_of(self.root)
        self.style = style_of(self.root, self.text)

    # --- changes ---------------------------------------------------------------------------

    def set(self, path: AttrPath, value: Any) -> list[Edit]:
        spot = _Spot(None, self.root, self._is_flow(self.root))
        for at, part in enumerate(path):
            self._own(spot.node, path[:at])
            inner = self._child(spot, part)
            if inner is None:
                return self._insert(spot, part, nested(path[at + 1 :], value), path)
            spot = inner
            if at + 1 < len(path) and self._is_null(spot.node):
                self._own(spot.node, path[: at + 1])
                return self._replace(spot, nested(path[at + 1 :], value), path)
        self._own(spot.node, path)
        return self._replace(spot, value, path)

    def delete(self, path: AttrPath, prune: bool) -> list[Edit]:
        spot = self._find(path)
        while prune and spot.parent is not None and len(spot.parent.node.value) == 1:
            if spot.parent.parent is None:
                break
            spot = spot.parent
        if spot.parent is None:
            raise Refused("a whole document is not deleted")
        parent = spot.parent.node
        if len(parent.value) == 1:
            return [self._emptied(spot.parent)]
        if self._is_flow(parent):
            return [self._delete_in_flow(spot)]
        return [self._delete_lines(spot)]

    def rename(self, path: AttrPath, name: str) -> list[Edit]:
        spot = self._find(path)
        if spot.key is None:
            raise Refused(f"{format_path(path)} is not a key")
        key = spot.key
        text = scalar_text(name, quote=key.style or "", json_style=self.style.json)
        return [Edit(key.start_mark.index, key.end_mark.index, text)]

    # --- the way to a place ----------------------------------------------------------------

    def _find(self, path: AttrPath) -> _Spot:
        spot = _Spot(None, self.root, self._is_flow(self.root))
        for at, part in enumerate(path):
            self._own(spot.node, path[:at])
            inner = self._child(spot, part)
            if inner is None:
                raise Refused(f"{format_path(path)} is not written in the file")
            spot = inner
        self._own(spot.node, path)
        return spot

    def _child(self, spot: _Spot, part: str | int) -> _Spot | None:
        node = spot.node
        if node.id == "scalar":
            return None
        if isinstance(part, int):
            if node.id != "sequence" or part >= len(node.value):
                return None
            inner = node.value[part]
            return _Spot(None, inner, spot.flow or self._is_flow(inner), spot, part)
        if node.id != "mapping":
            return None
        found = [i for i, (key, _) in enumerate(node.value) if names(key, part)]
        if len(found) > 1:
            raise Refused(f"the key {part} is written twice")
        if found:
            key, inner = node.value[found[0]]
            return _Spot(key, inner, spot.flow or self._is_flow(inner), spot, found[0])
        for key, merged in node.value:
            if key.tag == "P" and key.value == "<<" and merges(merged, part, 0):
                raise Refused(f"the key {part} comes from a merge (<<)")
        return None

    def _own(self, node: Any, path: AttrPath) -> None:
        if self._uses[id(node)] > 1:
            raise Refused(f"{format_path(path) or 'the document'} is shared by an anchor")

    # --- replacing and inserting -----------------------------------------------------------

    def _replace(self, spot: _Spot, value: Any, path: AttrPath) -> list[Edit]:
        node = spot.node
        filled = isinstance(value, dict | list) and bool(value)
        start, end = node.start_mark.index, self._end(node)
        if node.id != "scalar" and node.value:
            raise Refused(f"{format_path(path)} holds a list or mapping that would be lost")
        if filled and not spot.flow:
            return self._hang(spot, value)
        if filled and node.id != "scalar" and self._under_block(spot):
            return self._hang(spot, value)
        if isinstance(value, dict | list):
            text = flow_text(value, self.style)
        else:
            quote = node.style if node.id == "scalar" and node.style in ("'", '"') else ""
            text = scalar_text(value, quote=quote, json_style=self.style.json)
        if start == end and self.text[start - 1 : start] not in (" ", "\t"):
            text = f" {text}"
        return [Edit(start, end, text)]

    def _hang(self, spot: _Spot, value: Any) -> list[Edit]:
        """Put a filled collection below the key in place of an empty value."""
        if spot.key is None:
            raise Refused("an empty list item or document is not filled")
        start, end = spot.node.start_mark.index, self._end(spot.node)
        while start > spot.key.end_mark.index and self.text[start - 1] in " \t":
            start -= 1
        lines = block_lines(value, spot.key.start_mark.column, self.style)
        at = self._line_end(end)
        below = self.style.newline + self.style.newline.join(lines)
        if start == end == at:
            return [Edit(at, at, below)]
        return [Edit(start, end, ""), Edit(at, at, below)]

    def _insert(self, spot: _Spot, part: str | int, value: Any, path: AttrPath) -> list[Edit]:
        node = spot.node
        if isinstance(part, int) and (node.id != "sequence" or part != len(node.value)):
            raise Refused(f"{format_path(path)} leads through something that is not such a list")
        if isinstance(part, str) and node.id != "mapping":
            raise Refused(f"{format_path(path)} leads through something that is not a mapping")
        if not node.value and self._under_block(spot):
            return self._hang(spot, [value] if isinstance(part, int) else {part: value})
        if spot.flow:
            return self._insert_in_flow(spot, part, value)
        if isinstance(part, int):
            lines = item_lines(value, self._dash(node), self.style)
        else:
            indent = node.value[0][0].start_mark.column
            lines = entry_lines(part, value, indent, self.style)
        at = self._line_end(self._end(node))
        return [Edit(at, at, self.style.newline + self.style.newline.join(lines))]

    def _insert_in_flow(self, spot: _Spot, part: str | int, value: Any) -> list[Edit]:
        node, style = spot.node, self.style
        written = flow_text(value, style)
        if isinstance(part, str):
            written = f"{scalar_text(part, json_style=style.json)}: {written}"
        if not node.value:
            at = self._bracket(node) + 1
            return [Edit(at, at, written)]
        last = node.value[-1]
        first = last[0] if isinstance(last, tuple) else last
        end = self._end_of_child(node, len(node.value) - 1)
        close = node.end_mark.index - 1
        line = self.text[self._line_start(first.start_mark.index) : first.start_mark.index]
        comma = "," if "," not in without_comments(self.text[end:close]) else ""
        if line.strip(" \t") or "\n" not in self.text[end:close]:
            return [Edit(end, end, f", {written}")] if comma else self._after_comma(end, written)
        at = self._line_end(end)
        edits = [Edit(at, at, f"{self.style.newline}{line}{written}")]
        if comma and end == at:
            return [Edit(at, at, f",{self.style.newline}{line}{written}")]
        return [Edit(end, end, ","), *edits] if comma else edits

    def _after_comma(self, end: int, written: str) -> list[Edit]:
        at = self.text.index(",", end) + 1
        return [Edit(at, at, f" {written}")]

    # --- deleting --------------------------------------------------------------------------

    def _emptied(self, spot: _Spot) -> Edit:
        """What is left of a collection whose only child goes."""
        node = spot.node
        empty = "{}" if node.id == "mapping" else "[]"
        start = self._bracket(node) if self._is_flow(node) else node.start_mark.index
        end = self._end(node)
        if spot.key is not None and not self._is_flow(node):
            colon = self.text.index(":", spot.key.end_mark.index) + 1
            gap = self.text[colon:start]
            if "#" not in gap and "#" not in self.text[start:end]:
                return Edit(colon, end, f" {empty}")
            raise Refused("comments inside would be lost")
        return Edit(start, end, empty)

    def _delete_in_flow(self, spot: _Spot) -> Edit:
        node, position = spot.place()
        start = first_of(node.value[position]).start_mark.index
        if position + 1 < len(node.value):
            end = first_of(node.value[position + 1]).start_mark.index
        else:
            start = self._end_of_child(node, position - 1)
            end = self._end_of_child(node, position)
        if end <= start or "#" in self.text[start:end]:
            raise Refused("comments or aliases stand in between")
        return Edit(start, end, "")

    def _delete_lines(self, spot: _Spot) -> Edit:
        """Whole lines of an entry or item in block style, with the comment that is its own."""
        node, position = spot.place()
        first = first_of(node.value[position]).start_mark.index
        if node.id == "sequence":
            first = self._dash_before(first)
        end = self._end_of_child(node, position)
        start = self._line_start(first)
        if self.text[start:first].strip(" \t"):
            return self._delete_first_on_dash(node, position, first, end)
        stop = self._line_end(end)
        start = self._own_comment(start, first, stop)
        if stop < len(self.text):
            stop = self.text.index("\n", stop) + 1
        elif start > 0:
            # The last line of a file without a newline at its end: take the newline before it.
            start = len(self.text[:start].rstrip("\r\n"))
        return Edit(start, stop, "")

    def _delete_first_on_dash(self, node: Any, position: int, start: int, end: int) -> Edit:
        """``- gone: 1`` above ``  stays: 2``: the next entry moves up to the dash."""
        if position + 1 >= len(node.value) or node.id == "sequence":
            raise Refused("the entry shares its line with others")
        after = node.value[position + 1][0].start_mark.index
        gap = self.text[self._line_end(end) : after]
        if gap.strip():
            raise Refused("a comment stands where the next entry would have to move up")
        return Edit(start, after, "")

    def _own_comment(self, start: int, first: int, stop: int) -> int:
        """Start of the comment lines directly above that speak of this entry alone.

        A comment above the first of several entries may speak of them all: it goes only when
        the next entry does not follow directly.
        """
        indent = first - start
        follower = self.text[stop:].split("\n", 2)[1:2]
        if follower and follows(follower[0], indent):
            return start
        at = start
        while at > 0:
            above = self._line_start(at - 1)
            line = self.text[above : at - 1]
            if len(line) - len(line.lstrip(" ")) != indent or not line.lstrip(" ").startswith("#"):
                break
            at = above
        return at

    # --- where things end ------------------------------------------------------------------

    def _end(self, node: Any) -> int:
        """Index behind the last character of a node's own text."""
        if node.id == "scalar":
            return self._scalar_end(node)
        if self._is_flow(node) or not node.value:
            end: int = node.end_mark.index
            return end
        return self._end_of_child(node, len(node.value) - 1)

    def _end_of_child(self, node: Any, position: int) -> int:
        child = node.value[position]
        if not isinstance(child, tuple):
            if not self._is_alias(child, node.start_mark.index):
                return self._end(child)
            before = node.start_mark.index
            if position:
                before = self._end_of_child(node, position - 1)
            return self._match(_ALIAS_ITEM, before)
        key, value = child
        if self._is_alias(value, key.start_mark.index):
            return self._match(_ALIAS, key.end_mark.index)
        return self._end(value)

    def _match(self, pattern: re.Pattern[str], at: int) -> int:
        found = pattern.match(self.text, at)
        if found is None:
            raise Refused("an alias stands where its end cannot be told")
        return found.end()

    def _is_alias(self, node: Any, start: int) -> bool:
        """A node that begins before what holds it stands there as an alias."""
        return self._uses[id(node)] > 1 and node.start_mark.index < start

    def _scalar_end(self, node: Any) -> int:
        start, end = node.start_mark.index, node.end_mark.index
        if node.style not in ("|", ">"):
            return int(end)
        body = self.text[start:end]
        header = body[re.search(r"[|>]", body).start() :].split("\n", 1)[0]  # type: ignore[union-attr]
        if "+" in header.partition("#")[0]:
            body = body.removesuffix("\n").removesuffix("\r")
        else:
            body = body.rstrip()
        return int(start) + len(body)

    def _line_start(self, at: int) -> int:
        return self.text.rfind("\n", 0, at) + 1

    def _line_end(self, at: int) -> int:
        """Index of the line break that ends the line, or of the end of the text."""
        end = self.text.find("\n", at)
        if end < 0:
            return len(self.text)
        return end - 1 if end > at and self.text[end - 1] == "\r" else end

    def _bracket(self, node: Any) -> int:
        """Index of a flow collection's opening bracket, behind its anchor and tag."""
        opening = "{" if node.id == "mapping" else "["
        return self.text.index(opening, node.start_mark.index)

    def _dash(self, node: Any) -> int:
        """Column of a block list's dashes."""
        at: int = node.start_mark.index
        if self.text[at : at + 1] != "-":  # behind an anchor or tag
            at = self._dash_before(node.value[0].start_mark.index)
        return at - self._line_start(at)

    def _dash_before(self, at: int) -> int:
        """Index of the dash in front of a list item."""
        dash = self.text.rfind("-", self._line_start(at), at)
        if dash < 0 or self.text[dash + 1 : at].strip(" "):
            raise Refused("a list item does not stand behind its dash")
        return dash

    # --- style -----------------------------------------------------------------------------

    def _is_flow(self, node: Any) -> bool:
        return node.id != "scalar" and bool(node.flow_style)

    def _is_null(self, node: Any) -> bool:
        return node.id == "scalar" and node.tag == "P" and plain_scalar(node.value) is None

    def _under_block(self, spot: _Spot) -> bool:
        """True when the value hangs below a key in block style, so that it may span lines."""
        return spot.key is not None and spot.parent is not None and not spot.parent.flow


def reread(text: str, before: Document) -> Document:
    """An edited document parsed again, with the places that it had before. Raises Refused."""
    try:
        found = list(parse_documents(text.encode("utf-8", "surrogatepass")))
    except InputError as error:
        raise Refused(f"the edited text is not readable: {error.what}") from error
    if len(found) != 1 or not isinstance(found[0], Document):
        raise Refused("the edited text is no longer one valid document")
    document = found[0]
    document.first_line, document.offset = before.first_line, before.offset
    return document
