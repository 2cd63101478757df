"""Terraform's JSON syntax (``*.tf.json``, what CDKTF writes) as the tree of its own syntax.

Whether an object is a nested block or a map depends on the provider's schema, which is not here: an
object under one of the usual names of maps is a map, every other object in a resource is a block,
as are the objects of a list.
https://developer.hashicorp.com/terraform/language/syntax/json
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from haechi.engines.hcl.json_values import loads
from haechi.engines.hcl.parse_json import parse_json as parse
from haechi.engines.hcl.tree import Assignment, Block, Body, File, Literal, Node, Object, Tuple
from haechi.errors import InputError, LimitExceeded

_NESTING = frozenset({"resource", "data", "ephemeral", "provider"})
_MAPS = frozenset(
    {
        "annotations",
        "app_settings",
        "binary_data",
        "data",
        "default_tags_map",
        "environment_variables",
        "filter_policy",
        "keepers",
        "labels",
        "limits",
        "manifest",
        "match_labels",
        "node_selector",
        "parameters",
        "request_parameters",
        "requests",
        "response_parameters",
        "selector",
        "string_data",
        "tags",
        "tags_all",
        "triggers",
        "user_labels",
        "values",
        "variables",
    }
)
_META = frozenset({"for_each", "count", "providers", "depends_on"})
_MAX_DEPTH = 60


def parse_json(data: bytes, path: str) -> File:
    """The tree of a JSON file. Raises LimitExceeded."""
    file = parse(data, name=path)
    blocks = tuple(
        _nested(block, 0) if block.type in _NESTING else block for block in file.body.blocks
    )
    return replace(file, body=replace(file.body, blocks=blocks))


def _nested(block: Block, depth: int) -> Block:
    """The block with blocks for the objects that its attributes hold."""
    if depth > _MAX_DEPTH:
        return block
    body = block.body
    blocks = [_nested(one, depth + 1) for one in body.blocks]
    kept: dict[str, Assignment] = {}
    for name, assignment in body.attributes.items():
        objects = None if name in _MAPS or name in _META else _objects(assignment.value)
        if objects is None:
            kept[name] = assignment
        else:
            blocks += [_nested(_block(name, one), depth + 1) for one in objects]
    return replace(block, body=replace(body, attributes=kept, blocks=tuple(blocks)))


def _objects(value: Node) -> list[Object] | None:
    """The objects that are blocks; None for everything else."""
    if isinstance(value, Object):
        return [value] if _is_plain(value) else None
    if isinstance(value, Tuple) and value.items:
        listed = [one for one in value.items if isinstance(one, Object) and _is_plain(one)]
        return listed if len(listed) == len(value.items) else None
    return None


def _is_plain(value: Object) -> bool:
    return all(isinstance(key, Literal) and isinstance(key.value, str) for key, _ in value.items)


def _block(name: str, value: Object) -> Block:
    attributes = dict(_assignments(value))
    line, column = value.span[:2]
    head = (line, column, line, column + 1)
    return Block(name, (), Body(attributes, (), value.span), value.span, head)


def _assignments(value: Object) -> Iterator[tuple[str, Assignment]]:
    for key, item in value.items:
        name = str(key.value) if isinstance(key, Literal) else ""
        span = (*key.span[:2], *item.span[2:])
        yield name, Assignment(name, item, span, key.span)


def parse_values(data: bytes) -> list[tuple[str, Node]]:
    """The variables of a ``*.tfvars.json``: plain values, in which nothing is a template."""
    try:
        content = loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError("not JSON", do="correct it") from error
    if not isinstance(content, dict):
        raise InputError("an object with the variables is needed", do="correct it")
    return [(name, _plain(value, 0)) for name, value in content.items()]


def _plain(value: Any, depth: int) -> Node:
    span = (1, 1, 1, 1)
    if depth > _MAX_DEPTH:
        raise LimitExceeded(f"nested deeper than {_MAX_DEPTH} levels")
    if isinstance(value, dict):
        pairs = ((Literal(span, key), _plain(item, depth + 1)) for key, item in value.items())
        return Object(span, tuple(pairs))
    if isinstance(value, list):
        return Tuple(span, tuple(_plain(item, depth + 1) for item in value))
    return Literal(span, value)
