"""Trees written short, so that tables of tests can be read."""

from __future__ import annotations

from typing import Any

from haechi.engines.hcl import tree
from haechi.engines.hcl.parse import parse_expression


def sketch(node: Any) -> str:
    """A node as an s-expression; literals as Python writes them."""
    match node:
        case str():
            return repr(node)
        case tree.Literal(value=value):
            return repr(value)
        case tree.Name(name=name):
            return name
        case tree.Attribute(of=of, name=name):
            return f"{sketch(of)}.{name}"
        case tree.Index(of=of, key=key):
            return f"{sketch(of)}[{sketch(key)}]"
        case tree.Splat(of=of, full=full, each=each):
            return f"(splat{'[*]' if full else '.*'} {sketch(of)} {sketch(each)})"
        case tree.Call(name=name, args=args, expand=expand):
            return f"{name}({' '.join(map(sketch, args))}{'...' if expand else ''})"
        case tree.Unary(op=op, value=value):
            return f"({op} {sketch(value)})"
        case tree.Binary(op=op, left=left, right=right):
            return f"({op} {sketch(left)} {sketch(right)})"
        case tree.Conditional(condition=condition, then=then, otherwise=otherwise):
            return f"(? {sketch(condition)} {sketch(then)} {sketch(otherwise)})"
        case tree.Tuple(items=items):
            return f"[{' '.join(map(sketch, items))}]"
        case tree.Object(items=items):
            return "{" + " ".join(f"{sketch(k)}:{sketch(v)}" for k, v in items) + "}"
        case tree.Template(parts=parts):
            return f"<{' '.join(map(sketch, parts))}>"
        case tree.TemplateIf(condition=condition, then=then, otherwise=otherwise):
            rest = f" {sketch(otherwise)}" if otherwise else ""
            return f"(if {sketch(condition)} {sketch(then)}{rest})"
        case tree.TemplateFor(key=key, value=value, collection=collection, body=body):
            return f"(for {key} {value} {sketch(collection)} {sketch(body)})"
        case tree.For():
            return _for(node)
    return "bad"


def _for(node: tree.For) -> str:
    made = sketch(node.value)
    if node.key is not None:
        made = f"{sketch(node.key)}=>{made}"
    condition = f" if {sketch(node.condition)}" if node.condition else ""
    group = "..." if node.group else ""
    names = f"{node.key_name} {node.value_name}"
    return f"(for {names} {sketch(node.collection)} {made}{group}{condition})"


def parsed(text: str) -> str:
    """An expression, sketched; it must have no faults."""
    node, faults = parse_expression(text)
    assert not faults, faults
    return sketch(node)
