"""A plan as a unified diff, as ``git apply`` and ``patch`` take it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

from haechi.scan.fix.plan import FileFix


def diff_of(fixes: Iterable[FileFix]) -> str:
    """The diff of all files; bytes that are no UTF-8 cannot occur, for such files are left."""
    return "".join(line for fix in fixes for line in _file(fix))


def _file(fix: FileFix) -> Iterator[str]:
    if fix.before == fix.after:
        return
    before, after = _lines(fix.before), _lines(fix.after)
    for line in difflib.unified_diff(before, after, f"a/{fix.path}", f"b/{fix.path}"):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _lines(data: bytes) -> list[str]:
    """Lines as diff sees them: ended by a line feed and nothing else."""
    lines = [f"{line}\n" for line in data.decode("utf-8").split("\n")]
    last = lines.pop().removesuffix("\n")
    return [*lines, last] if last else lines
