"""Anomalies: traces of system calls of ADFA-LD's shape, learnt from normal ones, judged, compared.

Arguments: [FOLDER] with ``*.jsonl.gz`` or ``*.jsonl``: lines {"id", "split": "train"|"eval",
"label": "normal" or a family of attacks, "calls": [numbers]}. Fits on ``train`` (normal traces
alone) and judges ``eval``: area under the curve, attacks found at one and five false alarms in a
hundred normal traces, for each family, with bootstrap intervals over traces; beside plain STIDE
and a plain Markov chain in the same run. CPU time is of this process, memory is what the fitted
model allocated.
"""

from __future__ import annotations

import gzip
import random
import time
import tracemalloc
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from math import log
from pathlib import Path
from typing import NamedTuple

import msgspec

from haechi.runtime.profile.sequence import FOLDS, ORDER, Company, Order, TraceModel

USUAL = Path(__file__).resolve().parents[2] / "shared/data/adfa-ld"
TARGETS = {"auc": 0.83, "tpr1": 0.15}
ROUNDS = 300
_MOST_LINES, _LINE = 200_000, 4 << 20


class TraceLine(msgspec.Struct):
    """A line of the file."""

    id: str
    split: str
    label: str
    calls: list[int]


class Figures(NamedTuple):
    """Of one method on some traces."""

    auc: float
    tpr1: float
    tpr5: float


def read(folder: Path) -> tuple[list[list[int]], list[TraceLine]]:
    """(normal traces to learn from, traces to judge) of all files of traces in a folder.
    SystemExit with what is wrong; traces without calls are told and left out."""
    files = sorted({*folder.glob("*.jsonl.gz"), *folder.glob("*.jsonl")})
    if not files:
        raise SystemExit(f"{folder}: no *.jsonl.gz or *.jsonl of traces (ADFA-LD's shape)")
    train: list[list[int]] = []
    judged: list[TraceLine] = []
    empty = 0
    for where, one in (found for path in files for found in _traces(path)):
        if not one.calls:
            empty += 1
        elif one.split == "train":
            if one.label != "normal":
                raise SystemExit(f"{where}: an attack among what is learnt from")
            train.append(one.calls)
        elif one.split == "eval":
            judged.append(one)
        else:
            raise SystemExit(f"{where}: `split` is neither train nor eval")
    if not train or len({one.label == "normal" for one in judged}) < 2:
        raise SystemExit(f"{folder}: needs train, and normal and attack traces of eval")
    if empty:
        print(f"{empty} traces without calls are left out")
    return train, judged


def _traces(path: Path) -> Iterator[tuple[str, TraceLine]]:
    """(place, trace) of each line."""
    decode = msgspec.json.Decoder(TraceLine).decode
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as stream:
        for number, line in enumerate(iter(lambda: stream.readline(_LINE), b""), 1):
            where = f"{path}:{number}"
            if number > _MOST_LINES:
                raise SystemExit(f"{where}: more than {_MOST_LINES:,} traces")
            try:
                yield where, decode(line)
            except msgspec.MsgspecError as error:
                raise SystemExit(f"{where}: no trace: {error}") from error


def figures(normal: Sequence[float], attacks: Sequence[float]) -> Figures:
    """Area under the curve (ties by half), and the part of attacks above the score that at most
    1 % and 5 % of normal traces exceed."""
    order = sorted(normal)
    below = sum(bisect_left(order, one) + bisect_right(order, one) for one in attacks)
    auc = below / 2 / len(order) / len(attacks)
    found = []
    for share in (0.01, 0.05):
        limit = order[len(order) - 1 - int(share * len(order))]
        found.append(sum(one > limit for one in attacks) / len(attacks))
    return Figures(auc, found[0], found[1])


def interval(
    normal: Sequence[float], attacks: Sequence[float], rounds: int = ROUNDS
) -> list[tuple[float, float]]:
    """95 % bootstrap intervals of the three figures, over traces of both kinds."""
    draw = random.Random(7)  # noqa: S311  not for secrets
    several = [
        figures(draw.choices(normal, k=len(normal)), draw.choices(attacks, k=len(attacks)))
        for _ in range(rounds)
    ]
    return [
        (one[int(0.025 * rounds)], one[int(0.975 * rounds)])
        for one in (sorted(column) for column in zip(*several, strict=True))
    ]


