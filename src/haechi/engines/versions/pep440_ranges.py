"""Version specifiers of PEP 440 (``>=1.2,!=1.3.*,~=1.2.1``) and Poetry's constraints beside them
(``^1.2``, ``~1.2``, ``1.*``, ``||``, a bare version that means ``==``)."""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

from haechi.engines.versions.keys import refuse_constraint
from haechi.engines.versions.pep440 import Parsed, key_of, parsed
from haechi.engines.versions.ranges import MAX_COMPARISONS, bounded
from haechi.errors import VersionError

_SPECIFIER = re.compile(r"(===|~=|==|!=|<=|>=|[<>=^~])?\s*(\S+)").fullmatch
_GAP = re.compile(r"(?<=[\d*])\s+(?=[<>=!^~])")


class _Specifier(NamedTuple):
    """``key`` is the version's, without its local part unless that is asked for. ``prefix`` is
    the release (and epoch) that ``1.2.*`` means, else None."""

    op: str
    written: str
    version: Parsed
    key: bytes
    prefix: tuple[str, ...] | None = None


def satisfied(version: str, constraint: str) -> bool:
    """Whether a version matches. Pre-releases match only when a specifier names one."""
    found = parsed(version)
    return any(
        (not found.prerelease or _opens(specifiers))
        and all(_matches(version, found, specifier) for specifier in specifiers)
        for specifiers in _parse(constraint)
    )


@functools.lru_cache(maxsize=4096)
def _parse(constraint: str) -> tuple[tuple[_Specifier, ...], ...]:
    wanted = bounded(constraint, "PyPI")
    alternatives = tuple(_specifiers(part) for part in re.split(r"\|\|?", wanted))
    if sum(map(len, alternatives)) > MAX_COMPARISONS:
        refuse_constraint(constraint, "PyPI", f"over {MAX_COMPARISONS} comparisons")
    return alternatives


def _specifiers(text: str) -> tuple[_Specifier, ...]:
    bare = text.strip()
    if bare.startswith("(") and bare.endswith(")"):  # as older metadata has it
        bare = bare[1:-1]
    words = [word.strip() for word in _GAP.sub(",", bare).split(",")]
    return tuple(_specifier(word) for word in words if word and word != "*")


def _specifier(word: str) -> _Specifier:
    found = _SPECIFIER(word)
    if found is None:
        refuse_constraint(word, "PyPI")
    op, written = found[1] or "==", found[2]
    op = "==" if op == "=" else op
    if op == "===":
        return _Specifier(op, written, _readable(written), b"")
    try:
        return _read(op, written)
    except VersionError as error:
        refuse_constraint(word, "PyPI", str(error))


def _read(op: str, written: str) -> _Specifier:
    if written.endswith(".*"):
        version = parsed(written[:-2])
        if op not in ("==", "!=") or version.prerelease or version.post or version.local:
            refuse_constraint(op + written, "PyPI", ".* goes with == and != and a release only")
        return _Specifier(op, written, version, b"", (version.epoch, *version.release))
    version = parsed(written)
    if version.local and op not in ("==", "!="):
        refuse_constraint(op + written, "PyPI", "a local version goes with == and != only")
    if op == "~=" and len(version.release) < 2:
        refuse_constraint(op + written, "PyPI", "~= needs at least two numbers")
    return _Specifier(op, written, version, key_of(version))


_NO_VERSION = parsed("0")


def _readable(written: str) -> Parsed:
    """``===`` takes any text; one that is a version may name a pre-release."""
    try:
        return parsed(written)
    except VersionError:
        return _NO_VERSION


def _opens(specifiers: tuple[_Specifier, ...]) -> bool:
    return any(it.version.prerelease and it.op != "!=" for it in specifiers)


def _matches(written: str, version: Parsed, wanted: _Specifier) -> bool:
    if wanted.op == "===":
        return written.strip().lower() == wanted.written.lower()
    if wanted.prefix is not None:
        return _within(version, wanted.prefix) is (wanted.op == "==")
    public = version if wanted.version.local else version._replace(local="")
    key = key_of(public)
    match wanted.op:
        case "==":
            return key == wanted.key
        case "!=":
            return key != wanted.key
        case "<=":
            return key <= wanted.key
        case ">=":
            return key >= wanted.key
        case "<":
            return key < wanted.key and not _before_release(version, wanted.version)
        case ">":
            return key > wanted.key and not _after_release(version, wanted.version)
        case _:
            return key >= wanted.key and _within(version, _held(wanted))


def _before_release(version: Parsed, bound: Parsed) -> bool:
    """``<1.0`` does not let in 1.0rc1 (§"Exclusive ordered comparison")."""
    same_post = version.post == bound.post and not version.kind
    return (
        version.prerelease
        and not bound.prerelease
        and (not bound.post or same_post)
        and _same_release(version, bound)
    )


def _after_release(version: Parsed, bound: Parsed) -> bool:
    """``>1.0`` does not let in 1.0.post1."""
    return (
        bool(version.post)
        and not bound.post
        and not bound.dev
        and (version.kind, int(version.pre)) == (bound.kind, int(bound.pre))
        and _same_release(version, bound)
    )


def _same_release(one: Parsed, other: Parsed) -> bool:
    length = max(len(one.release), len(other.release))
    return one.epoch == other.epoch and _padded(one, length) == _padded(other, length)


def _within(version: Parsed, prefix: tuple[str, ...]) -> bool:
    epoch, *release = prefix
    same = int(version.epoch) == int(epoch)
    return same and _padded(version, len(release))[: len(release)] == tuple(release)


def _padded(version: Parsed, length: int) -> tuple[str, ...]:
    return version.release + ("0",) * (length - len(version.release))


def _held(wanted: _Specifier) -> tuple[str, ...]:
    """What ``~=``, ``^`` and ``~`` hold still: epoch and numbers."""
    release = wanted.version.release
    if wanted.op == "~=":
        kept = len(release) - 1
    elif wanted.op == "~":
        kept = min(len(release), 2)
    else:
        nonzero = (place for place, number in enumerate(release, 1) if number != "0")
        kept = next(nonzero, len(release))
    return (wanted.version.epoch, *release[:kept])
