"""Recall of the secret detectors on samples of other projects, none of which was written here.

Reads bare clones of public projects (``--mirrors DIR``, folders ``OWNER+NAME/repo``), takes the
samples out of their tests and rules, and prints what our detectors with a form find of them. A
sample counts when a detector that is not generic covers the credential. Samples of vendors for
which there is no detector, placeholders, and values that their vendor's own checksum or form
refuses are counted apart; the column "strict" counts the refused ones as missed. Nothing extracted
is kept in this repository; values are shown only by ``--show``.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from bench.corpora import credsweeper, detect_secrets, gitleaks, trufflehog, yaml_rules
from bench.corpora.sample import Sample
from haechi.checks.secrets.detect import Candidate, Detector, sources_of
from haechi.checks.secrets.sham import entropy, is_sham
from haechi.checks.secrets.validators import VALIDATORS
from haechi.engines.patterns import Expression
from haechi.engines.patterns.hyperscan import compile_matcher
from haechi.rules.catalogue import load_catalogue
from haechi.rules.schema import Rule

MIRRORS = Path(os.environ.get("HAECHI_MIRRORS", "/work/.mirror"))
STORE = Path.home() / ".cache/haechi-bench/samples"
TABLE = Path(__file__).with_name("families.yaml")

_READERS: dict[str, tuple[str, Callable[[Path], Iterator[Sample]]]] = {
    "kingfisher": ("mongodb/kingfisher", lambda p: yaml_rules.samples(p, "kingfisher")),
    "noseyparker": ("praetorian-inc/noseyparker", lambda p: yaml_rules.samples(p, "noseyparker")),
    "trufflehog": ("trufflesecurity/trufflehog", trufflehog.samples),
    "gitleaks": ("gitleaks/gitleaks", gitleaks.samples),
    "credsweeper": ("Samsung/CredSweeper", credsweeper.samples),
    "detect-secrets": ("Yelp/detect-secrets", detect_secrets.samples),
}


class Families(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table: which vendor of ours a source's vendor is, and what is counted apart and why.

    ``vendors`` maps a source's name to ours where they differ (empty: none of ours, though the
    name begins alike); ``ours`` is what a source calls the vendor whose rules begin with a common
    word. ``named`` lists rules for values without a form of their own, told only by the vendor's
    name beside them, where their expression does not show it, and ``formed`` those that have one
    although their expression shows none: recall is printed for both kinds. ``apart`` gives
    the reason for rules whose samples are no credentials of a vendor, ``malformed`` for samples
    that are not in their vendor's form; the latter counts only for what is not found.
    """

    vendors: dict[str, str]
    ours: dict[str, str]
    named: dict[str, list[str]]
    formed: dict[str, list[str]]
    apart: dict[str, dict[str, list[str]]]
    malformed: dict[str, dict[str, str]]

    def reason(self, sample: Sample) -> str:
        """Why a sample is counted apart, if it is."""
        keys = (sample.rule, sample.rule.split()[0])
        table = self.apart.get(sample.source, {})
        return next((why for why, rules in table.items() if any(k in rules for k in keys)), "")

    def is_named(self, sample: Sample) -> bool:
        """True when only the vendor's name tells this kind of value."""
        keys = (sample.rule, sample.rule.split()[0])
        if any(key in self.formed.get(sample.source, ()) for key in keys):
            return False
        return not sample.fixed or any(key in self.named.get(sample.source, ()) for key in keys)


class Verdict(msgspec.Struct, frozen=True):
    """What became of a sample: found, missed, or apart for a reason; ``note`` says by what.

    ``named`` marks values without a form of their own.
    """

    sample: Sample
    vendor: str
    outcome: str
    note: str = ""
    named: bool = False