def stide(train: Sequence[Sequence[int]], n: int = 6) -> Callable[[Sequence[int]], float]:
    """The part of a trace's n-grams that were never seen (Forrest et al. 1996)."""
    known = {gram for trace in train for gram in zip(*(trace[i:] for i in range(n)), strict=False)}

    def score(trace: Sequence[int]) -> float:
        grams = list(zip(*(trace[i:] for i in range(n)), strict=False))
        return sum(gram not in known for gram in grams) / max(1, len(grams))

    return score


def markov(train: Sequence[Sequence[int]], order: int = 3) -> Callable[[Sequence[int]], float]:
    """The mean surprise under a chain of one order, add-one smoothed."""
    contexts: Counter[tuple[int, ...]] = Counter()
    grams: Counter[tuple[int, ...]] = Counter()
    for trace in train:
        for end in range(order, len(trace)):
            contexts[tuple(trace[end - order : end])] += 1
            grams[tuple(trace[end - order : end + 1])] += 1
    calls = len({call for trace in train for call in trace}) + 1

    def surprise(gram: tuple[int, ...]) -> float:
        return log((contexts[gram[:-1]] + calls) / (grams[gram] + 1))

    def score(trace: Sequence[int]) -> float:
        several = [tuple(trace[end - order : end + 1]) for end in range(order, len(trace))]
        return sum(map(surprise, several)) / max(1, len(several))

    return score


def told(name: str, scores: Sequence[float], judged: Sequence[TraceLine]) -> Figures:
    """Print the figures of a method, all families together and each by itself."""
    normal = [s for s, one in zip(scores, judged, strict=True) if one.label == "normal"]
    attacks = [s for s, one in zip(scores, judged, strict=True) if one.label != "normal"]
    whole = figures(normal, attacks)
    print(f"{name:<24} AUC {whole.auc:.3f}  TPR at 1 % {whole.tpr1:.3f}, at 5 % {whole.tpr5:.3f}")
    for family in sorted({one.label for one in judged} - {"normal"}):
        some = [s for s, one in zip(scores, judged, strict=True) if one.label == family]
        one = figures(normal, some)
        print(f"    {family:<20} AUC {one.auc:.3f}  {one.tpr1:.3f}  {one.tpr5:.3f}  ({len(some)})")
    return whole


def main(argv: Sequence[str] = ()) -> None:
    """Print all figures."""
    train, judged = read(Path(argv[0]) if argv else USUAL)
    normal = sum(one.label == "normal" for one in judged)
    calls = sum(len(one.calls) for one in judged)
    print(f"{len(train)} normal traces to learn from ({sum(map(len, train)):,} calls); judged: "
          f"{normal} normal, {len(judged) - normal} attacks ({calls:,} calls)")  # fmt: skip
    start = time.process_time()
    model = TraceModel(train)
    fitted = time.process_time() - start
    start = time.process_time()
    scores = [model.judge(one.calls).score for one in judged]
    taken = time.process_time() - start
    whole = told(f"haechi (order {ORDER})", scores, judged)
    _intervals(scores, judged)
    for what, value in (("auc", whole.auc), ("tpr1", whole.tpr1)):
        word = "reached" if value >= TARGETS[what] else "MISSED"
        print(f"    {what} {value:.3f} (target {TARGETS[what]}: {word})")
    print(f"    fitted in {fitted:.1f} CPU s ({FOLDS} folds), judged {calls / taken:,.0f} calls "
          f"per CPU-s; {model.grams:,} n-grams, {_memory(train):.0f} MiB")  # fmt: skip
    for name, score in (("STIDE, n = 6", stide(train)), ("Markov, order 3", markov(train))):
        start = time.process_time()
        several = [score(one.calls) for one in judged]
        rate = calls / (time.process_time() - start)
        told(name, several, judged)
        print(f"    judged {rate:,.0f} calls per CPU-s")


def _intervals(scores: Sequence[float], judged: Sequence[TraceLine]) -> None:
    normal = [s for s, one in zip(scores, judged, strict=True) if one.label == "normal"]
    attacks = [s for s, one in zip(scores, judged, strict=True) if one.label != "normal"]
    (a, b), (c, d), (e, f) = interval(normal, attacks)
    print(f"    95 % intervals: AUC {a:.3f}-{b:.3f}, TPR at 1 % {c:.3f}-{d:.3f}, "
          f"at 5 % {e:.3f}-{f:.3f} ({ROUNDS} bootstrap rounds)")  # fmt: skip


def _memory(train: Sequence[Sequence[int]]) -> float:
    """MiB of what a fitted model keeps: all of it but its scales, which are three short lists."""
    tracemalloc.start()
    parts = Order(), Company()
    for trace in train:
        for one in parts:
            one.learn(trace)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size / (1 << 20)
