"""Text edits of YAML: what they leave alone matters as much as what they change."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from haechi.engines.documents import Document, parse_documents
from haechi.scan.fix.changes import Change, Delete, Refused, Rename, Set, changed, same
from haechi.scan.fix.edits import edit_document


def document_of(text: str) -> Document:
    (found,) = parse_documents(text.encode())
    assert isinstance(found, Document), found
    return found


def edit(text: str, *changes: Change) -> str:
    """The text after the changes, each checked against the same change of the plain data."""
    document = document_of(text)
    for change in changes:
        expected = changed(document.data, change)
        after = edit_document(document, change)
        document = document_of(after)
        assert same(document.data, expected)
    return document.text


ROWS: list[tuple[str, str, Change, str]] = [
    (
        "scalar keeps its comment",
        "a:\n  b: true # why\n  c: 1\n",
        Set(("a", "b"), False),
        "a:\n  b: false # why\n  c: 1\n",
    ),
    ("quotes stay double", 'a: "x"\n', Set(("a",), "y"), 'a: "y"\n'),
    ("quotes stay single", "a: 'x'\n", Set(("a",), "it's"), "a: 'it''s'\n"),
    ("a word that YAML reads as a boolean is quoted", "a: x\n", Set(("a",), "yes"), 'a: "yes"\n'),
    ("empty value", "a:\nb: 1\n", Set(("a",), "x"), "a: x\nb: 1\n"),
    ("empty value before a comment", "a: # c\nb: 1\n", Set(("a",), 1), "a: 1 # c\nb: 1\n"),
    ("empty value in flow", "{a: , b: 1}\n", Set(("a",), 2), "{a: 2, b: 1}\n"),
    (
        "new key at the end of its mapping, before the comment of what follows",
        "l:\n  - name: a\n    image: b # pinned\n    # about c\n  - name: c\n",
        Set(("l", 0, "x"), True),
        "l:\n  - name: a\n    image: b # pinned\n    x: true\n    # about c\n  - name: c\n",
    ),
    (
        "nested mappings in the indentation of the document",
        "spec:\n    a:\n        b: 1\n",
        Set(("spec", "s", "drop"), ["ALL"]),
        "spec:\n    a:\n        b: 1\n    s:\n        drop:\n          - ALL\n",
    ),
    (
        "lists at the column of their key",
        "spec:\n  l:\n  - a: 1\n",
        Set(("spec", "l", 0, "c", "drop"), ["ALL"]),
        "spec:\n  l:\n  - a: 1\n    c:\n      drop:\n      - ALL\n",
    ),
    ("append", "l:\n- a # one\n# two\n", Set(("l", 1), "b"), "l:\n- a # one\n- b\n# two\n"),
    (
        "append a mapping",
        "l:\n  - a: 1\nz: 1\n",
        Set(("l", 1), {"a": 2, "b": {"c": [1]}}),
        "l:\n  - a: 1\n  - a: 2\n    b:\n      c:\n        - 1\nz: 1\n",
    ),
    ("append in flow", "l: [a, b] # c\n", Set(("l", 2), "c"), "l: [a, b, c] # c\n"),
    ("append to an empty list", "l: []\nm: 1\n", Set(("l", 0), "c"), "l:\n  - c\nm: 1\n"),
    ("null becomes a mapping", "a: ~\nb: 1\n", Set(("a", "x"), 1), "a:\n  x: 1\nb: 1\n"),
    (
        "nothing becomes a mapping above the comments below it",
        "a:\n  # x: 2\nb: 1\n",
        Set(("a", "x"), 1),
        "a:\n  x: 1\n  # x: 2\nb: 1\n",
    ),
    (
        "empty mapping becomes a block and keeps its comment",
        "a: {} # none\nb: 1\n",
        Set(("a", "x", "w"), 1),
        "a: # none\n  x:\n    w: 1\nb: 1\n",
    ),
    ("flow mapping", "a: {b: 1}\n", Set(("a", "c", "d"), ["x"]), "a: {b: 1, c: {d: [x]}}\n"),
    ("flow mapping with spaces", "a: { b: 1 }\n", Set(("a", "c"), 2), "a: { b: 1, c: 2 }\n"),
    ("flow mapping, last comma", "a: {b: 1,}\n", Set(("a", "c"), 2), "a: {b: 1, c: 2}\n"),
    ("empty mapping in flow", "a: {b: {}}\n", Set(("a", "b", "c"), 2), "a: {b: {c: 2}}\n"),
    (
        "JSON over several lines",
        '{\n  "a": {\n    "b": 1\n  }\n}\n',
        Set(("a", "c", "d"), True),
        '{\n  "a": {\n    "b": 1,\n    "c": {"d": true}\n  }\n}\n',
    ),
    (
        "flow over several lines with comments",
        "a: {\n  b: 1 # one\n}\n",
        Set(("a", "c"), 2),
        "a: {\n  b: 1, # one\n  c: 2\n}\n",
    ),
    ("JSON on one line", '{"a": {"b": 1}}', Set(("a", "c"), "x"), '{"a": {"b": 1, "c": "x"}}'),
    ("no newline at the end", "a:\n  b: 1", Set(("a", "c"), 2), "a:\n  b: 1\n  c: 2"),
    ("CRLF", "a:\r\n  b: 1\r\nz: 1\r\n", Set(("a", "c"), 2), "a:\r\n  b: 1\r\n  c: 2\r\nz: 1\r\n"),
    (
        "document marks",
        "---\na:\n  b: 1\n...\n",
        Set(("a", "c"), 2),
        "---\na:\n  b: 1\n  c: 2\n...\n",
    ),
    (
        "block scalar at the end",
        "a:\n  b: |\n    one\n    two\n\n# end\n",
        Set(("a", "c"), 2),
        "a:\n  b: |\n    one\n    two\n  c: 2\n\n# end\n",
    ),
    (
        "block scalar that keeps its blank lines",
        "a:\n  b: |+\n    one\n\nz: 1\n",
        Set(("a", "c"), 2),
        "a:\n  b: |+\n    one\n\n  c: 2\nz: 1\n",
    ),
    (
        "folded text",
        "a:\n  b: >-\n    one\n    two",
        Set(("a", "c"), 2),
        "a:\n  b: >-\n    one\n    two\n  c: 2",
    ),
    (
        "an alias at the end does not mislead",
        "x: &x {k: 1}\na:\n  b: *x # shared\nz: 1\n",
        Set(("a", "c"), 2),
        "x: &x {k: 1}\na:\n  b: *x # shared\n  c: 2\nz: 1\n",
    ),
    (
        "an alias as the last item does not mislead",
        "x: &x {k: 1}\na:\n  - 1\n  - *x\nz: 1\n",
        Set(("a", 2), 2),
        "x: &x {k: 1}\na:\n  - 1\n  - *x\n  - 2\nz: 1\n",
    ),
    (
        "multi-line quoted text",
        'a:\n  b: "x\n    y"\n',
        Set(("a", "c"), 2),
        'a:\n  b: "x\n    y"\n  c: 2\n',
    ),
    ("delete a line", "a: 1\nb: 2 # own\nc: 3\n", Delete(("b",)), "a: 1\nc: 3\n"),
    ("delete with what is below", "a: 1\nb:\n  - 2\n  - 3\nc: 3\n", Delete(("b",)), "a: 1\nc: 3\n"),
    (
        "delete the comment that is its own",
        "m:\n  a: 1\n  # about b\n  b: 2\nc: 3\n",
        Delete(("m", "b")),
        "m:\n  a: 1\nc: 3\n",
    ),
    (
        "a comment above a group stays",
        "m:\n  # group\n  a: 1\n  b: 2\n",
        Delete(("m", "a")),
        "m:\n  # group\n  b: 2\n",
    ),
    ("delete the first key behind a dash", "- a: 1\n  b: 2\n", Delete((0, "a")), "- b: 2\n"),
    ("delete a list item", "l:\n- a\n- b # x\n- c\n", Delete(("l", 1)), "l:\n- a\n- c\n"),
    ("delete in flow", "{a: 1, b: 2, c: 3}", Delete(("b",)), "{a: 1, c: 3}"),
    ("delete the last in flow", "{a: 1, b: 2 }", Delete(("b",)), "{a: 1 }"),
    ("delete the last line of a file", "a: 1\nb: 2", Delete(("b",)), "a: 1"),
    (
        "the only child leaves an empty mapping",
        "a:\n  b: 1\nc: 1\n",
        Delete(("a", "b")),
        "a: {}\nc: 1\n",
    ),
    ("the only child leaves an empty list", "a:\n- b\nc: 1\n", Delete(("a", 0)), "a: []\nc: 1\n"),
    (
        "pruning takes what became empty",
        "m:\n  n: x\n  annotations:\n    a: 1\ns: 1\n",
        Delete(("m", "annotations", "a"), prune=True),
        "m:\n  n: x\ns: 1\n",
    ),
    ("rename", "a:\n  b: 1 # c\n", Rename(("a", "b"), "d"), "a:\n  d: 1 # c\n"),
    ("rename keeps quotes", '{"a": 1}', Rename(("a",), "b"), '{"b": 1}'),
    ("tabs before comments", "a:\n  b: 1\t# x\n", Set(("a", "c"), 2), "a:\n  b: 1\t# x\n  c: 2\n"),
    ("unused anchors stay", "a: &a\n  b: 1\n", Set(("a", "c"), 2), "a: &a\n  b: 1\n  c: 2\n"),
    (
        "wide characters",
        "k: 한글 😀\na:\n  b: 😀\n",
        Set(("a", "c"), 2),
        "k: 한글 😀\na:\n  b: 😀\n  c: 2\n",
    ),
]


@pytest.mark.parametrize(
    ("before", "change", "after"), [r[1:] for r in ROWS], ids=[r[0] for r in ROWS]
)
def test_changes_only_what_is_asked(before: str, change: Change, after: str) -> None:
    assert edit(before, change) == after


REFUSED: list[tuple[str, Change, str]] = [
    ("x: &x {k: 1}\na: *x\n", Set(("a", "k"), 2), "shared by an anchor"),
    ("x: &x {k: 1}\na: *x\n", Set(("x", "k"), 2), "shared by an anchor"),
    ("x: &x\n  k: {i: 1}\na:\n  <<: *x\n", Set(("a", "k", "i"), 2), "comes from a merge"),
    ("a: &v 1\nb: *v\n", Set(("b",), 2), "shared by an anchor"),
    ("a: 1\na: 2\n", Set(("a",), 3), "written twice"),
    ("a: {b: 1}\n", Set(("a",), 3), "would be lost"),
    ("a: [1]\n", Set(("a", "b"), 3), "not a mapping"),
    ("a: text\n", Set(("a", "b"), 3), "not a mapping"),
    ("a: [1]\n", Set(("a", 3), 3), "not such a list"),
    ("a:\n", Set(("a", 3), 3), "no second item"),
    ("a: 1\n", Delete(("b",)), "not written"),
    ("a: 1\n", Delete(()), "whole document"),
    ("- - a\n  - b\n", Delete((0, 0)), "shares its line"),
    ("a: {\n  b: 1, # c\n  d: 2}\n", Delete(("a", "b")), "in between"),
    ("- a: 1\n  # c\n  b: 2\n", Delete((0, "a")), "comment"),
    ("a: 1\x85\nb: 2\n", Set(("b",), 3), "line breaks"),
]


@pytest.mark.parametrize(("text", "change", "reason"), REFUSED)
def test_refuses_what_it_cannot_do_safely(text: str, change: Change, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        edit_document(document_of(text), change)


# --- any YAML ------------------------------------------------------------------------------

KEYS = st.sampled_from(["a", "b", "c", "name", "x/y.z", "on", "한"])
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-9, 99),
    st.sampled_from(["x", "true", "a b", "- x", "#c", "it's", '"', "", "é😀", "a: b", "l1\nl2\n"]),
)
DATA = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=12,
)


class Writer:
    """Writes data as YAML in a random layout, with comments wherever they may stand."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw
        self.unit: int = draw(st.sampled_from([1, 2, 4]))
        self.dash: int = draw(st.sampled_from([0, 1, 2]))

    def scalar(self, value: Any, indent: int = -1) -> str:
        if isinstance(value, str) and "\n" in value:
            if indent < 0 or self.draw(st.booleans()):
                return '"' + value.replace("\n", "\\n") + '"'
            pad = "\n" + " " * (indent + self.unit)
            return "|" + pad + pad.join(value.rstrip("\n").split("\n"))
        if isinstance(value, str):
            return "'" + value.replace("'", "''") + "'"
        if value is None:
            return "null"
        return str(value).lower()

    def flow(self, value: Any) -> str:
        if isinstance(value, dict):
            return "{" + ", ".join(f"'{k}': {self.flow(v)}" for k, v in value.items()) + "}"
        if isinstance(value, list):
            return "[" + ", ".join(self.flow(v) for v in value) + "]"
        return self.scalar(value)

    def comment(self, indent: int) -> list[str]:
        kind = self.draw(st.integers(0, 5))
        return [[" " * indent + "# note"], [""], [], [], [], []][kind]

    def block(self, value: Any, indent: int) -> list[str]:
        out: list[str] = []
        pairs = value.items() if isinstance(value, dict) else ((None, v) for v in value)
        for key, inner in pairs:
            out += self.comment(indent)
            head = " " * indent + ("-" if key is None else f"'{key}':")
            tail = self.draw(st.sampled_from(["", "", " # tail"]))
            filled = isinstance(inner, dict | list) and inner
            if filled and key is not None and self.draw(st.integers(0, 3)):
                deeper = indent + (self.unit if isinstance(inner, dict) else self.dash)
                out += [head + tail, *self.block(inner, deeper)]
            elif filled and key is None and isinstance(inner, dict) and self.draw(st.booleans()):
                lines = self.block(inner, indent + 2)
                at = next(i for i, line in enumerate(lines) if line.strip() not in ("", "# note"))
                out += [" " * indent + "- " + lines[at].lstrip(), *lines[at + 1 :]]
            elif isinstance(inner, dict | list):
                out.append(f"{head} {self.flow(inner)}{tail}")
            else:
                written = self.scalar(inner, indent)
                if written == "null" and self.draw(st.booleans()):
                    written = ""
                out.append(f"{head} {written}" + ("" if "\n" in written else tail))
        return out

    def document(self, data: Any) -> str:
        if not isinstance(data, dict | list) or not data or not self.draw(st.integers(0, 4)):
            return self.flow(data) + "\n"
        start: list[str] = self.draw(st.sampled_from([[], ["---"], ["# head"]]))
        newline: str = self.draw(st.sampled_from(["\n", "\r\n"]))
        lines = "\n".join([*start, *self.block(data, 0)]).split("\n")
        ends = (
            [newline, newline * 2] if ": |" in "".join(lines) or "- |" in "".join(lines) else [""]
        )
        end: str = self.draw(st.sampled_from(ends))
        return newline.join(lines) + end


