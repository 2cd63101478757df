"""Tables of TruffleHog's tests: ``input`` and what is wanted of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from bench.corpora.fixed import is_fixed
from bench.corpora.golang import Reader, Value, tokens, unquoted
from bench.corpora.sample import Sample, read_files, squeezed

_INPUTS = ("input", "data", "text")
_WANTED = ("want", "match", "expected", "wantRaw")


def samples(repository: Path) -> Iterator[Sample]:
    """Every case whose input and result are literal; integration tests have none."""
    files = list(read_files(repository, "pkg/detectors", ".go"))
    fixed: dict[str, bool] = {}
    for path, source in files:
        if not path.endswith("_test.go"):
            folder = path.rpartition("/")[0]
            fixed[folder] = fixed.get(folder, False) or _is_fixed(source)
    for path, source in files:
        if not path.endswith("_test.go") or path.endswith("_integration_test.go"):
            continue
        folder, name = path.rpartition("/")[0], path.split("/")[2]
        for text, wanted in cases(Reader(source)):
            yield Sample(
                source="trufflehog",
                rule=name,
                vendor=squeezed(name),
                text=text,
                values=tuple(wanted),
                positive=bool(wanted),
                fixed=fixed.get(folder, True),
            )


_ADDRESS = re.compile(r"https?://[\w.:-]{1,60}/?")
_PLACES = ("id", "domain", "url", "host", "endpoint", "account", "user", "email", "org", "instance")


def _is_fixed(source: str) -> bool:
    """True when an expression, those for names and addresses left out, has a fixed part."""
    found = tokens(source)
    for at in range(2, len(found) - 1):
        if found[at].text != "regexp.MustCompile":
            continue
        name = found[at - 2].text.lower()
        if any(name.startswith(place) or f"{place}pat" in name for place in _PLACES):
            continue
        prefixed, texts = False, list[str]()
        for token in found[at + 1 : at + 24]:
            if token.text in ("regexp.MustCompile", "=", "func"):
                break
            prefixed = prefixed or token.text.endswith("PrefixRegex")
            if token.kind == "raw":
                texts.append(unquoted(token))
        if texts and (not prefixed or is_fixed("".join(texts))):
            return True
    return False


def cases(reader: Reader) -> Iterator[tuple[str, list[str]]]:
    """Pairs of fields in the order of the file: an input, then what is wanted."""
    text: Value = None
    at = 0
    while at < len(reader.tokens) - 2:
        kind, name = reader.tokens[at]
        if kind != "name" or reader.tokens[at + 1].text != ":":
            at += 1
        elif name in _INPUTS:
            text, at = reader.value(at + 2)
        elif name in _WANTED and isinstance(text, str):
            none = reader.tokens[at + 2].text == "nil"
            wanted, at = reader.value(at + 2)
            if isinstance(wanted, str):
                wanted = [wanted] if wanted else []
            if wanted and all(_ADDRESS.fullmatch(item) for item in wanted):
                wanted = None  # where a credential would be tried, not one
            if none or wanted is not None:
                yield text, wanted or []
            text = None
        else:
            at += 1
