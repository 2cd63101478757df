"""The generic family by lines: the same findings as over the whole text, and none remembered."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.checks.secrets.detect import Candidate, Detector, sources_of
from haechi.checks.secrets.forms import Forge
from haechi.engines.patterns import keyword_matcher
from haechi.rules.catalogue import load_catalogue

hyperscan = pytest.importorskip("haechi.engines.patterns.hyperscan", exc_type=ImportError)
RULES = tuple(r for r in load_catalogue().rules if r.pattern is not None and r.pattern.generic)
SOURCES = sources_of(RULES)
MATCHER = hyperscan.compile_matcher(SOURCES)
FORGE = Forge("lines")
SECRETS = [FORGE.make("<<[A-Za-z0-9] 24>>") for _ in range(4)]
LINES = st.sampled_from(
    [
        f'db_password = "{SECRETS[0]}"',
        f"api_key: {SECRETS[1]}",
        f"export TOKEN={SECRETS[2]}",
        f'login(user="a", password="{SECRETS[3]}")',
        'password = "changeme"',
        "password: string",
        "",
        "# a word about passwords",
        'description = "the token"',
        "x" * 300,
    ]
)
TEXTS = st.lists(LINES, max_size=14).map("\n".join)


def places(candidates: list[Candidate]) -> list[tuple[str, int, int, int, int, str]]:
    return [(c.rule.id, c.start, c.end, c.line, c.column, c.name) for c in candidates]


@settings(max_examples=60)
@given(texts=st.lists(TEXTS, min_size=1, max_size=5))
def test_what_is_remembered_changes_no_finding(texts: list[str]) -> None:
    remembering = Detector(RULES, MATCHER)
    for text in [*texts, *texts]:
        whole = Detector(RULES, keyword_matcher(SOURCES)).find(text.encode())
        assert places(remembering.find(text.encode())) == places(whole)


def test_no_value_is_remembered() -> None:
    detector = Detector(RULES, MATCHER)
    text = f'db_password = "{SECRETS[0]}"\n'.encode()
    assert [c.secret for c in detector.find(text)] == [SECRETS[0].encode()]
    assert detector._lines
    assert SECRETS[0] not in repr(detector._lines)
