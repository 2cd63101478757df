"""Versions: comparisons a second with ready keys, keys a second, beside packaging and univers."""

from __future__ import annotations

import argparse
import importlib
import operator
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

from tests.engines.versions import shapes

from haechi.engines.versions import scheme_of
from haechi.errors import VersionError

COMMON = {
    # the shape that most versions of a lock file, or of a package database, have
    "Debian": "{0}.{1}.{2}-{3}",
    "Red Hat": "{0}.{1}.{2}-{3}.el9",
    "Alpine": "{0}.{1}.{2}-r{3}",
}
PEERS = {
    "PyPI": ("packaging.version", "Version"),
    "npm": ("univers.versions", "SemverVersion"),
    "Go": ("univers.versions", "GolangVersion"),
    "Maven": ("univers.versions", "MavenVersion"),
    "RubyGems": ("univers.versions", "RubygemsVersion"),
    "NuGet": ("univers.versions", "NugetVersion"),
    "Packagist": ("univers.versions", "ComposerVersion"),
    "Debian": ("univers.versions", "DebianVersion"),
    "Red Hat": ("univers.versions", "RpmVersion"),
    "Alpine": ("univers.versions", "AlpineLinuxVersion"),
}
ODD = {"Go": "npm"}
"""Whose odd versions an ecosystem borrows."""


def main(argv: list[str]) -> None:
    """Print a line for each scheme, and whether the bar holds."""
    parser = argparse.ArgumentParser(prog="./dev bench versions", description=__doc__)
    parser.add_argument("--count", type=int, default=50_000, help="versions of each kind")
    options = parser.parse_args(argv)
    print(f"CPU seconds; {options.count} versions a line; a second of CPU makes (thousands)")
    head = ("", "common", "odd", "compared", "peer made", "peer compared", "peer")
    print("{:<10} {:>8} {:>8} {:>9} {:>10} {:>14}  {}".format(*head))
    slowest = min(_line(ecosystem, options.count) for ecosystem in PEERS)
    verdict = "holds" if slowest >= 1e6 else "does NOT hold"
    print(f"bar of 1 million comparisons a second with ready keys: {verdict}")


def _line(ecosystem: str, count: int) -> float:
    """One scheme; returns its comparisons a second."""
    drawn = random.Random(1)  # noqa: S311
    common = [_common(ecosystem, drawn) for _ in range(count)]
    key = scheme_of(ecosystem).key
    odd = [it for it in _odd(ODD.get(ecosystem, ecosystem), count) if _known(key, it)]
    made, keys = _rate(key, common)
    made_odd, _ = _rate(key, odd)
    compared = _comparisons(keys, 20)
    module, name = PEERS[ecosystem]
    peer = getattr(importlib.import_module(module), name)
    few = common[: max(1000, count // 10)]
    peer_made, values = _rate(peer, few)
    peer_compared = _comparisons(values, 1)
    row = [made, made_odd, compared, peer_made, peer_compared]
    text = "{:>8.0f} {:>8.0f} {:>9.0f} {:>10.0f} {:>14.0f}".format(*(it / 1e3 for it in row))
    print(f"{ecosystem:<10} {text}  {module.partition('.')[0]}")
    return compared


def _odd(ecosystem: str, count: int) -> list[str]:
    return [version for pair in shapes.pairs(ecosystem, count // 2) for version in pair]


def _known(key: Callable[[str], bytes], version: str) -> bool:
    try:
        return bool(key(version))
    except VersionError:
        return False


def _common(ecosystem: str, drawn: random.Random) -> str:
    numbers = [drawn.randrange(limit) for limit in (10, 30, 30, 10)]
    return COMMON.get(ecosystem, "{0}.{1}.{2}").format(*numbers)


def _rate(make: Callable[[str], Any], versions: Sequence[str]) -> tuple[float, list[Any]]:
    """Made a second of CPU, and what was made."""
    start = time.process_time()
    values = [make(version) for version in versions]
    return len(values) / (time.process_time() - start), values


def _comparisons(values: Sequence[Any], rounds: int) -> float:
    """Comparisons a second of CPU, each value against another one."""
    others = [*values[1:], values[0]]
    start = time.process_time()
    for _ in range(rounds):
        for _ in map(operator.lt, values, others):
            pass
    return rounds * len(values) / (time.process_time() - start)