class Judge:
    """Our detectors over samples."""

    def __init__(self, families: Families) -> None:
        self.families = families
        self.rules: tuple[Rule, ...] = tuple(
            rule for rule in load_catalogue().rules if rule.judge == "pattern"
        )
        if not self.rules:
            raise SystemExit("there are no rules of judge: pattern")
        first = {vendor_of(rule) for rule in self.rules}
        self.vendors = sorted(((families.ours.get(v, v), v) for v in first), key=_longest)
        self.detector = Detector(self.rules, compile_matcher(sources_of(self.rules)))
        self._raw = [(r, Expression(r.pattern.regex)) for r in self.rules if r.pattern]

    def verdict(self, sample: Sample) -> Verdict:
        """One sample; negatives are ``reported`` or ``silent``."""
        vendor = self.vendor(sample.vendor)
        found = [c for c in self._found(sample) if not _generic(c.rule)]
        if not sample.positive:
            names = ", ".join(sorted({c.rule.id for c in found if vendor_of(c.rule) == vendor}))
            return Verdict(sample, vendor, "reported" if names else "silent", names)
        reason = self.families.reason(sample)
        if reason or vendor == "generic":
            return Verdict(sample, vendor, "apart", reason or "the generic family")
        data = sample.text.encode()
        hits = {c.rule.id for c in found if _overlaps((c.secret, data[c.start : c.end]), sample)}
        named = self.families.is_named(sample)
        if hits:
            return Verdict(sample, vendor, "found", ", ".join(sorted(hits)), named)
        if not vendor:
            return Verdict(sample, vendor, "no detector")
        refused = self._refusal(sample)
        if refused:
            return Verdict(sample, vendor, *refused, named)
        wrong = self.families.malformed.get(sample.source, {})
        why = wrong.get(sample.rule, wrong.get(sample.rule.split()[0], ""))
        if why:
            return Verdict(
                sample, vendor, "malformed", f"{sample.source} {sample.rule}: {why}", named
            )
        note = ", ".join(sorted({c.rule.id for c in self._found(sample)}))
        return Verdict(sample, vendor, "missed", note, named)

    def vendor(self, name: str) -> str:
        """Ours for a source's name: by the table, else the longest that it begins with."""
        if name in self.families.vendors:
            return self.families.vendors[name]
        return next((ours for v, ours in self.vendors if len(v) > 2 and name.startswith(v)), "")

    def _found(self, sample: Sample) -> list[Candidate]:
        return self.detector.find(sample.text.encode())

    def _refusal(self, sample: Sample) -> tuple[str, str] | None:
        """Why the expression matches and yet nothing is reported."""
        stated = sample.values or (max(_WORDS.findall(sample.text), key=len, default=""),)
        if all(is_sham(value.encode()) for value in stated):
            return "placeholder", ""
        data = sample.text.encode()
        for rule, expression in self._raw:
            if _generic(rule):
                continue
            assert rule.pattern is not None
            for span in expression.spans(data):
                value = data[span.first : span.last]
                if not _overlaps((value,), sample):
                    continue
                if is_sham(value):
                    return "placeholder", rule.id
                check = VALIDATORS.get(rule.pattern.check)
                if check is not None and not check(value):
                    return "invalid", f"{rule.id}: {rule.pattern.check}"
                if entropy(value) < rule.pattern.entropy:
                    return "missed", f"{rule.id}: entropy {entropy(value):.2f}"
        return None


def _longest(names: tuple[str, str]) -> int:
    return -len(names[0])


def vendor_of(rule: Rule) -> str:
    """``github`` of ``secret-github-pat``."""
    return rule.id.split("-")[1]


def _generic(rule: Rule) -> bool:
    return rule.pattern is not None and rule.pattern.generic


def _overlaps(values: Sequence[bytes], sample: Sample) -> bool:
    """One holds the other; where the source does not say the value, anything counts.

    A result of several values (an id and its key) is found with one of them.
    """
    if not sample.values:
        return True
    theirs = [_plain(item.encode()) for item in sample.values]
    ours = [_plain(value) for value in values]
    return any(one in other or other in one for one in ours for other in theirs)


_WORDS = re.compile(r"[^\s\"'=,;]+")


def _plain(value: bytes) -> bytes:
    """Line breaks may be written out, and keys in armour are quoted by the line."""
    return value.replace(b"\\r", b"").replace(b"\\n", b"\n").replace(b"\\/", b"/")


