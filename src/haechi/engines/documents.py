"""YAML and JSON as Kubernetes reads them, with a position for every value.

libyaml (PyYAML's C parser) composes nodes; ``values`` turns them into plain values. Positions
stay in the node tree and are looked up only when a finding asks for one.
A stream is cut at its ``---`` lines first: a broken document does not take its neighbours with
it, and a document whose nodes were dropped to save memory can be composed again alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from haechi.engines.entries import Entries
from haechi.engines.values import LIMITS, Builder, Limits, key_of
from haechi.errors import InputError, LimitExceeded
from haechi.model.location import AttrPath, Location

Span = tuple[int, int, int, int]
"""line, column, end_line, end_column; all from 1."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """A document that cannot be read. ``kind`` names the gap (``syntax``, ``template`` …)."""

    kind: str
    line: int
    message: str


class Document:
    """One document: its plain ``data`` and the places of its values.

    ``duplicates`` addresses keys written twice in one mapping (the last one wins in Kubernetes).
    """

    __slots__ = ("_entries", "_node", "_text", "data", "duplicates", "first_line", "offset")

    def __init__(
        self, text: str, first_line: int, offset: int, node: Any, builder: Builder
    ) -> None:
        self._text = text
        self._node = node
        self._entries = Entries()
        self.first_line = first_line
        self.offset = offset
        self.data: Any = builder.build(node)
        self.duplicates = tuple(_duplicates(node)) if builder.duplicates else ()

    def forget(self) -> None:
        """Drop the node tree; ``locate`` composes it again when asked."""
        self._node = None
        self._entries = Entries()

    @property
    def text(self) -> str:
        """The document as written, from its separator on."""
        return self._text

    @property
    def node(self) -> Any:
        """The PyYAML node tree; marks count from the start of this document's text."""
        if self._node is None:
            self._node = _compose(self._text)
        return self._node

    def locate(self, path: AttrPath) -> Span:
        """Place of the value at ``path``: its key for mapping entries, itself for list items.

        A missing value gives the place of its nearest existing ancestor.
        """
        key, value = self._entries.follow(self.node, path)
        start = key.start_mark if key is not None else value.start_mark
        end = value.end_mark if value.id == "scalar" else (key or value).start_mark
        line = start.line + self.first_line
        if value.id == "scalar":
            return (line, start.column + 1, end.line + self.first_line, end.column + 1)
        width = len(key.value) if key is not None and isinstance(key.value, str) else 1
        return (line, start.column + 1, line, start.column + 1 + width)

    def location(self, path: AttrPath, file: str) -> Location:
        """``locate`` as a place in the file that the document stands in."""
        line, column, end_line, end_column = self.locate(path)
        return Location(
            path=file, line=line, column=column, end_line=end_line, end_column=end_column
        )


class _JsonDocument(Document):
    """A JSON text that libyaml refuses (surrogate escapes): plain data, place of the whole."""

    __slots__ = ()

    def __init__(self, data: Any) -> None:
        self.data = data
        self.duplicates = ()
        self.first_line = 1
        self.offset = 0
        self._text = ""
        self._node = None

    def locate(self, path: AttrPath) -> Span:
        return (1, 1, 1, 2)


_SEPARATOR = re.compile(r"^---(?=[ \t\r\n]|\Z)", re.MULTILINE)
_DEEP_BLOCK = re.compile(r"^(?:[ ]|[-?:][ ]){500}", re.MULTILINE)
_BRACKET = re.compile(r"[\[\]{}]")
_TEMPLATE = re.compile(
    r"\{\{-?\s*(?:[.$]|/\*|(?:include|template|tpl|toYaml|if|else|range|with|end|define|block|"
    r"default|quote|required|printf|lookup|not|and|or|eq)\b)"
)
_BRACES = re.compile(r"\{\{-?[^{}\n]*\}\}")
_CRD_KIND = re.compile(r"^kind: *[\"']?CustomResourceDefinition[\"']? *$", re.MULTILINE)
_CRD_VERSION = re.compile(r"^apiVersion: *[\"']?apiextensions\.k8s\.io/v1[\"']? *$", re.MULTILINE)
_SPEC = re.compile(r"^spec:(?:.*\n?)(?:(?:[ \t#-].*)?(?:\n|\Z))*", re.MULTILINE)
_BLANK = re.compile(r"\s*")
_HELM_VALUE = re.compile(
    r"\{\{-?\s*(?:\.(?:Values|Release|Chart)\b|(?:include|template|tpl|toYaml)\s)"
)


