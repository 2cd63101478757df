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
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar

import msgspec

from haechi.engines.hcl.tree import Assignment, Attribute, Block, Comment, Name, Node
from haechi.model.location import Location
from haechi.model.resource import Resource
from haechi.model.unknown import Unknown
from haechi.model.waiver import Waiver, WaiverOrigin
from haechi.rules.tables import tfsec_names
from haechi.scan.suppressions.index import CHECKOV, TFSEC, TRIVY, Index
from haechi.scan.suppressions.inline import expiry, reason_text

if TYPE_CHECKING:
    from haechi.scan.iac.terraform.modules import Element, Module
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
_MAX_WAIVERS = 20_000
"""Made of others in a run: past that what they would cover is judged as if there were none."""
Part = Assignment | Block
P = TypeVar("P", bound=Part)
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
    module: Module, path: str, comments: Iterable[Comment], index: Index, made: Made
) -> tuple[list[Waiver], list[Carried]]:
    """The waivers of one file, and those that module calls carry along."""
    waivers: list[Waiver] = []
    carried: list[Carried] = []
    wanted = [one for one in comments if _ANY.search(one.text)]
    if not wanted:
        return waivers, carried
    places = _Places(module, path, made.text(path), comments)
    for comment in wanted:
        for waiver, span, params in _read(comment, path, places, index):
            block = span.block if span else None
            if params:
                waivers += made.with_values(waiver, block, params)
                continue
            waivers.append(waiver)
            if block is None or not block.labels or not _whole(span):
                continue
            if block.type == "module":
                carried.append(Carried(folder=module.folder, call=block.labels[0], waiver=waiver))
            elif block.type == "data" and block.labels[0] in _DOCUMENTS:
                waivers += made.of_document(waiver, module, block)
    return waivers, carried


class Made:
    """What the blocks of a run are used for: the resources made of one, the blocks that use a
    document. Each is worked out for all when a waiver asks; how many waivers come of it is
    bounded."""

    def __init__(self, found: Terraform) -> None:
        self._found = found
        self._resources: dict[str, list[Resource]] = {}
        self._users: dict[int, dict[tuple[str, ...], list[Element]]] = {}
        self._left = _MAX_WAIVERS

    def text(self, path: str) -> bytes:
        """The text of a file."""
        return self._found.texts.get(path, b"")

    def with_values(
        self, waiver: Waiver, block: Block | None, params: list[tuple[str, str]]
    ) -> Iterator[Waiver]:
        """The waiver for those resources made of the block whose attributes have these values."""
        if block is None:
            return
        if not self._resources:
            for resource in self._found.resources:
                origin = self._found.origins.get(id(resource), "")
                self._resources.setdefault(origin, []).append(resource)
        for resource in self._resources.get(f"{waiver.path}#{block.head[0]}:{block.head[1]}", ()):
            if self._take() and _has(resource, params):
                yield msgspec.structs.replace(waiver, resource=resource.key)

    def of_document(self, waiver: Waiver, module: Module, document: Block) -> Iterator[Waiver]:
        """The waiver again for every block that uses the document, or one made of it."""
        users = self._users_in(module)
        waiting, seen = [document], {id(document)}
        while waiting:
            for element in users.get(waiting.pop().labels[:2], ()):
                block = element.block
                if id(block) in seen or not self._take():
                    continue
                seen.add(id(block))
                if block.type == "data" and block.labels[0] in _DOCUMENTS:
                    waiting.append(block)
                    continue
                yield msgspec.structs.replace(
                    waiver, path=element.path, first_line=block.span[0], last_line=block.span[2]
                )

    def _users_in(self, module: Module) -> dict[tuple[str, ...], list[Element]]:
        users = self._users.get(id(module))
        if users is None:
            users = self._users[id(module)] = defaultdict(list)
            for element in module.resources.values():
                for named in dict.fromkeys(_data_sources(element.block.body)):
                    users[named].append(element)
        return users

    def _take(self) -> bool:
        self._left -= 1
        return self._left >= 0


def _data_sources(tree: Any) -> Iterator[tuple[str, str]]:
    """The type and name of every ``data.TYPE.NAME`` in a tree."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            waiting += node.values()
        elif isinstance(node, (list, tuple)):
            waiting += node
        elif isinstance(node, msgspec.Struct):
            if isinstance(node, Attribute) and _is_data(node.of):
                yield node.of.name, node.name
            waiting += [getattr(node, field) for field in node.__struct_fields__]


def _is_data(node: Node) -> TypeGuard[Attribute]:
    return isinstance(node, Attribute) and isinstance(node.of, Name) and node.of.name == "data"


def _whole(span: _Span | None) -> bool:
    return span is not None and span.block is not None and span.first <= span.block.span[0]


class _Places:
    """Finds what a comment speaks for, in a file of which every line may be a comment."""

    def __init__(self, module: Module, path: str, text: bytes, comments: Iterable[Comment]) -> None:
        self._moved = module.moved
        self.lines = text.decode("utf-8", "replace").split("\n")
        self._alone: set[int] = set()
        for comment in comments:
            line = self._line(comment.line).lstrip()
            if line.startswith(("#", "//", "/*")):
                self._alone.update(range(comment.line, comment.end_line + 1))
        self._below: dict[int, int] = {}
        for number in sorted(self._alone, reverse=True):
            below = number + 1
            if below in self._alone:
                self._below[number] = self._below[below]
            else:
                self._below[number] = below if self._line(below).strip() else 0  # parted from it
        self._top = sorted(_blocks_in(module, path), key=_first_line)
        self._parts: dict[int, list[Part]] = {}

    def _line(self, number: int) -> str:
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""

    def is_alone(self, comment: Comment) -> bool:
        """Whether nothing else stands on its line."""
        return comment.line in self._alone

    def around(self, line: int) -> Block | None:
        """The outermost block that holds a line."""
        return _holding(self._top, line)

    def target(self, comment: Comment) -> _Span | None:
        """The block or attribute that begins on the comment's line, or below it."""
        line = self._below[comment.end_line] if self.is_alone(comment) else comment.line
        block = self.around(line)
        return None if block is None else _Span(*self._begins(block, line), block)

    def whole(self, comment: Comment) -> _Span | None:
        """The outermost block around a comment."""
        block = self.around(comment.line)
        return None if block is None else _Span(block.span[0], block.span[2], block)

    def _begins(self, block: Block, line: int) -> tuple[int, int]:
        """First and last line of what begins on a line inside a block, or the line itself."""
        while True:
            if block.span[0] == line or block.head[2] == line:
                return block.span[0], block.span[2]
            part = _holding(self._parts_of(block), line)
            if not isinstance(part, Block):
                begins = part is not None and part.span[0] == line
                return line, part.span[2] if part is not None and begins else line
            block = part

    def _parts_of(self, block: Block) -> list[Part]:
        """Attributes and blocks, without those of override files, whose lines are others."""
        parts = self._parts.get(id(block))
        if parts is None:
            inside: tuple[Part, ...] = (*block.body.attributes.values(), *block.body.blocks)
            own = (part for part in inside if id(part) not in self._moved)
            parts = self._parts[id(block)] = sorted(own, key=_first_line)
        return parts


def _first_line(part: Part) -> int:
    return part.span[0]


def _holding(parts: Sequence[P], line: int) -> P | None:
    """The part that a line lies in; no two of them overlap."""
    at = bisect_right(parts, line, key=_first_line) - 1
    return parts[at] if at >= 0 and parts[at].span[2] >= line else None


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
