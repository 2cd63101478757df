"""Where compiled pattern databases are kept: compiling takes seconds, loading a millisecond.

A serialised Hyperscan database is as good as code, so it lies in a folder of its own that only
its user can write to, keyed by the expressions, the engine's version and the CPU. A database that
does not fit is compiled again.
"""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Sequence
from pathlib import Path

from haechi.engines.patterns import Matcher, Source, keyword_matcher
from haechi.engines.patterns.matcher import digest_of
from haechi.errors import InputError
from haechi.rules.private_files import cache_directory, read_private, write_private

_SUFFIX = ".hsdb"
_LARGEST = 512 * 1024 * 1024
NO_HYPERSCAN = "HAECHI_NO_HYPERSCAN"
"""Environment variable that asks for the slower engine, to compare or to avoid a fault."""


def stored_matcher(sources: Sequence[Source], *, cache: Path | None = None) -> Matcher:
    """Hyperscan with a kept database, or the matcher by keywords where there is no wheel.

    ``cache`` is the directory to use instead of the user's.
    """
    if os.environ.get(NO_HYPERSCAN):
        return keyword_matcher(sources)
    try:
        from haechi.engines.patterns import hyperscan
    except ImportError:
        return keyword_matcher(sources)
    base = cache or cache_directory()
    directory = base / "patterns" if base else None
    target = directory / f"{_key(sources, hyperscan.VERSION)}{_SUFFIX}" if directory else None
    kept = read_private(target, limit=_LARGEST) if target else None
    if kept is not None:
        try:
            return hyperscan.load_matcher(kept.data)
        except InputError:
            pass  # another CPU or a broken file: made anew below
    matcher = hyperscan.compile_matcher(sources)
    if target:
        write_private(target, matcher.serialised(), old=f"*{_SUFFIX}")
    return matcher


def _key(sources: Sequence[Source], version: str) -> str:
    facts = "\n".join((digest_of(sources), version, platform.machine(), _cpu()))
    return f"patterns-{hashlib.sha256(facts.encode()).hexdigest()[:32]}"


def _cpu() -> str:
    """The features of the CPU that a database is compiled for."""
    try:
        with Path("/proc/cpuinfo").open("rb") as stream:
            head = stream.read(8192)
    except OSError:
        return platform.processor()
    lines = head.decode("ascii", "replace").splitlines()
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")
