"""Suppressions in the comments of Terraform files: ours, Checkov's, Trivy's, tfsec's.

Checkov's stand anywhere inside a block and cover all of it. Those of Trivy and tfsec, and ours,
stand on their own above a block or an attribute, or behind its first line, and cover that. On a
module call all of them cover what the call brings: such a waiver is ``Carried`` to the findings of
the resources below that call, for the same lines may be brought by another call, too. On a data
source that only writes a policy they cover the resources that use it: the policy is judged there.
https://trivy.dev/docs/latest/scanner/misconfiguration/#by-inline-comments
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from haechi.engines.hcl.tree import Attribute, Block, Comment, Name, Node
from haechi.model.location import Location
from haechi.model.resource import Resource
from haechi.model.unknown import Unknown
from haechi.model.waiver import Waiver, WaiverOrigin
from haechi.rules.tables import tfsec_names
from haechi.scan.suppressions.index import CHECKOV, TFSEC, TRIVY, Index
from haechi.scan.suppressions.inline import expiry, reason_text

if TYPE_CHECKING:
    from haechi.scan.iac.terraform.modules import Module
    from haechi.scan.iac.terraform.read import Terraform

_RULE = r"(?:\*|[a-z][a-z0-9]*(?:-[a-z0-9]+)+)"
_ALLOW = re.compile(
    rf"(?:^|[\s#/*])haechi:(?:allow|ignore)(-file)?[ \t]+"
    rf"({_RULE}(?:[ \t]*,[ \t]*{_RULE})*)(?![\w*-])(.*)"
)
_CHECKOV = re.compile(r"(?:checkov|bridgecrew):skip\s*=\s*([A-Za-z0-9_]+)(?::(.*))?")
_PEER = re.compile(r"(trivy|tfsec):ignore:([A-Za-z0-9*_-]+)((?:\[[^\]\s]*\]|:[a-z]+:[^\s:#]+)*)")
_FIRST_CODE = re.compile(r"(?:AWS|AZU|DIG|GCP|GEN|GIT|OCI)\d{3}\Z", re.IGNORECASE)
_PARAMS = re.compile(r"\[([^\]]*)\]")
_SETTING = re.compile(r":([a-z]+):([^\s:#\[]+)")
_DOCUMENTS = frozenset({"aws_iam_policy_document", "google_iam_policy"})
"""Data sources that write a document and are nothing by themselves."""
_ANY = re.compile(r"haechi:|checkov:|bridgecrew:|trivy:|tfsec:")


class Carried(msgspec.Struct, frozen=True, kw_only=True):
    """A waiver on the call ``call`` in the module of ``folder``."""

    folder: str
    call: str
    waiver: Waiver


class _Span(msgspec.Struct, frozen=True):
    """What a comment speaks for: lines, and the outermost block that they lie in."""

    first: int
    last: int
    block: Block | None


def waivers_of(
    module: Module, path: str, comments: Iterable[Comment], index: Index, found: Terraform
) -> tuple[list[Waiver], list[Carried]]:
    """The waivers of one file, and those that module calls carry along."""
    waivers: list[Waiver] = []
    carried: list[Carried] = []
    wanted = [one for one in comments if _ANY.search(one.text)]
    if not wanted:
        return waivers, carried
    places = _Places(module, path, found.texts.get(path, b""), comments)
    for comment in wanted:
        for waiver, span, params in _read(comment, path, places, index):
            if params:
                waivers += _for_resources(waiver, span, params, found)
                continue
            waivers.append(waiver)
            block = span.block if span else None
            if block is None or not block.labels or not _whole(span):
                continue
            if block.type == "module":
                carried.append(Carried(folder=module.folder, call=block.labels[0], waiver=waiver))
            elif block.type == "data" and block.labels[0] in _DOCUMENTS:
                waivers += _where_used(waiver, module, block)
    return waivers, carried


def _where_used(waiver: Waiver, module: Module, document: Block) -> Iterator[Waiver]:
    """The waiver again for every block of the module that uses the document, or one made of it."""
    waiting, seen = [document], {id(document)}
    while waiting:
        type_, name = waiting.pop().labels[:2]
        for element in module.resources.values():
            block = element.block
            if id(block) in seen or not _mentions(block.body, type_, name):
                continue
            seen.add(id(block))
            if block.type == "data" and block.labels[0] in _DOCUMENTS:
                waiting.append(block)
                continue
            yield msgspec.structs.replace(
                waiver, path=element.path, first_line=block.span[0], last_line=block.span[2]
            )


def _mentions(tree: Any, type_: str, name: str) -> bool:
    """Whether ``data.TYPE.NAME`` stands somewhere in a tree."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            waiting += node.values()
        elif isinstance(node, (list, tuple)):
            waiting += node
        elif isinstance(node, Attribute) and node.name == name and _is_data(node.of, type_):
            return True
        elif isinstance(node, msgspec.Struct):
            waiting += [getattr(node, field) for field in node.__struct_fields__]
    return False


