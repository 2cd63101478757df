"""setup.cfg and setup.py: what older projects ask for. setup.py is a program: it is parsed, never
run, and what it computes is a gap."""

from __future__ import annotations

import ast
import configparser
from collections.abc import Iterator, Sequence

from haechi.errors import InputError, LimitExceeded
from haechi.model.coverage import Gap
from haechi.model.package import PackageFile
from haechi.scan.deps.formats import Around
from haechi.scan.deps.formats.decoding import text_of
from haechi.scan.deps.formats.pep508 import requirement
from haechi.scan.deps.formats.pyproject import (
    DEVELOPMENT,
    OPTIONAL,
    PRODUCTION,
    Ask,
    ask_of,
    manifest_file,
)

_MAX = 1024 * 1024
_MAX_NODES = 20_000
"""Lists may name each other: ten of them make a tree without end."""
_SCOPES = {
    "install_requires": PRODUCTION,
    "extras_require": OPTIONAL,
    "tests_require": DEVELOPMENT,
}


def read_cfg(data: bytes, path: str, around: Around) -> Sequence[PackageFile]:
    """Read setup.cfg: ``[options] install_requires`` and ``[options.extras_require]``."""
    text = _text(data, path)
    parser = configparser.ConfigParser(interpolation=None, strict=False, delimiters=("=", ":"))
    try:
        parser.read_string(text)
    except configparser.Error as error:
        line = getattr(error, "lineno", 0) or 1
        raise InputError("not a valid setup.cfg", where=f"{path}:{line}") from error
    found = list(_cfg_asks(parser))
    if not found:
        return ()
    name = parser.get("metadata", "name", fallback="")
    return (manifest_file(found, path, "setup.cfg", _stripped_lines(text), name=name),)


def _cfg_asks(parser: configparser.ConfigParser) -> Iterator[Ask]:
    for key, scope in _SCOPES.items():
        yield from _written(parser.get("options", key, fallback=""), scope)
    for section, scope in (("options.extras_require", OPTIONAL),):
        if parser.has_section(section):
            for _, text in parser.items(section):
                yield from _written(text, scope)


def _written(text: str, scope: str) -> Iterator[Ask]:
    for line in text.splitlines():
        found = requirement(line.partition(" #")[0].strip())
        if found is not None:
            yield ask_of(found, scope, line.strip())


def _stripped_lines(text: str) -> dict[str, int]:
    index: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        index.setdefault(line.strip(), number)
    return index


def read_py(data: bytes, path: str, around: Around) -> Sequence[PackageFile]:
    """Read setup.py by its syntax: literal lists given to ``setup(…)``, by name or in place."""
    text = _text(data, path)
    try:
        tree = ast.parse(text)
    except RecursionError as error:
        raise LimitExceeded("nested too deep", where=path) from error
    except (SyntaxError, ValueError, MemoryError) as error:
        line = getattr(error, "lineno", None) or 1
        do = "correct it, or move what it asks for to pyproject.toml"
        raise InputError("not valid Python", where=f"{path}:{line}", do=do) from error
    call = next((node for node in ast.walk(tree) if _is_setup(node)), None)
    if not isinstance(call, ast.Call):
        return ()
    return _setup(call, _constants(tree), path)


def _setup(call: ast.Call, names: dict[str, ast.expr], path: str) -> Sequence[PackageFile]:
    found: list[Ask] = []
    lines: dict[str, int] = {}
    gaps = []
    project = ""
    for keyword in call.keywords:
        value = _resolved(keyword.value, names)
        if keyword.arg == "name" and isinstance(value, ast.Constant):
            project = value.value if isinstance(value.value, str) else ""
        scope = _SCOPES.get(keyword.arg or "")
        if scope is None:
            continue
        texts, computed = _texts(value, names)
        if computed:
            gaps.append(
                Gap(
                    kind="computed",
                    path=f"{path}:{keyword.lineno}",
                    reason=f"{keyword.arg} is computed; setup.py is not run",
                    do="name the dependencies in pyproject.toml, or write a lock file",
                )
            )
        for constant, text in texts:
            parsed = requirement(text.partition(" #")[0].strip())
            if parsed is not None:
                lines.setdefault(text, constant.lineno)
                found.append(ask_of(parsed, scope, text))
    if not found and not gaps:
        return ()
    from msgspec.structs import replace

    return (replace(manifest_file(found, path, "setup.py", lines, name=project), gaps=tuple(gaps)),)


def _is_setup(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    called = node.func
    name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
    return name == "setup"


def _constants(tree: ast.Module) -> dict[str, ast.expr]:
    """Names of the module that are assigned once; twice is computed."""
    names: dict[str, ast.expr] = {}
    twice: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    twice.update({target.id} & names.keys())
                    names[target.id] = node.value
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            twice.add(node.target.id)
    return {name: value for name, value in names.items() if name not in twice}


def _resolved(value: ast.expr, names: dict[str, ast.expr]) -> ast.expr:
    return names.get(value.id, value) if isinstance(value, ast.Name) else value


def _texts(
    value: ast.expr, names: dict[str, ast.expr], depth: int = 0, budget: list[int] | None = None
) -> tuple[list[tuple[ast.Constant, str]], bool]:
    """Literal texts in a list, a mapping of lists or their sums; and whether anything else was
    there."""
    value = _resolved(value, names)
    budget = budget if budget is not None else [_MAX_NODES]
    budget[0] -= 1
    if isinstance(value, ast.Constant):
        if isinstance(value.value, str):
            return [(value, line) for line in value.value.splitlines() if line.strip()], False
        return [], value.value is not None
    if depth > 10 or budget[0] < 0:
        return [], True
    parts: Sequence[ast.expr]
    if isinstance(value, ast.List | ast.Tuple | ast.Set):
        parts = value.elts
    elif isinstance(value, ast.Dict):
        parts = value.values
    elif isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
        parts = [value.left, value.right]
    else:
        return [], True
    found: list[tuple[ast.Constant, str]] = []
    computed = False
    for part in parts:
        more, odd = _texts(part, names, depth + 1, budget)
        found += more
        computed = computed or odd
    return found, computed


def _text(data: bytes, path: str) -> str:
    if len(data) > _MAX:
        raise LimitExceeded(f"{len(data):,} bytes; the limit is {_MAX:,}", where=path)
    return text_of(data, path)
