"""Fit the weights of the generic secrets' context filter on the train part of the labelled set.

``python -m bench.fit_secrets`` writes rules/data/tables/secret_words.yaml: trigram statistics
(counted over the identifiers and comments of Python's own library) and the weights of a logistic
regression. Candidates are what the generic rules match in the labelled files, as they are and
with true values drawn anew; a candidate is true when it lies on a value that the set labels true.
Folds go by repository. Plain Python: the fit takes a minute and needs nothing else.
"""

from __future__ import annotations

import argparse
import math
import random
import re
import sysconfig
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from bench.creddata import HOME
from bench.labelled import Row, file_spans, rows_by_file
from haechi.checks.secrets import context
from haechi.checks.secrets.places import is_out_of_place
from haechi.checks.secrets.sham import is_sham
from haechi.engines.patterns import Expression
from haechi.rules.catalogue import load_catalogue
from haechi.rules.compiled import DATA

TARGET = DATA / "tables" / "secret_words.yaml"
_IDENTIFIERS = {"UUID", "AWS S3 Bucket", "Firebase Domain", "AWS Client ID", "Other"}
_EPOCHS = 15
_EQUALS = 4
"""Equal descriptions of one repository that count."""


class Sample(msgspec.Struct):
    """A candidate as the fit sees it."""

    repo: str
    truth: bool
    traits: list[str]