def _is_data(node: Node, type_: str) -> bool:
    return (
        isinstance(node, Attribute)
        and node.name == type_
        and isinstance(node.of, Name)
        and node.of.name == "data"
    )


def _whole(span: _Span | None) -> bool:
    return span is not None and span.block is not None and span.first <= span.block.span[0]


class _Places:
    """Finds what a comment speaks for."""

    def __init__(self, module: Module, path: str, text: bytes, comments: Iterable[Comment]) -> None:
        self.lines = text.decode("utf-8", "replace").split("\n")
        self._alone: set[int] = set()
        for comment in comments:
            line = self._line(comment.line).lstrip()
            if line.startswith(("#", "//", "/*")):
                self._alone.update(range(comment.line, comment.end_line + 1))
        self.top = sorted(_blocks_in(module, path), key=lambda block: block.span[0])

    def _line(self, number: int) -> str:
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""

    def is_alone(self, comment: Comment) -> bool:
        """Whether nothing else stands on its line."""
        return comment.line in self._alone

    def around(self, line: int) -> Block | None:
        """The outermost block that holds a line."""
        for block in self.top:
            if block.span[0] <= line <= block.span[2]:
                return block
        return None

    def target(self, comment: Comment) -> _Span | None:
        """The block or attribute that begins on the comment's line, or below it."""
        line = comment.line
        if self.is_alone(comment):
            line = comment.end_line + 1
            while line <= len(self.lines) and (line in self._alone or not self._line(line).strip()):
                if not self._line(line).strip() and line not in self._alone:
                    return None  # a blank line parts them
                line += 1
        block = self.around(line)
        if block is None:
            return None
        return _Span(*_begins(block, line), block)

    def whole(self, comment: Comment) -> _Span | None:
        """The outermost block around a comment."""
        block = self.around(comment.line)
        return None if block is None else _Span(block.span[0], block.span[2], block)


def _begins(block: Block, line: int) -> tuple[int, int]:
    """First and last line of what begins on a line inside a block, or the line itself."""
    while True:
        if block.span[0] == line or block.head[2] == line:
            return block.span[0], block.span[2]
        for assignment in block.body.attributes.values():
            if assignment.span[0] <= line <= assignment.span[2]:
                if assignment.span[0] == line:
                    return line, assignment.span[2]
                return line, line
        inner = next((b for b in block.body.blocks if b.span[0] <= line <= b.span[2]), None)
        if inner is None:
            return line, line
        block = inner


def _blocks_in(module: Module, path: str) -> Iterator[Block]:
    tables = (
        module.resources,
        module.calls,
        module.variables,
        module.outputs,
    )
    for table in tables:
        for element in table.values():
            if element.path == path:
                yield element.block
    for element in (*module.providers, *module.settings):
        if element.path == path:
            yield element.block


_Read = tuple[Waiver, _Span | None, list[tuple[str, str]]]