def paths_of(data: Any) -> list[tuple[str | int, ...]]:
    out: list[tuple[str | int, ...]] = [()]
    inner = (
        data.items()
        if isinstance(data, dict)
        else enumerate(data)
        if isinstance(data, list)
        else ()
    )
    for key, value in inner:
        out += [(key, *path) for path in paths_of(value)]
    return out


@st.composite
def documents_and_changes(draw: Any) -> tuple[str, Any, Change]:
    data = draw(st.dictionaries(KEYS, DATA, min_size=1, max_size=4))
    text = Writer(draw).document(data)
    at = draw(st.sampled_from(paths_of(data)))
    kind = draw(
        st.sampled_from(["set", "set", "set", "append", "replace", "delete", "prune", "rename"])
    )
    new = tuple(draw(st.lists(st.sampled_from(["new", "other"]), min_size=1, max_size=3)))
    value = draw(st.one_of(LEAVES, st.just(["ALL"]), st.just({"k": [1, {"m": "v"}]})))
    match kind:
        case "set":
            return text, data, Set((*at, *new), value)
        case "append":
            return text, data, Set((*at, draw(st.integers(0, 3))), value)
        case "replace":
            return text, data, Set(at or ("z",), value)
        case "rename":
            return text, data, Rename(at or ("z",), "renamed")
        case _:
            return text, data, Delete(at or ("z",), prune=kind == "prune")


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents_and_changes())
def test_text_and_data_change_alike_and_other_lines_stay(case: tuple[str, Any, Change]) -> None:
    text, data, change = case
    document = document_of(text)
    assert document.data == data, "the test's own writer is wrong"
    try:
        after = edit_document(document, change)
    except Refused:
        return
    assert same(document_of(after).data, changed(data, change)), (text, after)
    if isinstance(change, Set):
        for comment in ("# note", "# tail", "# head"):
            assert after.count(comment) == text.count(comment)
    assert_one_region(text, after, change)


def assert_one_region(text: str, after: str, change: Change) -> None:
    """All lines outside one short stretch are byte-identical."""
    before_lines, after_lines = text.splitlines(True), after.splitlines(True)
    head = 0
    while (
        head < min(len(before_lines), len(after_lines)) and before_lines[head] == after_lines[head]
    ):
        head += 1
    tail = 0
    while (
        tail < min(len(before_lines), len(after_lines)) - head
        and before_lines[-1 - tail] == after_lines[-1 - tail]
    ):
        tail += 1
    if isinstance(change, Set | Rename):
        assert len(before_lines) - head - tail <= 3, (text, after)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60), st.lists(st.sampled_from(["a", "b", 0, 1]), max_size=3))
def test_any_text_is_edited_or_refused(text: str, path: list[str | int]) -> None:
    for document in parse_documents(text.encode("utf-8", "replace")):
        if isinstance(document, Document):
            for change in (Set(tuple(path), 1), Delete(tuple(path)), Rename(tuple(path), "n")):
                try:
                    edit_document(document, change)
                except Refused as reason:
                    assert reason.what
