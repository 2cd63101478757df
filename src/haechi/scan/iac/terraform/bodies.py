"""The body of a block → its data, as Terraform's plan has it, and where each part came from.

Nested blocks become lists of objects under their type. A ``dynamic`` block becomes as many as its
``for_each`` says; where that is not known, an ``Unknown`` whose ``content`` is the one block that
it would make stands in the list (alone it *is* the list: nobody knows whether there are any).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from haechi.engines.hcl.tree import Block, Body, Literal, Name
from haechi.engines.hcl.values import solid
from haechi.model.unknown import Unknown
from haechi.scan.iac.terraform.repeats import content_over
from haechi.scan.iac.terraform.run import FAULT, LIMIT, MAX_DEPTH

if TYPE_CHECKING:
    from haechi.scan.iac.terraform.run import Run
    from haechi.scan.iac.terraform.scopes import ModuleScope

META_ARGUMENTS = frozenset({"count", "for_each", "depends_on", "provider", "providers"})
META_BLOCKS = frozenset({"lifecycle", "provisioner", "connection"})


class Source(msgspec.Struct, frozen=True, eq=False):
    """The block that an object in a list was made of, and those of its own lists."""

    block: Block
    inner: Mapping[str, tuple[Source, ...]]


Lists = tuple[dict[str, Any], dict[str, tuple[Source, ...]]]


def nested_blocks(
    body: Body, scope: ModuleScope, run: Run, path: str, *, only: str = "", depth: int = 0
) -> Lists:
    """Lists of objects by block type, and their sources. ``only`` asks for one type."""
    data: dict[str, list[Any]] = {}
    sources: dict[str, list[Source]] = {}
    for block in body.blocks:
        name = block.labels[0] if block.type == "dynamic" and block.labels else block.type
        if (only and name != only) or (not depth and name in META_BLOCKS):
            continue
        where = f"{path}:{block.head[0]}"
        if depth > MAX_DEPTH:
            reason = f"blocks nested deeper than {MAX_DEPTH} levels are not judged"
            run.fault(LIMIT, where, reason, "write fewer")
            break
        if not run.take_block(where):
            break
        made = (
            _dynamic(block, scope, run, path, depth)
            if block.type == "dynamic"
            else [_object(block, block, scope, run, path, depth)]
        )
        for item, source in made:
            data.setdefault(name, []).append(item)
            sources.setdefault(name, []).append(source)
    lists = {
        name: items[0] if len(items) == 1 and isinstance(items[0], Unknown) else items
        for name, items in data.items()
    }
    return lists, {name: tuple(found) for name, found in sources.items()}


def _object(
    block: Block, shown: Block, scope: ModuleScope, run: Run, path: str, depth: int
) -> tuple[Any, Source]:
    data: dict[str, Any] = {}
    for name, assignment in block.body.attributes.items():
        value = run.value(assignment.value, scope, path)
        if value is not None:
            data[name] = value
    lists, sources = nested_blocks(block.body, scope, run, path, depth=depth + 1)
    for name, items in lists.items():
        data.setdefault(name, items)
    return data, Source(block, sources)


def _dynamic(
    block: Block, scope: ModuleScope, run: Run, path: str, depth: int
) -> Iterator[tuple[Any, Source]]:
    """What a dynamic block makes. Its content is the block that findings point to."""
    content = next((one for one in block.body.blocks if one.type == "content"), None)
    loop = block.body.attributes.get("for_each")
    where = f"{path}:{block.head[0]}"
    if not block.labels:
        run.fault(FAULT, where, "a dynamic block does not name what it makes", "name it")
        return
    what = f"the dynamic block {block.labels[0]!r}"
    if content is None or loop is None:
        run.fault(FAULT, where, f"{what} has no for_each or no content", "correct it")
        return
    iterator = _iterator(block)
    over = content_over(solid(run.value(loop.value, scope, path)), what, where, run)
    if isinstance(over, Unknown):
        inner = scope.with_iterator(iterator, over, over)
        item, source = _object(content, block, inner, run, path, depth)
        yield (
            Unknown(over.reason, cause=over.cause, refs=over.refs, content=[item]),
            source,
        )
        return
    for key, value in over:
        if not run.take_block(where):
            return
        inner = scope.with_iterator(iterator, key, value)
        yield _object(content, block, inner, run, path, depth)


def _iterator(block: Block) -> str:
    """The name of a dynamic block's loop; JSON writes it in quotes."""
    named = block.body.attributes.get("iterator")
    node = named.value if named else None
    if isinstance(node, Name):
        return node.name
    if isinstance(node, Literal) and isinstance(node.value, str):
        return node.value
    return block.labels[0]
