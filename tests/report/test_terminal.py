"""The terminal reports: they fit, they obey colour and character set, and hide nothing silently."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from haechi.model.coverage import Coverage, Gap
from haechi.model.finding import FindingState
from haechi.model.scan import Risk
from haechi.model.severity import Severity
from haechi.report import terminal
from haechi.report.material import Material
from haechi.report.terminal_summary import LINE_LIMIT
from haechi.report.text import cells, unseen
from tests.report.fixture import at, clean, empty, finding, gaps, many, risks, shop
from tests.report.strategies import materials

SGR = re.compile(r"\x1b\[[0-9;]*m")
LINE_BREAK = "\n"


def lines_of(text: str) -> list[str]:
    """The lines without our colours; nothing else in them may control a terminal."""
    assert text.endswith("\n")
    lines = SGR.sub("", text)[:-1].split(LINE_BREAK)
    assert not [char for char in "".join(lines) if unseen(char)]
    return lines


def crowded() -> Material:
    """A run with far more of everything than one screen takes."""
    base = many(400, tags=("dead-control",))
    long = "a very long reason that goes on and on " * 9
    return replace(
        base,
        scan=replace(
            base.scan,
            risks=tuple(replace(risk, sentence=long, change=long) for risk in risks() * 4),
            coverage=replace(base.scan.coverage, gaps=gaps() * 30, looked={long: 3}),
        ),
        decision=replace(base.decision, reasons=(long,) * 12),
    )


@pytest.mark.parametrize("width", [1, 40, 60, 80, 100, 140])
@pytest.mark.parametrize("make", [shop, clean, empty, crowded])
def test_summary_fits_one_screen(make: Any, width: int) -> None:
    lines = lines_of(terminal.summary(make(), width=width))
    assert len(lines) <= LINE_LIMIT
    assert max(map(cells, lines)) <= max(width, 40)


@given(materials(), st.integers(0, 160), st.booleans(), st.booleans())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_summary_of_hostile_material_fits_too(
    material: Material, width: int, colour: bool, ascii_: bool
) -> None:
    lines = lines_of(terminal.summary(material, width=width, colour=colour, ascii=ascii_))
    assert len(lines) <= LINE_LIMIT
    assert max(map(cells, lines)) <= max(width, 40)


@given(materials(), st.integers(0, 160), st.booleans(), st.booleans())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_full_list_of_hostile_material_obeys_no_control_character(
    material: Material, width: int, colour: bool, verbose: bool
) -> None:
    lines = lines_of(terminal.full(material, width=width, colour=colour, verbose=verbose))
    assert len(lines) > 2


def test_summary_ranks_risks_and_names_place_and_change() -> None:
    lines = lines_of(terminal.summary(shop()))
    ranked = [line for line in lines if re.match(r" \d [A-Z]+ ", line)]
    assert [line.split()[1] for line in ranked] == ["CRITICAL", "HIGH"]
    text = " ".join(line.strip() for line in lines)
    assert "k8s/cart.yaml:14 change: drop `privileged: true`" in re.sub(r" +", " ", text)


def test_summary_counts_what_it_does_not_show() -> None:
    lines = lines_of(terminal.summary(crowded()))
    start = lines.index("Controls that cannot work")
    more = next(line for line in lines[start:] if line.strip().startswith("and "))
    shown = lines[start:].index(more) - 1
    alive = [
        item
        for item in crowded().scan.findings
        if "dead-control" in item.tags and item.state is not FindingState.WAIVED
    ]
    assert int(more.split()[1].replace(",", "")) + shown == len(alive)


def test_summary_says_what_was_not_looked_at_and_what_the_gate_does() -> None:
    text = terminal.summary(shop())
    for part in (
        "Not looked at",
        "charts/shop",
        "blocks: 4 open findings at high or above (exit code 1)",
        "1 critical  3 high  6 medium  1 info  1 new  1 known  2 waived",
        "haechi fix can change 6 of them",
        "haechi scan lists every finding",
    ):
        assert part in text, part
    assert "dumps/all.yaml" not in text, "an accepted gap is no news"


def test_nothing_looked_at_is_no_pass() -> None:
    assert "passes" in terminal.summary(clean())
    assert "passes" not in terminal.summary(empty())
    assert "nothing in this scope was looked at" in terminal.full(empty())


@pytest.mark.parametrize("render", [terminal.summary, terminal.full])
def test_colour_changes_nothing_but_colour(render: Any) -> None:
    coloured, plain = render(shop(), colour=True), render(shop())
    assert SGR.search(coloured)
    assert "\x1b" not in plain
    assert [line.rstrip() for line in SGR.sub("", coloured).split("\n")] == [
        line.rstrip() for line in plain.split("\n")
    ]


def test_ascii_leaves_only_names_from_files_beyond_ascii() -> None:
    base = shop()
    plain = tuple(
        replace(item, message="m") for item in base.scan.findings if item.location.path.isascii()
    )
    material = replace(
        base,
        scan=replace(base.scan, findings=plain),
        decision=replace(base.decision, waivers=()),
        read=lambda _: "a: 1\n" * 30,
    )
    assert terminal.full(material, ascii=True, verbose=True).isascii()
    assert not terminal.full(material, verbose=True).isascii()
    assert terminal.summary(material, width=60, ascii=True).isascii()


def test_caret_stands_under_the_fault_behind_wide_characters() -> None:
    base = shop()
    line = 'name: "결제 서비스" # here'
    item = finding("k8s-privileged", "m", at("a.yaml", 1, 16, 17))
    material = replace(base, scan=replace(base.scan, findings=(item,)), read=lambda _: line)
    lines = lines_of(terminal.full(material))
    number = next(n for n, text in enumerate(lines) if line in text)
    start = lines[number].index("#")
    assert line[15] == "#"
    assert cells(lines[number][:start]) == lines[number + 1].index("^")


@pytest.mark.parametrize(
    ("number", "shown", "more"), [(3, 3, 0), (4, 4, 0), (5, 3, 2), (40, 3, 37)]
)
def test_repetitions_in_a_file_become_one_line(number: int, shown: int, more: int) -> None:
    base = shop()
    items = tuple(
        finding("k8s-image-latest", f"image {n}", at("a.yaml", n + 1)) for n in range(number)
    )
    material = replace(base, scan=replace(base.scan, findings=items))
    text = terminal.full(material)
    assert len(re.findall(r"MEDIUM k8s-image-latest image", text)) == shown
    assert (f"and {more} more of k8s-image-latest" in text) is (more > 0)
    everything = terminal.full(material, verbose=True)
    assert len(re.findall(r"MEDIUM k8s-image-latest image", everything)) == number


def test_known_and_waived_findings_are_shown_only_when_asked_for() -> None:
    short, long = terminal.full(shop()), terminal.full(shop(), verbose=True)
    for part in ("docker-curl-shell", "waived: the build runner needs it", "why: ", "accepted)"):
        assert part not in short
        assert part in long


def test_trouble_with_waivers_is_always_shown() -> None:
    text = terminal.full(shop())
    assert "haechi.waivers.yaml:11 expired: k8s-host-*" in text
    assert "haechi.waivers.yaml:3" not in text


def test_line_with_a_secret_is_not_shown_and_not_underlined() -> None:
    lines = terminal.full(shop()).split("\n")
    number = next(n for n, line in enumerate(lines) if "may hold a secret" in line)
    assert "^" not in lines[number + 1]


def test_looked_at_nothing_is_said_in_the_header() -> None:
    base = shop()
    material = replace(base, scan=replace(base.scan, coverage=Coverage()))
    assert " in 0.8 s: nothing" in terminal.full(material).split("\n")[0]


def test_counts_of_nothing_and_counts_said_twice_are_left_out() -> None:
    base = shop()
    looked = {"files": 9, "kubernetes objects": 0, "files for secrets": 9, "lock files": 2}
    material = replace(base, scan=replace(base.scan, coverage=Coverage(looked=looked)))
    head = terminal.summary(material).split("\n")[0]
    assert head.endswith(" in 0.8 s: 9 files, 2 lock files")


def test_gaps_of_a_kind_are_one_row_and_missing_data_stands_first() -> None:
    base = shop()
    told = (
        *(gap("no-lock-file", f"app{n}/package.json", f"nothing pins {n}") for n in range(8)),
        gap("no-advisories", "a.lock", "no advisories of npm were imported"),
        gap("no-advisories", "b.lock", "no advisories of PyPI were imported"),
    )
    text = terminal.summary(replace(base, scan=replace(base.scan, coverage=Coverage(gaps=told))))
    rows = text.partition("Not looked at\n")[2].split("\n")
    assert [row.strip() for row in rows[:3]] == [
        "a.lock  no advisories of npm were imported",
        "b.lock  no advisories of PyPI were imported",
        "app0/package.json and 7 more  no-lock-file: nothing pins 0",
    ]
    deep = tuple(gap("syntax", f"{'deep/' * 20}{n}.yaml", "line 3: no value " * 9) for n in "ab")
    text = terminal.summary(replace(base, scan=replace(base.scan, coverage=Coverage(gaps=deep))))
    (row,) = [line for line in text.split("\n") if "syntax:" in line]
    assert " and 1 more  syntax: line 3" in row, "how many is not cut off"


def test_the_worst_of_other_kinds_is_named_below_what_matters_most() -> None:
    base = shop()
    pods = [
        finding("x", f"pod {n}", at("k8s/a.yaml", n), severity=Severity.CRITICAL) for n in range(4)
    ]
    bucket = finding("x", "public", at("infra/s3.tf", 5), "tf:-/aws_s3_bucket.x")
    mild = finding("x", "old", at("uv.lock", 9), "pkg:pypi/x@1", domain="deps")
    told = tuple(
        Risk(
            score=90.0 - number,
            severity=severity,
            sentence=f"{one.location.path}: {one.message}",
            sentence_ko="한국어",
            change="change it",
            change_ko="바꾸세요",
            location=one.location,
            findings=(one.fingerprint,),
        )
        for number, (one, severity) in enumerate(
            [
                *((one, Severity.CRITICAL) for one in pods),
                (bucket, Severity.HIGH),
                (mild, Severity.MEDIUM),
            ]
        )
    )
    crowd = replace(base, scan=replace(base.scan, findings=(*pods, bucket, mild), risks=told))
    lines = terminal.summary(crowd).split("\n")
    assert "   HIGH infra/s3.tf:5  public" in lines
    assert not [line for line in lines if "uv.lock" in line], "only what is bad"
    assert not [line for line in lines if "pod 3" in line], "its kind is there"


def gap(kind: str, path: str, reason: str) -> Gap:
    return Gap(kind=kind, path=path, reason=reason)


def test_code_at_one_place_is_drawn_once() -> None:
    base = shop()
    place = at("k8s/cart.yaml", 14, 13, 29)
    items = tuple(finding(rule, "m", place) for rule in ("k8s-privileged", "k8s-host-pid"))
    other = finding("k8s-host-pid", "m", at("k8s/ingress.yaml", 14, 13, 29))
    material = replace(base, scan=replace(base.scan, findings=(*items, other)))
    material = replace(material, read=lambda _: "privileged: true\n" * 20)
    frames = [line for line in lines_of(terminal.full(material)) if line.startswith("    14 ")]
    assert len(frames) == 2, "once for each file"