def parse_documents(data: bytes, *, limits: Limits = LIMITS) -> Iterator[Document | Fault]:
    """Yield a Document for each YAML or JSON document, or a Fault in its place.

    Empty documents are passed over. Raises LimitExceeded or InputError for faults of the whole
    file (size, encoding); memory and time are bounded by ``limits``.
    """
    if len(data) > limits.size:
        raise LimitExceeded(f"the file has {len(data):,} bytes; the limit is {limits.size:,}")
    text = decode(data)
    templated = "{{" in text
    for count, (chunk, line, offset) in enumerate(_chunks(text)):
        if count >= limits.documents:
            yield Fault(
                kind="too-many-documents",
                line=line,
                message=f"only the first {limits.documents:,} documents were judged",
            )
            return
        result = _document(chunk, line, offset, limits, templated)
        if isinstance(result, Fault) and result.kind == "syntax":
            several = _json_values(chunk, line, offset, limits)
            if several:
                for part in several:
                    one = _document(*part, limits, templated)
                    if one is not None:
                        yield one
                continue
        if result is not None:
            yield result


def decode(data: bytes) -> str:
    """Text of a file in UTF-8, or in UTF-16/32 with a byte order mark. Raises InputError."""
    if data[:4] in (b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff"):
        encoding = "utf-32"
    elif data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    else:
        encoding = "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"not valid {encoding.removesuffix('-sig').upper()} at byte {error.start} "
            f"(line {line})",
            do="save the file as UTF-8",
        ) from error


def _chunks(text: str) -> Iterator[tuple[str, int, int]]:
    """Cut a stream at its separators: (text, number of its first line, offset)."""
    starts = [match.start() for match in _SEPARATOR.finditer(text)]
    if not starts or text[: starts[0]].strip():
        starts.insert(0, 0)
    line = 1 + text.count("\n", 0, starts[0])
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        chunk = text[start:end]
        yield chunk, line, start
        line += chunk.count("\n")


def _document(
    chunk: str, line: int, offset: int, limits: Limits, templated: bool
) -> Document | Fault | None:
    import yaml

    if "CustomResourceDefinition" in chunk:
        chunk = _without_schema(chunk)
    try:
        _check_depth(chunk, limits.depth)
        node = _compose(chunk)
        if node is None:
            return None
        aliased = "*" in chunk and "&" in chunk
        document = Document(chunk, line, offset, node, Builder(limits, aliased))
    except yaml.YAMLError as error:
        if templated and _TEMPLATE.search(chunk):
            return _template_fault(chunk, line)
        if chunk.lstrip().startswith(("{", "[", '"')):
            return _json(chunk) or _syntax_fault(error, line)
        return _syntax_fault(error, line)
    except LimitExceeded as error:
        return Fault(kind="limit", line=line, message=error.what)
    except InputError as error:
        # ``{{name}}`` without quotes is a mapping whose key is a mapping.
        if templated and _BRACES.search(chunk):
            return _template_fault(chunk, line)
        return Fault(kind="syntax", line=line, message=error.what)
    if templated and _is_object(document.data) and _is_helm(node):
        return _template_fault(chunk, line)
    return document


def _without_schema(chunk: str) -> str:
    """A CustomResourceDefinition with its ``spec`` blanked out, line by line.

    The schemas of one operator are often larger than all manifests of a repository together,
    and no rule judges them; reading them would be most of the time of a scan.
    """
    if not (_CRD_KIND.search(chunk) and _CRD_VERSION.search(chunk)):
        return chunk
    spec = _SPEC.search(chunk)
    if spec is None:
        return chunk
    return chunk[: spec.start()] + "\n" * spec[0].count("\n") + chunk[spec.end() :]


def _is_object(data: Any) -> bool:
    """True for what may be a Kubernetes object: a schema or a dashboard may quote a template."""
    return isinstance(data, dict) and "apiVersion" in data and "kind" in data


def _template_fault(chunk: str, line: int) -> Fault:
    match = _TEMPLATE.search(chunk) or _BRACES.search(chunk)
    at = line + (chunk.count("\n", 0, match.start()) if match else 0)
    return Fault(kind="template", line=at, message="a template, not YAML: it must be rendered")


