"""The built-in catalogue, compiled once to one binary in the user's cache.

Reading some hundred rules as YAML costs a few hundred milliseconds; decoding them from
MessagePack a few. The cache is keyed by the data files' names, sizes and times and by the
version, written atomically, readable by its owner only, and rebuilt when anything is off.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from haechi import __version__
from haechi.engines.cel import CelEngine
from haechi.errors import RuleError
from haechi.rules.load import load_rules
from haechi.rules.schema import JudgeKind, Rule, Struct

DATA = Path(__file__).with_name("data")
_KEEP_SECONDS = 30 * 86400


class _Compiled(Struct, frozen=True, kw_only=True):
    """What the cache file holds. ``cel`` is ``CelEngine.compiled``: sealed compiled forms."""

    rules: list[Rule]
    cel: dict[str, bytes]


class Catalogue:
    """Rules by id, in a stable order (data file, then position).

    ``cel`` is what ``CelEngine`` takes as its store of compiled expressions.
    """

    def __init__(self, rules: Sequence[Rule], cel: Mapping[str, bytes] | None = None) -> None:
        self.rules = tuple(rules)
        self.cel = cel or {}
        self.by_id = {rule.id: rule for rule in rules}


def cache_directory() -> Path | None:
    """Where haechi keeps what it can compute again: $XDG_CACHE_HOME/haechi.

    None where nobody has a home, as under a made-up user id in a container.
    """
    base = os.environ.get("XDG_CACHE_HOME") or ""
    if base and Path(base).is_absolute():
        return Path(base) / "haechi"
    try:
        return Path.home() / ".cache" / "haechi"
    except RuntimeError:
        return None


def rule_files() -> list[Path]:
    """The built-in rule files in a stable order."""
    return sorted(DATA.glob("*/*.yaml"), key=lambda p: p.as_posix())


def load_catalogue(*, cache: Path | None = None) -> Catalogue:
    """The built-in rules. ``cache`` is the directory of the compiled form.

    Raises RuleError when a built-in rule is wrong, which a test keeps from happening.
    """
    files = [path for path in rule_files() if path.parent.name != "tables"]
    directory = cache if cache is not None else cache_directory()
    target = directory / f"rules-{_stamp(files)}.msgpack" if directory else None
    compiled = _read(target) if target else None
    if compiled is None:
        rules = _compile(files)
        compiled = _Compiled(rules=rules, cel=_compile_expressions(rules))
        if target:
            _write(target, msgspec.msgpack.encode(compiled))
    return Catalogue(compiled.rules, compiled.cel)


def _compile(files: Iterable[Path]) -> list[Rule]:
    rules: list[Rule] = []
    seen: dict[str, str] = {}
    for path in files:
        found, faults = load_rules(path.read_bytes(), path.name)
        if faults:
            raise RuleError(f"built-in rules are broken: {faults[0]}")
        for rule in found:
            if rule.id in seen:
                raise RuleError(f"rule {rule.id} stands in {seen[rule.id]} and {path.name}")
            seen[rule.id] = path.name
        rules.extend(found)
    return rules


def _compile_expressions(rules: Iterable[Rule]) -> dict[str, bytes]:
    engine = CelEngine()
    for rule in rules:
        if rule.judge is JudgeKind.CEL:
            engine.compile_rule(rule)
    return engine.compiled


def _stamp(files: Iterable[Path]) -> str:
    digest = hashlib.sha256(__version__.encode())
    for path in files:
        info = path.stat()
        digest.update(f"\0{path}\0{info.st_size}\0{info.st_mtime_ns}".encode())
    return digest.hexdigest()[:20]


def _read(path: Path) -> _Compiled | None:
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        return None
    with os.fdopen(handle, "rb") as stream:
        info = os.fstat(stream.fileno())
        if hasattr(os, "getuid") and (
            info.st_uid != os.getuid() or info.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        ):
            return None
        try:
            return msgspec.msgpack.decode(stream.read(), type=_Compiled)
        except msgspec.MsgspecError:
            return None


def _write(path: Path, data: bytes) -> None:
    """Best effort: without a writable cache the rules are compiled at every start."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".rules-")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
            Path(name).replace(path)
        except OSError:
            Path(name).unlink()
            raise
        for old in path.parent.glob("rules-*.msgpack"):
            if old.stat().st_mtime < path.stat().st_mtime - _KEEP_SECONDS:
                old.unlink(missing_ok=True)
