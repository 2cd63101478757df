"""What the parser's node tree tells about a document: who shares what, and how it is laid out."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from haechi.scan.fix.yaml_text import Style


def uses_of(root: Any) -> Counter[int]:
    """How often each node is referred to, by its place or by aliases."""
    uses: Counter[int] = Counter()
    pending = [root]
    while pending:
        node = pending.pop()
        uses[id(node)] += 1
        if uses[id(node)] > 1 or node.id == "scalar":
            continue
        for child in node.value:
            pending.extend(child if isinstance(child, tuple) else (child,))
    return uses


def style_of(root: Any, text: str) -> Style:
    """The layout that most of the document has."""
    units: Counter[int] = Counter()
    dashes: Counter[int] = Counter()
    pending = [root]
    seen: set[int] = set()
    while pending:
        node = pending.pop()
        if node.id == "scalar" or id(node) in seen:
            continue
        seen.add(id(node))
        for child in node.value:
            if not isinstance(child, tuple):
                pending.append(child)
                continue
            key, value = child
            pending.append(value)
            if value.id == "scalar" or value.flow_style or node.flow_style or not value.value:
                continue
            deeper = value.start_mark.column - key.start_mark.column
            if value.start_mark.line <= key.start_mark.line:  # an anchor, or an alias
                continue
            (units if value.id == "mapping" else dashes)[deeper] += 1
    json_style = bool(root.id != "scalar" and root.flow_style) and text.lstrip("- \r\n").startswith(
        ("{", "[")
    )
    quoted = root.id == "mapping" and all(key.style == '"' for key, _ in root.value)
    return Style(
        unit=_common(units, 2, at_least=1),
        dash=_common(dashes, 2, at_least=0),
        newline="\r\n" if "\r\n" in text else "\n",
        json=json_style and (quoted or root.id == "sequence"),
    )


def _common(counter: Counter[int], default: int, *, at_least: int) -> int:
    """The size that occurs most, the smaller of equals."""
    usual = [(-count, size) for size, count in counter.items() if at_least <= size <= 8]
    return min(usual)[1] if usual else default


def first_of(child: Any) -> Any:
    return child[0] if isinstance(child, tuple) else child


def names(key: Any, name: str) -> bool:
    if key.id != "scalar":
        return False
    return bool(key.value == name) and not (key.tag == "P" and key.value == "<<")


def merges(node: Any, name: str, depth: int) -> bool:
    """True when a merged mapping brings the key along."""
    if depth > 20 or node.id == "scalar":
        return False
    if node.id == "sequence":
        return any(merges(part, name, depth + 1) for part in node.value)
    return any(
        names(key, name) or (key.value == "<<" and merges(value, name, depth + 1))
        for key, value in node.value
    )


def without_comments(text: str) -> str:
    return re.sub(r"#[^\n]*", "", text)


def follows(line: str, indent: int) -> bool:
    """True when a line is a sibling entry, not a comment, a blank line or something less deep."""
    stripped = line.strip()
    depth = len(line) - len(line.lstrip(" "))
    return bool(stripped) and not stripped.startswith("#") and depth == indent
