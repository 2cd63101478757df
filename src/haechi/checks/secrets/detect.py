"""Credentials in a text: one pass of the matcher, spans by RE2, then proofs and filters.

``Detector.find`` depends on the content alone, so an empty answer may be kept by blob id;
``keeps`` adds what depends on the path. Whatever was found carries the value in memory only, and
its ``repr`` does not show it.
"""

from __future__ import annotations

import codecs
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import Protocol

from haechi import __version__
from haechi.checks.secrets.context import SEEN, GenericContext
from haechi.checks.secrets.decode import SOURCES, Decoder
from haechi.checks.secrets.remarks import Remark, remark_at
from haechi.checks.secrets.sham import entropy, is_sham
from haechi.checks.secrets.validators import FILTERS, VALIDATORS, Validator
from haechi.engines.patterns import Expression, Matcher, Source, Span
from haechi.engines.patterns.expression import lines_at
from haechi.engines.patterns.matcher import Matching, digest_of
from haechi.errors import RuleError
from haechi.rules.schema import Pattern, Rule

BINARY_HEAD = 8 * 1024
"""Bytes in which a NUL makes a content binary, as git decides it."""
_NAME = re.compile(
    rb"([A-Za-z_][\w.-]{0,59})[\"'`\])]{0,2}\s{0,8}(?:=>|:=|==?|:|,|\()?\s{0,8}"
    rb"(?:[bBrRuUfF]{1,2}(?=[\"']))?[\"'`(]{0,3}\Z"
)
_DIGITS = re.compile(rb"[0-9].*[0-9]")
_BEFORE = 120
_GROUPING = 1 << 16
MOST_MATCHES = 20_000
"""Matches of one rule in one content that are judged; nearly all of them are nothing."""
_REMEMBERED = 200_000
MOST = 1_000
"""Candidates of one rule in one content."""
ENCODED = "encoded texts"


class Context(Protocol):
    """Decides about the generic family, which goes by names alone."""

    def is_credible(self, value: bytes, data: bytes, start: int, end: int) -> bool:
        """Whether the value, by what stands around it, is a credential."""

    def keeps(self, candidate: Candidate, path: str) -> bool:
        """Whether it still is one in this file."""


class Candidate:
    """A credential in a text. Offsets are bytes, lines and columns count from 1.

    ``name`` is what the value is assigned to, ``encoding`` how it is written (``base64``,
    ``hex``, ``url`` or empty), ``remark`` what a comment beside it says about reporting it.
    """

    __slots__ = (
        "column", "encoding", "end", "end_column", "end_line", "line", "name", "remark", "rule",
        "secret", "start",
    )  # fmt: skip

    def __init__(
        self, rule: Rule, start: int, end: int, secret: bytes, *, name: str = "", encoding: str = ""
    ) -> None:
        self.rule = rule
        self.start = start
        self.end = end
        self.secret = secret
        self.name = name
        self.encoding = encoding
        self.remark: Remark | None = None
        self.line = self.column = self.end_line = self.end_column = 0

    def __repr__(self) -> str:
        return f"Candidate({self.rule.id}, {self.start}-{self.end})"


class Candidates(list[Candidate]):
    """The candidates of a content. ``cut`` names the rules that stopped at a bound, so that the
    rest of the content counts as not looked at by them (``ENCODED``: what it holds encoded)."""

    __slots__ = ("cut",)

    def __init__(self, found: Iterable[Candidate] = (), cut: Iterable[str] = ()) -> None:
        super().__init__(found)
        self.cut = frozenset(cut)


def sources_of(rules: Sequence[Rule]) -> list[Source]:
    """What a matcher for these rules has to be made of, in this order."""
    patterns = [_pattern(rule) for rule in rules]
    found = [Source(p.regex, tuple(p.keywords), in_line=p.generic) for p in patterns]
    return [*found, *SOURCES]