def _syntax_fault(error: Any, line: int) -> Fault:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    at = line + (mark.line if mark is not None else 0)
    return Fault(kind="syntax", line=at, message=f"not valid YAML: {problem}")


def _json_values(chunk: str, line: int, offset: int, limits: Limits) -> list[tuple[str, int, int]]:
    """JSON values written one after the other, as kubectl reads them; empty if they are not."""
    if not chunk.lstrip().startswith("{"):
        return []
    decoder = json.JSONDecoder()
    parts: list[tuple[str, int, int]] = []
    at = 0
    while len(parts) <= limits.documents:
        start = _BLANK.match(chunk, at).end()  # type: ignore[union-attr]
        if start == len(chunk):
            return parts if len(parts) > 1 else []
        try:
            _, end = decoder.raw_decode(chunk, start)
        except (ValueError, RecursionError):
            return []
        parts.append((chunk[start:end], line + chunk.count("\n", 0, start), offset + start))
        at = end
    return parts[: limits.documents]


def _json(chunk: str) -> Document | None:
    try:
        return _JsonDocument(json.loads(chunk))
    except (ValueError, RecursionError):
        return None


def _check_depth(text: str, depth: int) -> None:
    """Refuse nesting before libyaml recurses into it (its flow parser is quadratic in depth)."""
    widest = max(map(len, text.split("\n")))
    if widest >= 500 and _DEEP_BLOCK.search(text):
        raise LimitExceeded("indented or nested more than 500 columns deep")
    if text.count("[") + text.count("{") <= depth:
        return
    level = 0
    for match in _BRACKET.finditer(text):
        if match.group() in "[{":
            level += 1
            if level > depth:
                raise LimitExceeded(f"brackets nested deeper than {depth}")
        elif level:
            level -= 1


_loader_class: Any = None


def _compose(text: str) -> Any:
    """Compose one document into PyYAML nodes whose tag tells plain (P) from quoted (S) scalars."""
    loader = _loader()(text)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


def _loader() -> Any:
    global _loader_class
    if _loader_class is not None:
        return _loader_class
    import yaml
    from yaml.cyaml import CParser  # type: ignore[attr-defined]

    scalar = yaml.nodes.ScalarNode

    class Loader(CParser):
        """libyaml's composer without PyYAML's implicit tags: scalars are resolved by us."""

        def __init__(self, stream: str) -> None:
            CParser.__init__(self, stream)

        def resolve(self, kind: Any, value: Any, implicit: Any) -> str:
            if kind is scalar:
                return "P" if implicit[0] else "S"
            return ""

        def descend_resolver(self, node: Any, index: Any) -> None:
            pass

        def ascend_resolver(self) -> None:
            pass

    _loader_class = Loader
    return Loader


def _is_helm(node: Any) -> bool:
    """True when a single-line scalar takes its value from a chart.

    Braces alone prove nothing: alert rules, Argo workflows and dashboards carry templates of
    their own that Kubernetes stores as they are.
    """
    stack = [node]
    seen: set[int] = set()
    while stack:
        current = stack.pop()
        if current.id == "scalar":
            inline = current.style not in ("|", ">")
            if inline and "{{" in current.value and _HELM_VALUE.search(current.value):
                return True
        elif id(current) not in seen:
            seen.add(id(current))
            if current.id == "sequence":
                stack.extend(current.value)
            else:
                stack.extend(part for entry in current.value for part in entry)
    return False


def _duplicates(root: Any) -> Iterator[AttrPath]:
    """Paths of keys that stand twice in their mapping; walked only when the builder met one."""
    stack: list[tuple[Any, AttrPath]] = [(root, ())]
    seen: set[int] = set()
    while stack:
        node, path = stack.pop()
        if node.id == "scalar" or id(node) in seen:
            continue
        seen.add(id(node))
        if node.id == "sequence":
            stack.extend((item, (*path, index)) for index, item in enumerate(node.value))
            continue
        names: set[str] = set()
        told: set[str] = set()
        for key_node, value_node in node.value:
            if key_node.tag == "P" and key_node.value == "<<":
                continue
            name = key_of(key_node.value) if key_node.tag == "P" else key_node.value
            if name in names and name not in told:
                told.add(name)
                yield (*path, name)
            names.add(name)
            stack.append((value_node, (*path, name)))
