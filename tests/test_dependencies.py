"""What the program imports is what it says it needs: the tests' environment has much more."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[1]
_OPTIONAL = {"opentelemetry", "httpcore"}
"""Of the extra ``otel``; and what httpx stands on."""


def declared() -> set[str]:
    lines = (ROOT / "requirements" / "run.in").read_text().splitlines()
    names = [re.split(r"[><=;\[ ]", line)[0] for line in lines if line and line[0] != "#"]
    return {name.lower().replace("_", "-") for name in names}


def statements(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """These and all within them. Imports are statements: expressions need no look."""
    for one in body:
        yield one
        for field in ("body", "orelse", "handlers", "finalbody", "cases"):
            within = getattr(one, field, ())
            if isinstance(within, list):
                yield from statements(within)


def imported() -> dict[str, str]:
    """Top-level module → a file that imports it, wherever in the file."""
    found: dict[str, str] = {}
    for path in (ROOT / "src" / "haechi").rglob("*.py"):
        for node in statements(ast.parse(path.read_bytes()).body):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            else:
                continue
            for name in names:
                found.setdefault(name.partition(".")[0], str(path.relative_to(ROOT)))
    return found


def test_every_import_is_declared() -> None:
    owners = packages_distributions()
    known = declared()
    missing = {
        module: file
        for module, file in imported().items()
        if module != "haechi"
        and module not in sys.stdlib_module_names
        and module not in _OPTIONAL
        and known.isdisjoint(name.lower().replace("_", "-") for name in owners.get(module, ()))
    }
    assert missing == {}