class Detector:
    """All pattern rules of a run. ``matcher`` is made of ``sources_of(rules)``; thread-safe.

    Rules that are ``disabled`` stay in the compiled database, which is made once for all runs.

    Raises RuleError for a rule whose validator does not exist.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        matcher: Matcher,
        context: Context | None = None,
        *,
        disabled: frozenset[str] = frozenset(),
    ) -> None:
        self.rules = tuple(rules)
        self.evaluated = frozenset(rule.id for rule in rules) - disabled
        self._off = frozenset(n for n, rule in enumerate(rules) if rule.id in disabled)
        self._matcher = matcher
        self._context = context or GenericContext()
        self._patterns = [_pattern(rule) for rule in rules]
        self._checks = [_check(rule) for rule in rules]
        self._words = [tuple(w.encode() for w in pattern.keywords) for pattern in self._patterns]
        self._compiled: dict[int, Expression] = {}
        self._lines: dict[tuple[int, int, int, bytes], tuple[tuple[int, int], ...]] = {}
        self._decoder = Decoder()
        facts = "\n".join(
            f"{rule.id} {rule.pattern!r}" for rule in rules if rule.id in self.evaluated
        )
        self.key = hashlib.sha256(
            f"{__version__}\n{matcher.key}\n{digest_of(sources_of(rules))}\n{facts}".encode()
        ).hexdigest()[:32]

    def find(self, data: bytes) -> Candidates:
        """Credentials in a content, by place. Empty for nearly every content there is."""
        data = _as_text(data)
        numbers = self._matcher.matching(data)
        if not numbers:
            return Candidates()
        binary = b"\0" in data[:BINARY_HEAD]
        cut: set[str] = set()
        found = list(self._direct(data, numbers, cut, binary=binary))
        encodings = [number - len(self.rules) for number in numbers if number >= len(self.rules)]
        if encodings and not binary:
            found += self._encoded(data, encodings, cut)
        if found:
            found = _without_overlaps(found)
            _place(found, data)
        return Candidates(found, cut)

    def keeps(self, candidate: Candidate, path: str) -> bool:
        """What depends on the path: only the generic family does."""
        if not _pattern(candidate.rule).generic:
            return True
        return self._context.keeps(candidate, path)

    def _direct(
        self,
        data: bytes,
        numbers: Matching,
        cut: set[str],
        *,
        binary: bool,
        specific: bool = False,
    ) -> Iterator[Candidate]:
        for number, ends in numbers.items():
            if number >= len(self.rules) or number in self._off:
                continue
            if self._patterns[number].generic and (binary or specific):
                continue
            if ends and self._patterns[number].generic:
                yield from self._by_lines(number, data, ends, cut)
                continue
            taken = 0
            spans = self._expression(number).spans(data, most=MOST_MATCHES + 1)
            for seen, span in enumerate(spans):
                if seen == MOST_MATCHES or taken == MOST:
                    cut.add(self.rules[number].id)
                    break
                candidate = self._judge(number, data, span)
                if candidate is not None:
                    taken += 1
                    yield candidate

    def _by_lines(
        self, number: int, data: bytes, ends: Sequence[int], cut: set[str]
    ) -> Iterator[Candidate]:
        """The generic family, line by line. A history holds most lines in many versions of their
        file: what was found in a line is remembered by a digest of all that was looked at, as
        offsets and without a value."""
        taken = 0
        for seen, (begin, end) in enumerate(lines_at(data, ends)):
            if seen == MOST_MATCHES or taken >= MOST:
                cut.add(self.rules[number].id)
                return
            first = max(begin - SEEN, 0)
            digest = blake2b(data[first : end + SEEN], digest_size=16).digest()
            key = (number, begin - first, end - begin, digest)
            places = self._lines.get(key)
            if places is None:
                places = self._in_line(number, data, begin, end)
                if len(self._lines) >= _REMEMBERED:
                    self._lines.clear()
                self._lines[key] = places
            for start, stop in places:
                taken += 1
                at, to = begin + start, begin + stop
                name = _name_before(data, at).decode("ascii", "replace")
                yield Candidate(self.rules[number], at, to, data[at:to], name=name)

    def _in_line(
        self, number: int, data: bytes, begin: int, end: int
    ) -> tuple[tuple[int, int], ...]:
        """Offsets in the line of what is a credential there."""
        spans = self._expression(number).spans(data, within=(begin, end))
        judged = (self._judge(number, data, span) for span in spans)
        return tuple((c.start - begin, c.end - begin) for c in judged if c is not None)

    def _judge(self, number: int, data: bytes, span: Span) -> Candidate | None:
        pattern, secret = self._patterns[number], data[span.first : span.last]
        if not secret or not self._holds_keyword(number, data[span.start : span.end]):
            return None
        if is_sham(secret):
            return None
        if pattern.entropy and entropy(secret) < pattern.entropy:
            return None
        if not _holds(self._checks[number], secret):
            return None
        if pattern.generic and not self._context.is_credible(secret, data, span.first, span.last):
            return None
        name = _name_before(data, span.first)
        text = name.decode("ascii", "replace")
        return Candidate(self.rules[number], span.first, span.last, secret, name=text)

    def _holds_keyword(self, number: int, match: bytes) -> bool:
        """Matchers differ in what they let through; this makes their findings equal."""
        lowered = match.lower()
        return any(word in lowered for word in self._words[number])

    def _encoded(self, data: bytes, encodings: Sequence[int], cut: set[str]) -> Iterator[Candidate]:
        """Detectors with a form of their own over everything decoded, in one more pass."""
        runs, all_ = self._decoder.decoded(data, encodings)
        if not all_:
            cut.add(ENCODED)
        whole = b"\n\n".join(run.text for run in runs)
        numbers = self._matcher.matching(whole)
        if not any(number < len(self.rules) for number in numbers):
            return
        for run in runs:
            for inner in self._direct(run.text, numbers, cut, binary=False, specific=True):
                name = _name_before(data, run.start).decode("ascii", "replace")
                yield Candidate(
                    inner.rule,
                    run.start,
                    run.end,
                    inner.secret,
                    name=name or inner.name,
                    encoding=run.encoding,
                )

    def _expression(self, number: int) -> Expression:
        found = self._compiled.get(number)
        if found is None:
            found = self._compiled[number] = Expression(self._patterns[number].regex)
        return found


def _pattern(rule: Rule) -> Pattern:
    if rule.pattern is None:
        raise RuleError(f"rule {rule.id} has no pattern")
    return rule.pattern


def _check(rule: Rule) -> Validator | None:
    name = _pattern(rule).check
    if not name:
        return None
    found = VALIDATORS.get(name)
    if found is None:
        known = ", ".join(sorted(VALIDATORS))
        raise RuleError(f"rule {rule.id}: no validator {name!r}", do=f"one of: {known}")
    return found


def _holds(check: Validator | None, secret: bytes) -> bool:
    """The validator's word; one that fails has disproved nothing, and its exception could quote
    the value."""
    if check is None:
        return True
    try:
        return check(secret)
    except Exception:  # noqa: BLE001 - see above
        return True


def _as_text(data: bytes) -> bytes:
    """UTF-16, which editors on Windows write, as UTF-8; everything else as it is."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace").encode("utf-8", "replace")
    return data


