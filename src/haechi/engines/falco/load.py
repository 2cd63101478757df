"""Rule files to rules: Falco's loader.

Reads all items of all files in order (``load_read``), lets later ones add to and replace earlier
ones (``load_collect``), and compiles what stands at the end (``load_compile``). Nothing in a file
raises: everything wrong is a Problem with Falco's code and its place.

Two differences to Falco on purpose: loading goes on after an error, and a condition may be nested
as deeply as libs' own parser allows (100), where Falco's loader raises that to 1,000.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from haechi.engines.falco import messages
from haechi.engines.falco.fields import SOURCES
from haechi.engines.falco.load_collect import Collector
from haechi.engines.falco.load_compile import Compiler
from haechi.engines.falco.load_read import ENGINE_VERSION, Reader, item_name
from haechi.engines.falco.load_yaml import LoadError, Page, is_null, pages
from haechi.engines.falco.resolve import Lists, Macros
from haechi.engines.falco.ruleset import At, Problem, RuleSet, RuleText
from haechi.engines.values import Limits

__all__ = ["ENGINE_VERSION", "LoadLimits", "load"]


class LoadLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one load. ``checks`` and ``depth`` are those of one rule with its macros written
    out, ``all_checks`` those of all rules together (Falco's own 93 have 1,449); ``values`` are
    the items put in place of lists' names in all conditions together."""

    file_bytes: int = 4 * 1024 * 1024
    items: int = 20_000
    list_items: int = 100_000
    values: int = 2_000_000
    checks: int = 20_000
    all_checks: int = 300_000
    depth: int = 120
    problems: int = 1_000


_LIMITS = LoadLimits()


def load(
    files: Sequence[RuleText],
    *,
    limits: LoadLimits = _LIMITS,
    known_sources: frozenset[str] = frozenset(SOURCES),
) -> RuleSet:
    """Every rule of ``files``, read in that order. ``engine_version`` of the result is the highest
    that a file requires. A file's faults are problems of the result, never exceptions."""
    problems: list[Problem] = []
    collector = Collector(known_sources)
    reader = Reader(collector, _warner(problems))
    _read(files, reader, limits, problems.append)
    lists = Lists(
        {info.name: info.items for info in collector.lists.values()},
        limits.list_items,
        limits.values,
    )
    macros = Macros(limits.checks, limits.depth, limits.all_checks)
    compiler = Compiler(collector, lists, macros, problems.append)
    rules = compiler.rules()
    return RuleSet(
        rules=rules,
        macros=compiler.macros(),
        lists=compiler.lists(),
        problems=_ordered(problems, files, limits),
        engine_version=".".join(map(str, reader.version)) if reader.version else "",
        plugins=tuple(collector.plugins),
        skipped=tuple(compiler.skipped),
        checks=macros.spent,
    )


def _read(
    files: Sequence[RuleText],
    reader: Reader,
    limits: LoadLimits,
    tell: Callable[[Problem], None],
) -> None:
    bounds = Limits(size=limits.file_bytes, documents=1_000, values=500_000, depth=40)
    left = limits.items
    for file in files:
        for page in pages(file, bounds):
            if isinstance(page, LoadError):
                tell(_error(page, ""))
                continue
            left -= _read_page(page, reader, left, tell)
            if left < 0:
                what = f"more than {limits.items:,} rules, macros and lists"
                tell(_error(LoadError(messages.VALIDATE, what, page.at(page.root)), ""))
                return


def _read_page(page: Page, reader: Reader, most: int, tell: Callable[[Problem], None]) -> int:
    """Read one document; the number of its items."""
    root = page.root
    if root is None or root.id != "sequence":
        if root is None or not is_null(root):
            at = At(file=page.file) if root is None else page.at(root)
            what = "Rules content is not yaml array of objects"
            tell(_error(LoadError(messages.YAML_VALIDATE, what, at), ""))
        return 0
    for count, node in enumerate(root.value):
        if count >= most:
            return count + 1
        if is_null(node):
            continue
        try:
            reader.read(page, node)
        except LoadError as error:
            tell(_error(error, item_name(node)))
    return len(root.value)


def _warner(problems: list[Problem]) -> Callable[[str, str, At, str], None]:
    def warn(code: str, message: str, at: At, item: str) -> None:
        problems.append(Problem(error=False, code=code, message=message, at=at, item=item))

    return warn


def _error(error: LoadError, item: str) -> Problem:
    return Problem(error=True, code=error.code, message=error.what, at=error.at, item=item)


def _ordered(
    problems: list[Problem], files: Sequence[RuleText], limits: LoadLimits
) -> tuple[Problem, ...]:
    """Problems by place, the files in their order; cut when there are too many, errors last."""
    order = {file.name: number for number, file in enumerate(files)}
    found = sorted(
        problems, key=lambda one: (order.get(one.at.file, 0), one.at.line, one.at.column)
    )
    if len(found) <= limits.problems:
        return tuple(found)
    kept = sorted(found, key=lambda one: not one.error)[: limits.problems]
    more = Problem(
        error=False,
        code=messages.VALIDATE,
        message=f"{len(found) - limits.problems:,} more problems are not listed",
        at=kept[-1].at,
    )
    return (*kept, more)