def extract(mirrors: Path, source: str) -> list[Sample]:
    """The samples of a source, without repetitions; kept in the store by the clone's commit."""
    name, reader = _READERS[source]
    clone = mirrors / name.replace("/", "+") / "repo"
    if not clone.is_dir():
        print(f"{source}: no {clone}; git clone --bare https://github.com/{name} {clone}")
        return []
    head = subprocess.run(
        ["git", "-C", str(clone), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    kept = STORE / f"{source}-{head[:12]}.json"
    if not kept.exists() or kept.stat().st_mtime < _newest():
        STORE.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = list(dict.fromkeys(reader(clone)))
        kept.write_bytes(msgspec.json.encode(found))
    return msgspec.json.decode(kept.read_bytes(), type=list[Sample])


def _newest() -> float:
    return max(path.stat().st_mtime for path in (TABLE.parent / "corpora").glob("*.py"))


def main(argv: list[str]) -> None:
    """Print recall by source and what is missed by vendor."""
    parser = argparse.ArgumentParser(prog="./dev bench samples", description=__doc__)
    parser.add_argument("--mirrors", type=Path, default=MIRRORS)
    parser.add_argument("--source", action="append", choices=list(_READERS), default=[])
    parser.add_argument("--misses", type=Path, help="write what is missed to this file")
    parser.add_argument("--show", default="", help="texts of samples whose rule has this in it")
    options = parser.parse_args(argv)
    judge = Judge(msgspec.yaml.decode(TABLE.read_bytes(), type=Families))
    verdicts: list[Verdict] = []
    for source in options.source or _READERS:
        verdicts += [judge.verdict(sample) for sample in extract(options.mirrors, source)]
    if options.show:
        _show(options.show, verdicts)
        return
    print(f"{len(judge.rules)} detectors of {len(judge.vendors)} vendors and families")
    _print_sources(verdicts)
    _print_reasons(verdicts)
    if options.misses:
        options.misses.write_text(misses(verdicts))


_COLUMNS = ("found", "missed", "placeholder", "invalid", "malformed", "apart", "no detector")


def _print_sources(verdicts: Sequence[Verdict]) -> None:
    for title, chosen in (
        ("documented forms", [v for v in verdicts if not v.named and not v.sample.drawn]),
        (
            "told by the vendor's name beside them",
            [v for v in verdicts if v.named and not v.sample.drawn],
        ),
        ("forms of gitleaks, drawn here", [v for v in verdicts if v.sample.drawn and not v.named]),
    ):
        print(f"\n{title}")
        _print_table(chosen)


def _print_table(verdicts: Iterable[Verdict]) -> None:
    table: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for verdict in verdicts:
        table[verdict.sample.source][verdict.outcome] += 1
        table["all"][verdict.outcome] += 1
    print(
        f"{'source':<15}" + "".join(f"{c:>12}" for c in _COLUMNS) + "  recall  negatives reported"
    )
    for source, counts in sorted(table.items(), key=lambda item: item[0] == "all"):
        asked = counts["found"] + counts["missed"]
        negatives = counts["reported"] + counts["silent"]
        recall = f"{counts['found'] / asked:8.3f}" if asked else "       -"
        row = "".join(f"{counts[c]:>12}" for c in _COLUMNS)
        strict = counts["found"] / (asked + counts["malformed"] + counts["invalid"] or 1)
        print(f"{source:<15}{row}{recall}{strict:8.3f}  {counts['reported']} of {negatives}")


def _print_reasons(verdicts: Iterable[Verdict]) -> None:
    vendors: defaultdict[str, Counter[str]] = defaultdict(Counter)
    reasons: Counter[str] = Counter()
    for verdict in verdicts:
        if (
            verdict.outcome in ("found", "missed")
            and not verdict.named
            and not verdict.sample.drawn
        ):
            vendors[verdict.vendor][verdict.outcome] += 1
        elif verdict.outcome in ("apart", "placeholder", "invalid", "malformed"):
            reasons[f"{verdict.outcome}: {verdict.note}"] += 1
    print("\nvendors with misses (missed of asked):")
    for vendor, counts in sorted(vendors.items(), key=lambda item: -item[1]["missed"]):
        if counts["missed"]:
            print(f"  {vendor:<20} {counts['missed']:>4} of {counts['missed'] + counts['found']}")
    print("\ncounted apart:")
    for reason, count in reasons.most_common():
        print(f"  {count:>4} {reason}")


def misses(verdicts: Sequence[Verdict]) -> str:
    """Misses by vendor and source rule, then vendors of theirs without a detector of ours."""
    missed: defaultdict[str, list[Verdict]] = defaultdict(list)
    foreign: defaultdict[str, list[Verdict]] = defaultdict(list)
    named: list[Verdict] = []
    reported: list[Verdict] = []
    for verdict in verdicts:
        if verdict.outcome == "reported":
            reported.append(verdict)
        elif verdict.sample.drawn or verdict.outcome not in ("missed", "no detector"):
            continue
        elif verdict.outcome == "no detector":
            if verdict.sample.fixed:
                foreign[verdict.sample.vendor].append(verdict)
        elif verdict.named:
            named.append(verdict)
        else:
            missed[verdict.vendor].append(verdict)
    lines = ["# Missed samples by our vendor", ""]
    for vendor, items in sorted(missed.items(), key=lambda item: -len(item[1])):
        lines += [f"## {vendor}: {len(items)}", *map(_line, items), ""]
    lines += ["# Negative examples that we report", *map(_line, reported), ""]
    lines += ["# Missed, without a form: only the vendor's name tells", *map(_line, named), ""]
    lines += ["# Documented forms without a detector of ours (samples, rules, one sample)", ""]
    for vendor, items in sorted(foreign.items(), key=lambda item: -len(item[1])):
        rules = ", ".join(sorted({f"{v.sample.source} {v.sample.rule}" for v in items})[:6])
        lines += [f"- **{vendor}** {len(items)}: {rules}", f"  {_excerpt(items[0].sample)}"]
    return "\n".join(lines) + "\n"


def _line(verdict: Verdict) -> str:
    sample = verdict.sample
    note = f" ({verdict.note})" if verdict.note else ""
    drawn = " drawn" if sample.drawn else ""
    return f"- {sample.source} `{sample.rule}`{drawn}{note}: {_excerpt(sample)}"


def _excerpt(sample: Sample) -> str:
    """Around the value, in one line."""
    text = sample.text
    at = text.find(sample.values[0]) if sample.values else 0
    size = len(sample.values[0]) if sample.values else 120
    part = text[max(0, at - 60) : at + min(size, 160) + 20]
    value = f" value of {size}" if sample.values else ""
    return "`" + " ".join(part.split()).replace("`", "'") + "`" + value


def _show(part: str, verdicts: Iterable[Verdict]) -> None:
    for verdict in verdicts:
        sample = verdict.sample
        if part in f"{sample.source} {sample.rule} {verdict.vendor}":
            print(f"--- {sample.source} {sample.rule}: {verdict.outcome} {verdict.note}")
            print(sample.text, "\n=>", sample.values)