def _name_before(data: bytes, start: int) -> bytes:
    begin = max(data.rfind(b"\n", 0, start) + 1, start - _BEFORE)
    match = _NAME.search(data[begin:start])
    if match is None or (len(match[1]) >= 20 and _DIGITS.search(match[1])):
        return b""  # a long text with digits may be a credential itself
    return match[1]


def _rank(candidate: Candidate) -> tuple[bool, bool, bool, bool, int]:
    """Lowest first: a form before a name, a proof before none, a vendor's own mark in the value
    before one beside it, as written before encoded, the longer."""
    pattern = _pattern(candidate.rule)
    lowered = candidate.secret.lower()
    marked = any(word.encode() in lowered for word in pattern.keywords)
    proved = bool(pattern.check) and pattern.check not in FILTERS
    size = candidate.end - candidate.start
    return (pattern.generic, not proved, not marked, bool(candidate.encoding), -size)


def _without_overlaps(found: list[Candidate]) -> list[Candidate]:
    """Of candidates that share bytes the surest: a form before a name, a proof before none."""
    kept: list[Candidate] = []
    ends = 0
    ordered = sorted(found, key=lambda c: c.start)
    group: list[Candidate] = []
    for candidate in ordered:
        if group and candidate.start >= ends:
            kept += _surest(group)
            group = []
        group.append(candidate)
        ends = max(ends, candidate.end) if len(group) > 1 else candidate.end
    kept += _surest(group)
    return kept


def _surest(group: list[Candidate]) -> list[Candidate]:
    if len(group) == 1:
        return group
    kept: list[Candidate] = []
    for candidate in sorted(group, key=_rank):
        same = (k for k in kept if candidate.start < k.end and k.start < candidate.end)
        encoded = candidate.encoding and all(
            k.encoding and k.secret != candidate.secret for k in kept
        )
        if encoded or not any(same):
            kept.append(candidate)
    return sorted(kept, key=lambda c: (c.start, c.rule.id))


def _place(found: list[Candidate], data: bytes) -> None:
    """Lines and columns, counted on from one candidate to the next."""
    line, at = 1, 0
    for candidate in found:
        line += data.count(b"\n", at, candidate.start)
        at = candidate.start
        candidate.line, candidate.column = line, _column(data, candidate.start)
        candidate.end_line = line + data.count(b"\n", candidate.start, candidate.end)
        candidate.end_column = _column(data, candidate.end)
        candidate.remark = remark_at(data, candidate.start, candidate.end)


def _column(data: bytes, at: int) -> int:
    begin = data.rfind(b"\n", 0, at) + 1
    if at - begin > _GROUPING:
        return at - begin + 1  # a minified line: nobody counts its characters
    return len(data[begin:at].decode("utf-8", "replace")) + 1
