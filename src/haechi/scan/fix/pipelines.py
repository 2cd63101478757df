"""A workflow, action or pipeline as a subject of fixes: one YAML document, edited in place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from haechi.engines.documents import Document, Fault, parse_documents
from haechi.errors import InputError
from haechi.model.location import AttrPath, format_path, value_at
from haechi.model.resource import Resource
from haechi.scan.fix.changes import Refused, Set, changed, same
from haechi.scan.fix.edits import edit_document, reread
from haechi.scan.fix.fixer import Fixer, changes_of
from haechi.scan.fix.pins import Pins
from haechi.scan.fix.workflow_fixers import (
    WORKFLOWS,
    Above,
    Pinned,
    WorkflowCase,
    WorkflowChange,
)
from haechi.scan.fix.yaml_nodes import style_of
from haechi.scan.fix.yaml_text import entry_lines
from haechi.scan.iac.workflows import resource_of

Identity = tuple[int, str | int]
_REMARK = re.compile(r"[ \t]+#[ \t]*(.*)")


class Means(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What fixes of workflows may use. ``named``: their rules were asked for by name."""

    pins: Pins
    named: bool = False


class Pipeline(msgspec.Struct, frozen=True, eq=False):
    """One CI file (``scan.fix.subject.Subject``)."""

    document: Document
    resources: tuple[Resource, ...]
    kind: str
    file: str
    means: Means

    @property
    def text(self) -> str:
        return self.document.text

    def fixed(self, fixer: Fixer, position: int, hit: AttrPath) -> Pipeline:
        case = WorkflowCase(
            resource=self.resources[position],
            hit=hit,
            templates={},
            pins=self.means.pins,
            named=self.means.named,
        )
        changes: list[WorkflowChange]
        if fixer.steps:
            changes = [*changes_of(fixer.steps, case)]
        elif fixer.function in WORKFLOWS:
            changes = [*WORKFLOWS[fixer.function](case)]
        else:
            raise Refused(f"{fixer.function} is no fix of workflows")
        current = self
        for change in changes:
            current = current._changed(change)
        return current

    def identity(self, position: int, hit: AttrPath) -> Identity:
        return position, format_path(hit)

    def moved(self, identity: Identity, hit: AttrPath, after: object) -> Identity:
        return identity

    def _changed(self, change: WorkflowChange) -> Pipeline:
        match change:
            case Above(path, before, key, value):
                expected = changed(self.document.data, Set((*path, key), value))
                text = _above(self.document, path, before, {key: value})
            case Pinned(path, value, comment):
                expected = changed(self.document.data, Set(path, value))
                text = _pinned(self.document, path, value, comment)
            case _:
                expected = changed(self.document.data, change)
                text = edit_document(self.document, change)
        document = reread(text, self.document)
        if not same(document.data, expected):
            raise Refused("the edited text does not read back as intended")
        return pipeline_of(document, self.kind, self.file, self.means)


def pipeline_of(document: Document, kind: str, file: str, means: Means) -> Pipeline:
    """The subject of a document that holds a mapping."""
    return Pipeline(document, (resource_of(document, file, kind),), kind, file, means)


def read_pipeline(text: str, kind: str, file: str, means: Means) -> tuple[Pipeline, int]:
    """The subject and where it begins. Raises InputError for what is not edited."""
    documents = list(parse_documents(text.encode("utf-8")))
    fault = next((d for d in documents if isinstance(d, Fault)), None)
    if fault is not None:
        raise InputError(f"line {fault.line}: {fault.message}")
    single = [d for d in documents if isinstance(d, Document)]
    if len(single) != 1 or not isinstance(single[0].data, dict):
        raise InputError("only files of one document are edited")
    return pipeline_of(single[0], kind, file, means), single[0].offset


def _pinned(document: Document, path: AttrPath, value: str, comment: str) -> str:
    """The reference replaced; the tag goes to the end of the line, before what is said there."""
    text = edit_document(document, Set(path, value))
    again = reread(text, document)
    row = again.locate(path)[2] - again.first_line
    lines = text.split("\n")
    line = lines[row].removesuffix("\r")
    end = "\r" if lines[row].endswith("\r") else ""
    before, found, rest = line.partition(value)
    remark = _REMARK.search(rest) if found else None
    if remark is not None:
        said = remark[1].strip()
        if said.split(maxsplit=1)[:1] != [comment]:
            said = f"{comment} # {said}" if said else comment
        rest = f"{rest[: remark.start()]} # {said}"
    elif found:
        rest = f"{rest.rstrip()} # {comment}"
    lines[row] = before + found + rest + end
    return "\n".join(lines)


def _above(document: Document, path: AttrPath, before: str, entry: Mapping[str, Any]) -> str:
    """A new entry on lines of its own above another one of the same mapping in block style."""
    text = document.text
    held = value_at(document.data, path)
    (key,) = entry
    if not isinstance(held, dict) or before not in held or key in held:
        raise Refused(f"{format_path((*path, key))} cannot be written there")
    line, column, _, _ = document.locate((*path, before))
    lines = text.split("\n")
    row = line - document.first_line
    indent = column - 1
    if lines[row][:indent].strip(" ") or not lines[row][indent:].lstrip("\"'").startswith(before):
        raise Refused("the entry shares its line with others")
    style = style_of(document.node, text)
    while row and not lines[row - 1][:indent].strip() and lines[row - 1][indent:].startswith("#"):
        row -= 1  # comments directly above speak of the entry
    new = [part for k, v in entry.items() for part in entry_lines(k, v, indent, style)]
    if not path and (row == 0 or not lines[row - 1].strip()):
        new.append("")
    if style.newline == "\r\n":
        new = [f"{part}\r" for part in new]
    return "\n".join([*lines[:row], *new, *lines[row:]])