def trigrams() -> str:
    """One digit per trigram of letters: log2 of how likely the third follows the other two."""
    words: Counter[str] = Counter()
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*/*.py")):
        if "site-packages" not in path.parts and "test" not in path.parts:
            for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", path.read_text("utf-8", "replace")):
                words[word.lower()] += 1
    counts = [0.2] * 27**3
    for word, count in words.items():
        if count >= 2 and len(word) >= 3:
            folded = [0, *(ord(c) - 96 for c in word), 0]
            for at in range(len(folded) - 2):
                a, b, c = folded[at : at + 3]
                counts[(a * 27 + b) * 27 + c] += math.log2(count)
    digits = []
    for pair in range(27 * 27):
        row = counts[pair * 27 : pair * 27 + 27]
        digits += [str(max(0, 9 + round(math.log2(n / sum(row))))) for n in row]
    return "".join(digits)


def samples(part: str, table: bytes, folders: Sequence[str]) -> Iterator[Sample]:
    """The candidates of a part of the set."""
    rules = [r for r in load_catalogue().rules if r.pattern is not None and r.pattern.generic]
    compiled = [(r, Expression(r.pattern.regex)) for r in rules if r.pattern is not None]
    for (repo, path), rows in rows_by_file(HOME, part).items():
        for folder in folders:
            data = (HOME / folder / part / repo / path).read_bytes()
            marks = file_spans(data, rows)
            seen: dict[tuple[int, int], Sample] = {}
            for rule, expression in compiled:
                plain = "plain" in rule.tags
                for span in expression.spans(data, most=5_000):
                    at = (span.first, span.last)
                    value = data[span.first : span.last]
                    if at in seen or is_sham(value) or is_out_of_place(path, plain=plain):
                        continue
                    truth = _truth(marks, *at)
                    traits = context.describe(value, data, *at, table)
                    if truth is not None and traits:
                        seen[at] = Sample(repo, truth, traits)
            yield from seen.values()


def _truth(marks: Iterable[tuple[int, int, Row]], start: int, end: int) -> bool | None:
    """Whether a true label lies there; None for what says nothing about this family."""
    found = [row for first, last, row in marks if start < last and first < end]
    true = [row for row in found if row.truth == "T"]
    if not true:
        return False
    return None if all(row.kinds <= _IDENTIFIERS for row in true) else True


def thinned(found: Iterable[Sample]) -> list[Sample]:
    """Without the many equal lines that fixtures hold."""
    seen: Counter[tuple[str, bool, tuple[str, ...]]] = Counter()
    kept = []
    for sample in found:
        key = (sample.repo, sample.truth, tuple(sample.traits))
        seen[key] += 1
        if seen[key] <= _EQUALS:
            kept.append(sample)
    return kept


def fit(data: Sequence[Sample], *, decay: float) -> tuple[float, dict[str, float]]:
    """Weights by AdaGrad on the log loss, with L2 decay. Rare traits get none."""
    count = Counter(trait for sample in data for trait in sample.traits)
    repos = defaultdict(set)
    for sample in data:
        for trait in sample.traits:
            repos[trait].add(sample.repo)
    weights = {t: 0.0 for t, n in count.items() if n >= 8 and len(repos[t]) >= 3}
    squares = dict.fromkeys(weights, 1e-3)
    bias, bias_square = 0.0, 1e-3
    order = [(s.truth, [t for t in s.traits if t in weights]) for s in data]
    chance = random.Random(7)  # noqa: S311
    for epoch in range(_EPOCHS):
        chance.shuffle(order)
        rate = 0.15 / (1 + epoch / 15)
        for truth, traits in order:
            score = bias + sum(weights[t] for t in traits)
            error = 1 / (1 + math.exp(-max(-30.0, min(30.0, score)))) - truth
            bias_square += error * error
            bias -= rate * error / math.sqrt(bias_square)
            for t in traits:
                slope = error + decay * weights[t]
                squares[t] += slope * slope
                weights[t] -= rate * slope / math.sqrt(squares[t])
    return bias, weights


def scored(data: Sequence[Sample], bias: float, weights: dict[str, float]) -> list[float]:
    """Log-odds of each."""
    return [bias + sum(weights.get(t, 0.0) for t in s.traits) for s in data]


def best(scores: Sequence[tuple[float, bool]], missed: int) -> tuple[float, float, float, float]:
    """The threshold of the highest F1, with precision and recall there."""
    total = sum(truth for _, truth in scores) + missed
    found, result = 0, (0.0, 0.0, 0.0, 0.0)
    for n, (score, truth) in enumerate(sorted(scores, reverse=True), 1):
        found += truth
        precision, recall = found / n, found / total
        f1 = 2 * precision * recall / (precision + recall) if found else 0.0
        result = max(result, (f1, precision, recall, score))
    return result


def main(argv: list[str]) -> None:
    """Fit, say what cross-validation gives, write the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.fit_secrets")
    parser.add_argument("--decay", type=float, default=0.001)
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--shift", type=float, default=0.0, help="added to the threshold")
    arguments = parser.parse_args(argv)
    digits = trigrams()
    data = thinned(samples("train", digits.encode(), ("data", "raw")))
    print(len(data), "candidates,", sum(s.truth for s in data), "true")
    repos = sorted({s.repo for s in data})
    random.Random(3).shuffle(repos)  # noqa: S311
    judged: list[tuple[float, bool]] = []
    for fold in range(arguments.folds):
        out = set(repos[fold :: arguments.folds])
        bias, weights = fit([s for s in data if s.repo not in out], decay=arguments.decay)
        held = [s for s in data if s.repo in out]
        judged += zip(scored(held, bias, weights), (s.truth for s in held), strict=True)
    f1, precision, recall, threshold = best(judged, 0)
    print(f"held out: P {precision:.3f} R {recall:.3f} F1 {f1:.3f} at {threshold:.2f}")
    bias, weights = fit(data, decay=arguments.decay)
    write(TARGET, digits, bias, weights, threshold + arguments.shift)


def write(path: Path, digits: str, bias: float, weights: dict[str, float], limit: float) -> None:
    """The table as YAML: rounded weights by name, trigrams in lines."""
    lines = [
        "# Made by bench/fit_secrets.py; do not edit. See checks/secrets/context.py.",
        f"threshold: {limit:.2f}",
        f"bias: {bias:.2f}",
        "weights:",
        *(
            f'  "{name}": {value:.2f}'
            for name, value in sorted(weights.items())
            if abs(value) > 0.04
        ),
        "trigrams: |",
        *(f"  {digits[at : at + 81]}" for at in range(0, len(digits), 81)),
    ]
    path.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
