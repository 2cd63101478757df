"""What each detector costs on a folder: files it is tried on, RE2's time, matches, what is left.

The one pass of Hyperscan is timed with all expressions and, by ``--without``, without each family
(rule file): an expression that starts with a common character slows the pass for all. RE2's time
is summed by expression over the files that Hyperscan names for it.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from bench.secrets import django
from haechi.checks.secrets.decode import SOURCES
from haechi.checks.secrets.detect import sources_of
from haechi.engines.patterns import Expression, Source
from haechi.engines.patterns.expression import lines_at
from haechi.engines.patterns.hyperscan import compile_matcher
from haechi.rules.catalogue import load_catalogue


def main(argv: list[str]) -> None:
    """Print the pass's speed and the dearest expressions."""
    parser = argparse.ArgumentParser(prog="./dev bench patterns", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--most", type=int, default=25, help="expressions to print")
    parser.add_argument("--without", action="store_true", help="time the pass without each group")
    options = parser.parse_args(argv)
    rules = [rule for rule in load_catalogue().rules if rule.judge == "pattern"]
    names = [rule.id for rule in rules] + [f"decode {n}" for n in range(len(SOURCES))]
    sources = sources_of(rules)
    texts = contents(options.folder or django())
    size = sum(map(len, texts)) / 1e6
    begin = time.process_time()
    matcher = compile_matcher(sources)
    print(f"{len(rules)} detectors, compiled in {time.process_time() - begin:.1f} CPU s")
    print(
        f"{len(texts)} files, {size:.1f} MB: {size / passes(sources, texts):.0f} MB per CPU second"
    )
    tried: Counter[int] = Counter()
    seconds: Counter[int] = Counter()
    spans: Counter[int] = Counter()
    expressions = [Expression(source.expression) for source in sources]
    for text in texts:
        for number, ends in matcher.matching(text).items():
            begin = time.perf_counter()
            lines = list(lines_at(text, ends)) if sources[number].in_line else [(0, len(text))]
            found = sum(1 for at in lines for _ in expressions[number].spans(text, within=at))
            seconds[number] += round((time.perf_counter() - begin) * 1e6)
            tried[number] += 1
            spans[number] += found
    print(f"RE2 in all: {sum(seconds.values()) / 1000:.0f} ms for {sum(spans.values())} matches")
    print(f"{'expression':<44} {'files':>6} {'ms':>7} {'matches':>8}")
    for number, micro in seconds.most_common(options.most):
        print(f"{names[number]:<44} {tried[number]:>6} {micro / 1000:>7.1f} {spans[number]:>8}")
    if options.without:
        _without(names, sources, texts)


def _without(names: Sequence[str], sources: Sequence[Source], texts: Sequence[bytes]) -> None:
    """By the vendor in the rule's id, the pass without it; the gains worth a look."""
    whole = passes(sources, texts)
    groups = sorted({name.split("-")[1] if "-" in name else name for name in names})
    gains: list[tuple[float, str]] = []
    for group in groups:
        rest = [s for s, n in zip(sources, names, strict=True) if group not in n.split("-")[1:2]]
        if len(rest) < len(sources):
            gains.append((1 - passes(rest, texts) / whole, group))
    print("the pass would be faster without")
    for gain, group in sorted(gains, reverse=True)[:12]:
        print(f"  {group:<24} {gain:6.1%}")


def passes(sources: Sequence[Source], texts: Sequence[bytes]) -> float:
    """CPU seconds of one pass, the least of five: others use the machine."""
    matcher = compile_matcher(sources)
    taken: list[float] = []
    for _ in range(5):
        begin = time.process_time()
        for text in texts:
            matcher.matching(text)
        taken.append(time.process_time() - begin)
    return min(taken)


def contents(folder: Path) -> list[bytes]:
    """Every file below the folder, git's own left out."""
    paths = sorted(p for p in folder.rglob("*") if ".git" not in p.parts)
    return [p.read_bytes() for p in paths if p.is_file() and not p.is_symlink()]
