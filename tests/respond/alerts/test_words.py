"""Messages in both languages: what, where, which level and why, evidence, link, next step."""

from __future__ import annotations

import datetime as dt
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.model.alert import News
from haechi.respond.alerts.compose import link, message, plain_text
from haechi.respond.alerts.plain import line, safe
from haechi.respond.alerts.settings import What
from haechi.respond.alerts.words import BY_LANGUAGE
from tests.world.receivers.made import news

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
EN = """New incident: Shell in web
  Level: high (72/100)
  Where: prod / shop
  Workload: Deployment web
  Node: node-1
  Why: reachable from outside
  Rules: Terminal shell in container
  Tactics: mitre_execution, T1059
  From: 203.0.113.9
  Detections: 3
  State: open
  Since: 2026-11-18 11:06:38 UTC
  Evidence:
    - bash started by nginx
  Next: Look at the evidence, then acknowledge it or call it a false positive.
  https://haechi.example/incidents/inc-1"""


def read(one: News, language: str = "en") -> str:
    made = message("1", [one], language=language, public_url="https://haechi.example/", now=NOW)
    return plain_text(made)


def test_a_message_is_short_and_whole() -> None:
    assert read(news(reasons=("reachable from outside",))) == EN


def test_it_speaks_korean() -> None:
    said = read(news(), "ko")
    assert said.startswith("새 사고: Shell in web\n  심각도: 높음 (72/100)\n  위치: prod / shop")
    assert "다음 할 일: 증거를 확인한 뒤" in said


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("what", [*get_args(What), "repeat", "remade", "test"])
def test_every_piece_of_news_has_words_in_both_languages(language: str, what: str) -> None:
    words = BY_LANGUAGE[language]
    assert words.happened[what]
    assert words.next[what]
    assert words.label.keys() == BY_LANGUAGE["en"].label.keys()


def test_an_action_leads_to_its_incident_or_itself() -> None:
    of_incident = news(what="approval", action="a-1", says="Isolate Deployment shop/web")
    assert read(of_incident).startswith("Approval wanted: Isolate Deployment shop/web\n")
    assert link(of_incident, "https://h.example") == "https://h.example/incidents/inc-1"
    alone = news(what="stuck", action="a-1/../x", incident="")
    assert link(alone, "https://h.example") == "https://h.example/responses/a-1%2F..%2Fx"
    assert link(alone, "") == ""


def test_of_a_new_incident_the_newest_picture_is_told_once() -> None:
    two = [news(), news(what="raised", level="critical", at_ns=news().at_ns + 1)]
    made = message("1", two, language="en", public_url="", now=NOW)
    assert [(one.news.what, one.news.level) for one in made.items] == [("opened", "critical")]


def test_the_worst_comes_first_and_the_rest_is_counted() -> None:
    many = [news(topic=f"incident:{n}", incident=str(n), level="low") for n in range(30)]
    many.append(news(topic="incident:worst", level="critical"))
    made = message("1", many, language="en", public_url="", now=NOW, minutes=5)
    assert made.items[0].news.level == "critical"
    assert (len(made.items), made.more) == (20, 11)
    assert made.more_says == "and 11 more in 5 min; the page has all of them"
    assert made.subject.startswith("[CRITICAL] 31 incidents: ")


@given(st.text())
def test_a_line_is_one_printable_line_within_its_bound(text: str) -> None:
    made = line(text, 50)
    assert len(made) <= 50
    assert made.isprintable() or "\u2060" in made or "\u3000" in made
    assert "\n" not in made
    assert "://" not in made
    made.encode()


@given(st.text("ab @:/.w<", max_size=30))
def test_a_line_that_is_made_fit_twice_stays(text: str) -> None:
    once = line(text)
    assert line(once) == once or "\u2060" in once


def test_news_of_hostile_size_are_bounded() -> None:
    long = "x" * 100_000
    made = safe(news(title=long, evidence=(long,) * 90, rules=(long,) * 90, note=long, why=long))
    assert len(msgspec.json.encode(made)) < 16_000


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://evil.example/x", "hxxps[:]//evil.example/x"),
        ("HTTP://x", "hxxp[:]//x"),
        ("www.evil.example", "www[.]evil.example"),
        ("javascript:alert(1)", "javascript[:]alert(1)"),
        ("a\r\nb\tc", "a b c"),
        ("gnp.\u202eexe", "gnp.\\u202eexe"),
        ("@channel a@b.c @ x", "@\u2060channel a@\u2060b.c @ x"),
        ("mysql -psecret --password=hunter22", "mysql -psecret --password=***"),
        ("한글 텍스트", "한글 텍스트"),
    ],
)
def test_texts_are_shown_without_what_could_act(text: str, shown: str) -> None:
    assert line(text) == shown
