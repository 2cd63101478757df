"""The HTML report: nothing in it can run or load, both languages are whole, and it is bounded."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from msgspec.structs import replace

from haechi.model.finding import FindingState
from haechi.model.severity import Severity
from haechi.report import html, html_findings
from haechi.report.material import Material
from tests.report.fixture import HOSTILE_PATH, at, clean, empty, finding, many, shop
from tests.report.strategies import MEAN, materials

VOID = {"meta", "input", "br"}
TAGS = VOID | {
    *("html", "head", "title", "style", "body", "header", "main", "section", "div", "span", "p"),
    *("ul", "ol", "li", "h1", "h2", "h3", "h4", "h5", "strong", "b", "code", "pre", "a", "mark"),
    *("details", "summary", "dl", "dt", "dd", "fieldset", "legend", "label"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {
    *("lang", "charset", "http-equiv", "content", "name", "class", "id", "type", "checked"),
    *("href", "tabindex", "role", "aria-label", "scope"),
}


class Page(HTMLParser):
    """Reads a page strictly: only known elements, each closed where it was opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.words: list[tuple[str, str]] = []  # (language, text)
        self.langs: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS, tag
        found = {name: value or "" for name, value in attrs}
        assert set(found) <= ATTRIBUTES, found
        assert len(found) == len(attrs)
        self.seen.append((tag, found))
        if tag not in VOID:
            self.open.append(tag)
            self.langs.append(found.get("lang") or (self.langs[-1] if self.langs else ""))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.langs.pop()

    def handle_comment(self, data: str) -> None:
        raise AssertionError("a comment has no business here")

    def handle_data(self, data: str) -> None:
        if data.strip() and self.open[-1] not in ("style", "title"):
            self.words.append((self.langs[-1], data.strip()))

    def with_tag(self, tag: str) -> list[dict[str, str]]:
        """Attributes of all elements of that name."""
        return [attrs for name, attrs in self.seen if name == tag]

    def with_class(self, name: str) -> list[dict[str, str]]:
        """Attributes of all elements of that class."""
        return [attrs for _, attrs in self.seen if name in attrs.get("class", "").split()]

    @property
    def text(self) -> str:
        return "\n".join(word for _, word in self.words)


def page(material: Material, lang: html.Lang = "en") -> Page:
    """The page, read strictly and checked for what no page may do."""
    text = html.render(material, lang=lang)
    read = Page(text)
    policy = [m["content"] for m in read.with_tag("meta") if "http-equiv" in m]
    assert policy == [html.POLICY]
    assert policy[0].startswith("default-src 'none'; style-src 'unsafe-inline'")
    assert all(re.fullmatch(r"#f\d+", a["href"]) for a in read.with_tag("a"))
    ids = Counter(attrs["id"] for _, attrs in read.seen if "id" in attrs)
    assert all(number == 1 for number in ids.values())
    assert {a["href"][1:] for a in read.with_tag("a")} <= set(ids)
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    return read


@given(materials())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_hostile_material_adds_no_element_and_no_attribute(material: Material) -> None:
    page(material)


@pytest.mark.parametrize("mean", MEAN)
def test_hostile_text_is_shown_as_text(mean: str) -> None:
    base = shop()
    item = finding("k8s-privileged", f"<{mean}>", at(f"a/{mean}.yaml", 1))
    found = page(replace(base, scan=replace(base.scan, findings=(item,)), read=lambda _: mean))
    assert len(found.with_class("finding")) == 1
    assert not set(found.text) & set("\x00\x01\x1b\u202e\u2066\u200b\ufeff\u2028")


def test_direction_changes_are_made_visible() -> None:
    found = page(shop())
    assert "\u202e" not in html.render(shop())
    assert len(found.with_class("ctl")) >= 3
    assert "U+202E" in [word for _, word in found.words]
    assert "\u202e" in HOSTILE_PATH


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_page_opens_in_the_language_that_was_asked_for(lang: html.Lang) -> None:
    found = page(shop(), lang)
    assert found.with_tag("html")[0]["lang"] == lang
    checked = [i["id"] for i in found.with_tag("input") if i["type"] == "radio" and "checked" in i]
    assert checked == [f"lang-{lang}"]


def test_languages_differ_only_in_the_switch() -> None:
    def same(text: str) -> str:
        return re.sub(r'<html lang="\w\w">|(id="lang-\w\w") checked', r"\1", text)

    english, korean = html.render(shop(), lang="en"), html.render(shop(), lang="ko")
    assert english != korean
    assert same(english) == same(korean)


def test_every_english_label_has_a_korean_one_marked_as_korean() -> None:
    found = page(shop())
    assert len(found.with_class("l-en")) == len(found.with_class("l-ko")) > 100
    assert all(attrs["lang"] == "ko" for attrs in found.with_class("l-ko"))
    hangul = re.compile("[가-힣]{2}")
    korean = [word for lang, word in found.words if lang == "ko"]
    assert any("컨테이너가 특권 모드로 실행됨" in word for word in korean)
    in_rules = [w for lang, w in found.words if lang == "en" and hangul.search(w)]
    # What stays is text of the scanned files: names, code lines and a waiver's reason.
    assert all(re.search("로그|결제|확인함|한국어", word) for word in in_rules)


