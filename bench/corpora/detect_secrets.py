"""Tests of detect-secrets' plugins: the tables of ``pytest.mark.parametrize``."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from bench.corpora.sample import Sample, read_files, squeezed

_GENERIC = ("base", "high_entropy_strings", "keyword", "ip_public")


def samples(repository: Path) -> Iterator[Sample]:
    """Literal lines, with whether they are to be flagged."""
    for path, source in read_files(repository, "tests/plugins", "_test.py"):
        name = PurePosixPath(path).stem.removesuffix("_test")
        if name in _GENERIC:
            continue
        for text, flagged in _cases(ast.parse(source)):
            yield Sample(
                source="detect-secrets",
                rule=name,
                vendor=squeezed(name),
                text=text,
                positive=flagged,
            )


def _cases(tree: ast.AST) -> Iterator[tuple[str, bool]]:
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef) or "analyze" not in function.name:
            continue
        for decorator in function.decorator_list:
            if isinstance(decorator, ast.Call) and len(decorator.args) == 2:
                yield from _rows(decorator.args[1])


def _rows(table: ast.expr) -> Iterator[tuple[str, bool]]:
    if not isinstance(table, ast.List | ast.Tuple):
        return
    for row in table.elts:
        try:
            value = ast.literal_eval(row)
        except ValueError:
            continue
        if isinstance(value, str):
            yield value, True
        elif isinstance(value, tuple) and value and isinstance(value[0], str):
            flags = [item for item in value[1:] if isinstance(item, bool)]
            yield value[0], flags[0] if flags else True
