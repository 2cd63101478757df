"""Path globs: ``*`` and ``?`` within a segment, ``**`` over segments; all else is literal.

A glob becomes one regular expression whose wildcards never backtrack into each other: each
takes the nearest place where the following literal fits and keeps it (an atomic group). That
is the usual greedy argument for wildcard matching, and it bounds matching by length of path
times length of glob, whoever wrote the glob.
"""

from __future__ import annotations

import re

from haechi.errors import InputError

MAX_LENGTH = 1_000
_WILD = re.compile(r"(\*+|\?)")


def glob_fault(glob: str) -> str | None:
    """What is wrong with a glob, as a sentence without its subject; None when it is fine."""
    if not glob:
        return "is empty"
    if len(glob) > MAX_LENGTH:
        return f"has more than {MAX_LENGTH:,} characters"
    if glob.startswith("/"):
        return "begins with '/'; paths are relative to the scanned folder"
    if "\\" in glob:
        return "holds a backslash; separate folders with '/'"
    segments = glob.removeprefix("./").removesuffix("/").split("/")
    if glob != "./" and not {"", ".", ".."}.isdisjoint(segments):
        return "has an empty, '.' or '..' part, which matches no path"
    return None


def is_catch_all(glob: str) -> bool:
    """True when the glob holds nothing but wildcards, so it matches (nearly) everything."""
    return not glob.strip("*?/.")


def compile_glob(glob: str) -> re.Pattern[str]:
    """A pattern whose ``fullmatch`` takes a path with slashes, relative to the scanned folder.

    ``**`` spans any number of folders, none included; ``x/**`` and ``x/`` are everything
    beneath ``x``. A leading ``./`` means nothing. Raises InputError (see ``glob_fault``).
    """
    fault = glob_fault(glob)
    if fault is not None:
        raise InputError(f"the glob {glob!r} {fault}")
    segments = glob.removeprefix("./").split("/")
    if segments[-1] == "":
        segments[-1] = "**"
    runs: list[list[str]] = [[]]
    for segment in segments:
        if segment == "**":
            runs.append([])
        else:
            runs[-1].append(segment)
    return re.compile("".join(_parts(runs)), re.DOTALL)


def _parts(runs: list[list[str]]) -> list[str]:
    """Regular expression pieces of the runs of segments between ``**``."""
    first, *rest = runs
    parts = ["/".join(map(_segment, first))]
    if not rest:
        return parts
    if first:
        parts.append("/")
    for run in rest[:-1]:
        if run:
            body = "/".join(map(_segment, run))
            parts.append(f"(?>(?:[^/]*/)*?{body}/)")
    last = rest[-1]
    if last:
        parts.append(f"(?:[^/]*/)*{'/'.join(map(_segment, last))}")
    else:
        parts.append(".+")
    return parts


def _segment(segment: str) -> str:
    """One segment; each ``*`` but the last keeps the nearest fit of the literal behind it."""
    pieces = _WILD.split(segment)
    out = [re.escape(pieces[0])]
    pending = False
    literal = ""
    for wild, text in zip(pieces[1::2], pieces[2::2], strict=True):
        if wild == "?":
            literal += "[^/]"
        else:
            if pending:
                out.append(f"(?>[^/]*?{literal})" if literal else "")
            else:
                out.append(literal)
            pending, literal = True, ""
        literal += re.escape(text)
    out.append(f"[^/]*{literal}(?![^/])" if pending else literal)
    return "".join(out)