def test_code_frame_shows_three_lines_around_and_marks_the_fault() -> None:
    text = html.render(shop())
    start = text.index('id="f1"')
    frame = text[text.index('<pre class="frame"', start) : text.index("</pre>", start)]
    assert re.findall(r'class="no">(\d+)<', frame) == ["11", "12", "13", "14", "15", "16", "17"]
    assert "<mark>privileged: true</mark>" in frame
    assert frame.count("row hit") == 1


def test_page_tells_everything_that_a_reader_asks_for() -> None:
    found = page(shop())
    for part in (
        "Blocked",
        "the internet reaches Service shop/admin",
        "Controls that cannot work",
        "What was not looked at",
        "helm is not installed, so the chart was not rendered",
        "the build runner needs it until the move to BuildKit",
        "2026-03-09",
        "@shop/cart",
        "spec.template.spec.containers[0].securityContext.privileged",
        "CWE-250",
        "CKV_K8S_16",
        shop().scan.findings[5].fingerprint,
    ):
        assert part in found.text, part


def test_findings_stand_under_their_severity_then_file() -> None:
    found = page(shop())
    order = [
        attrs["class"].removeprefix("sev-")
        for tag, attrs in found.seen
        if tag == "section" and attrs.get("class", "").startswith("sev-")
    ]
    assert order == ["critical", "high", "medium", "low", "info"]
    assert len(found.with_class("finding")) == len(shop().scan.findings)


@pytest.mark.parametrize("what", [*Severity, *FindingState])
def test_each_check_box_hides_something(what: Severity | FindingState) -> None:
    text = html.render(shop())
    kind = "sev" if isinstance(what, Severity) else "st"
    rule = f"body:has(#f-{what.value}:not(:checked)) #findings .{kind}-{what.value}"
    assert rule in text
    assert page(shop()).with_class(f"{kind}-{what.value}")


@pytest.mark.parametrize(
    ("make", "word"), [(shop, "Blocked"), (clean, "Passes"), (empty, "Nothing looked at")]
)
def test_banner_says_what_came_of_it(make: Any, word: str) -> None:
    found = page(make())
    assert len(found.with_class("verdict")) == 1
    first = found.seen.index(("h1", {}))
    assert word in found.text
    assert first > 0


def test_page_stays_bounded_and_says_what_it_does_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html_findings, "DETAIL_LIMIT", 20)
    monkeypatch.setattr(html_findings, "TABLE_LIMIT", 30)
    found = page(many(100))
    total = len(many(100).scan.findings)
    assert len(found.with_class("finding")) == 20
    assert f"{total - 20} further findings" in found.text
    assert f"{total - 50} more are only in the JSON report." in found.text
    rows = [attrs for attrs in found.with_tag("tr") if "sev-" in attrs.get("class", "")]
    assert len(rows) == 30
    shown = [attrs["class"] for attrs in found.with_class("finding")]
    assert shown


def test_five_thousand_findings_make_a_page_below_ten_megabytes() -> None:
    text = html.render(many(5_000))
    assert text.count("<details ") == html_findings.DETAIL_LIMIT
    assert len(text.encode()) < 10_000_000


def test_headings_descend_without_gaps() -> None:
    levels = [int(tag[1]) for tag, _ in page(shop()).seen if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))


def _luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """WCAG 2.2 contrast ratio."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _themes() -> dict[str, dict[str, str]]:
    style = html._STYLE.read_text(encoding="utf-8")
    blocks = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    light = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", blocks[0]))
    dark = light | dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", blocks[1]))
    return {"light": light, "dark": dark}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(
    ("ink", "ground"),
    [
        *((ink, ground) for ink in ("ink", "soft") for ground in ("page", "card", "code", "hit")),
        ("ink", "mark"),
        ("link", "card"),
        ("good", "good-bg"),
        ("bad", "bad-bg"),
        ("warn", "warn-bg"),
        ("soft", "good-bg"),
        *((ink, ground) for ink in ("good", "bad", "warn") for ground in ("card", "code")),
    ],
)
def test_text_has_the_contrast_that_wcag_asks_for(theme: str, ink: str, ground: str) -> None:
    colours = _themes()[theme]
    assert contrast(colours[ink], colours[ground]) >= 4.5


@pytest.mark.parametrize("severity", Severity)
def test_badge_has_the_contrast_that_wcag_asks_for(severity: Severity) -> None:
    style = html._STYLE.read_text(encoding="utf-8")
    found = re.search(rf"\.badge\.{severity} \{{ background: (#[0-9a-f]{{6}})", style)
    assert found
    assert contrast("#ffffff", found[1]) >= 4.5


def test_risks_past_the_fifth_are_folded() -> None:
    base = shop()
    found = page(replace(base, scan=replace(base.scan, risks=base.scan.risks * 4)))
    assert len(found.with_class("risk")) == 8
    assert len(found.with_class("lesser")) == 1
    assert "3 lesser risks" in found.text