def _read(comment: Comment, path: str, places: _Places, index: Index) -> Iterator[_Read]:
    yield from _haechi(comment, path, places)
    yield from _checkov(comment, path, places, index)
    yield from _peers(comment, path, places, index)


def _haechi(comment: Comment, path: str, places: _Places) -> Iterator[_Read]:
    match = _ALLOW.search(comment.text)
    if match is None:
        return
    span = places.target(comment)
    if match[1] and not places.is_alone(comment):
        return
    if span is None and not match[1]:
        return
    for rule in dict.fromkeys(one.strip() for one in match[2].split(",")):
        yield (
            _waiver(
                comment,
                path,
                rule,
                f"haechi:allow{match[1] or ''}",
                None if match[1] else span,
                origin=WaiverOrigin.INLINE,
                reason=match[3],
            ),
            None if match[1] else span,
            [],
        )


def _checkov(comment: Comment, path: str, places: _Places, index: Index) -> Iterator[_Read]:
    for match in _CHECKOV.finditer(comment.text):
        span = places.whole(comment)
        if span is None:
            continue
        for rule in index.rules(CHECKOV, match[1]):
            source = f"checkov:skip={match[1]}"
            yield _waiver(comment, path, rule, source, span, reason=match[2] or ""), span, []


def _peers(comment: Comment, path: str, places: _Places, index: Index) -> Iterator[_Read]:
    for match in _PEER.finditer(comment.text):
        settings = dict(_SETTING.findall(match[3]))
        expires = expiry(settings.get("exp"))
        if isinstance(expires, bool) or "ws" in settings:
            continue  # for how long, or in which workspace, nobody can tell
        span = places.target(comment)
        if span is None:
            continue
        scheme, check = match[1], match[2]
        for rule in _rules(index, check):
            source = f"{scheme}:ignore:{check}"
            waiver = _waiver(comment, path, rule, source, span, expires=expires)
            yield waiver, span, _params(match[3])


def _rules(index: Index, check: str) -> Iterable[str]:
    if check == "*":
        return dict.fromkeys(index.all_rules(TRIVY))
    known = tfsec_names().get(check.lower())
    if _FIRST_CODE.match(check):  # AWS077 is not AVD-AWS-0077
        return dict.fromkeys(index.rules(TRIVY, known) if known else ())
    found = (*index.rules(TRIVY, check), *index.rules(TFSEC, check))
    if not found and known:
        found = index.rules(TRIVY, known)
    return dict.fromkeys(found)


def _params(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for part in _PARAMS.findall(text):
        for pair in part.split(","):
            name, _, value = pair.partition("=")
            found.append((name.strip(), value.strip().strip('"')))
    return found


def _for_resources(
    waiver: Waiver, span: _Span | None, params: list[tuple[str, str]], found: Terraform
) -> Iterator[Waiver]:
    """For those resources that were made of the block and whose attributes have these values."""
    block = span.block if span else None
    if block is None:
        return
    origin = f"{waiver.path}#{block.head[0]}:{block.head[1]}"
    for resource in found.resources:
        if found.origins.get(id(resource)) == origin and _has(resource, params):
            yield msgspec.structs.replace(waiver, resource=resource.key)


def _has(resource: Resource, params: list[tuple[str, str]]) -> bool:
    from haechi.checks.terraform.links import values_at

    return all(
        any(
            not isinstance(one, Unknown) and _text(one) == value
            for one in values_at(resource.data, name)
        )
        for name, value in params
    )


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _waiver(
    comment: Comment,
    path: str,
    rule: str,
    source: str,
    span: _Span | None,
    *,
    origin: WaiverOrigin = WaiverOrigin.PEER,
    reason: str = "",
    expires: dt.date | None = None,
) -> Waiver:
    return Waiver(
        rule=rule,
        origin=origin,
        location=Location(path=path, line=comment.line, end_line=comment.end_line),
        path=path,
        first_line=span.first if span else None,
        last_line=span.last if span else None,
        reason=reason_text(reason),
        expires=expires,
        source=source,
    )
