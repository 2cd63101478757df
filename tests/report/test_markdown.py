"""The pull request comment: bounded, literal, and the new findings first."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from haechi.model.finding import FindingState
from haechi.report import markdown
from haechi.report.material import Material
from tests.report.fixture import at, clean, empty, finding, many, shop
from tests.report.strategies import MEAN, materials, text

FIXED = re.compile(r"</?(details|summary|code)>|<!-- haechi:report -->")


def test_verdict_comes_first_and_the_marker_before_it() -> None:
    lines = markdown.render(shop()).split("\n")
    assert lines[0] == markdown.MARKER
    assert lines[2] == "### ⛔ haechi blocks: 4 open findings at high or above"


@pytest.mark.parametrize(
    ("make", "says"), [(clean, "✅ haechi passes"), (empty, "⚠️ haechi has nothing to say")]
)
def test_verdict_tells_a_clean_run_from_an_empty_one(make: Any, says: str) -> None:
    assert says in markdown.render(make())


def test_new_findings_stand_before_known_ones_which_are_folded() -> None:
    said = markdown.render(shop())
    fold = said.index("<details>")
    assert said.index("`k8s/cart.yaml:14`") < fold
    assert said.index("`k8s-seccomp-annotation`") < fold
    assert said.index("`docker-curl-shell`") > fold
    assert "docker-no-healthcheck" not in said, "a waived finding is nothing to look at"


@pytest.mark.parametrize("number", [0, 25, 60, 1_000, 20_000])
def test_comment_fits_and_accounts_for_every_finding(number: int) -> None:
    material = many(number)
    said = markdown.render(material)
    assert len(said) < markdown.SIZE_LIMIT
    rows = len(re.findall(r"^\| (?!Severity|---)", said, re.MULTILINE))
    left = re.search(r"^([\d,]+) findings? left out", said, re.MULTILINE)
    missing = int(left[1].replace(",", "")) if left else 0
    waived = sum(item.state is FindingState.WAIVED for item in material.scan.findings)
    assert rows + missing == len(material.scan.findings) - waived
    first = said[: said.index("<details>")]
    assert len(re.findall(r"^\| (?!Severity|---)", first, re.MULTILINE)) <= markdown.ROW_LIMIT


def test_long_texts_do_not_break_the_limit_either() -> None:
    base = shop()
    long = tuple(
        finding("x" * 900, "|" * 5_000, at("`" * 5_000 + str(number), 1)) for number in range(500)
    )
    many_gaps = base.scan.coverage.gaps * 400
    material = replace(
        base,
        scan=replace(
            base.scan,
            findings=long,
            coverage=replace(base.scan.coverage, gaps=many_gaps),
            risks=tuple(replace(risk, sentence="|" * 9_000) for risk in base.scan.risks),
        ),
        decision=replace(base.decision, reasons=("*" * 9_000,) * 90),
    )
    said = markdown.render(material)
    assert len(said) < markdown.SIZE_LIMIT
    assert "left out for length" in said


@given(materials())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_hostile_material_adds_no_html_and_no_table_cell(material: Material) -> None:
    said = markdown.render(material)
    outside = re.sub(r"(?<!\\)`[^`\n]*`", "", said)
    assert "<" not in FIXED.sub("", outside)
    for line in said.split("\n"):
        if line.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", line)) == 5


@given(text | st.text(max_size=60))
@settings(max_examples=300, deadline=None)
def test_literal_text_holds_nothing_that_markdown_reads(raw: str) -> None:
    said = markdown.literal(raw)
    bare = re.sub(r"&#\d+;", "", said)
    assert not set("`*[]<>|~\\\n") & set(bare)
    assert not re.search(r"@\w|(?<!&)#\w|https?://|www\.", said)


@pytest.mark.parametrize("raw", [m for m in MEAN if m.isprintable()])
def test_literal_text_reads_as_it_was(raw: str) -> None:
    shown = html.unescape(markdown.literal(raw, 10_000)).replace("\u200b", "")
    assert shown == raw


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("k8s/a.yaml:3", "`k8s/a.yaml:3`"),
        ("", "` `"),
        ("a|b", "<code>a&#124;b</code>"),
        ("a`b", "<code>a&#96;b</code>"),
        ("a\nb", "`a b`"),
        ("a\x1bb", "`a<U+001B>b`"),
    ],
)
def test_code_is_safe_in_a_table(raw: str, shown: str) -> None:
    assert markdown.code(raw) == shown
