"""What attackers choose never becomes markup, a link, a call of people, a field or a line.

Texts reach receivers through ``respond.alerts.plain``, so they go through it here; what only an
escape may hold back is tried with raw text as well.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from haechi.model.alert import Fact, Message
from haechi.respond.alerts.compose import message as composed
from haechi.respond.alerts.plain import line, safe
from haechi.world.receivers import jira, markdown, pagerduty, slack, smtp, syslog, webhook
from haechi.world.receivers.alertmanager import alert
from haechi.world.receivers.otlp import logs
from tests.world.receivers.made import AT_NS, item, message, news

NASTY = (
    "<!channel> @here @channel [click](http://evil.example) https://evil.example",
    "x\r\nBcc: all@example.com\r\n\r\n<script>alert(1)</script>",
    "*bold* _it_ ~s~ `code` ```\n# head\n/close\n> quote | a | b |",
    "{noformat}{code}[~admin] !http://evil/x.png! h1. x \\\\ bq. (!)",
    "a|b\\|c=d msg=forged cs1=forged\nCEF:0|x|y|z|1|n|10|act=forged",
    "]]>-->&lt;b&gt; \u202egnp.exe\u2066 \x00\x1b[31m \ud800 javascript:alert(1) www.evil.example",
    "<https://evil.example|Open in haechi>",
)
TEXT = st.one_of(
    st.sampled_from(NASTY),
    st.text(max_size=60),
    st.text("<>&|=\\*_[](){}@#/!:.-~`\n\r \x1b\u202ewxh", max_size=60),
)
_NOW = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)


def hostile(text: str) -> Message:
    """A message in every part of which that comes from outside the text stands."""
    one = news(
        title=text, node=text, owner=text, resource=text, namespace=text, cluster=text,
        rules=(text,), techniques=(text,), tactics=(text,), source_ips=(text,),
        evidence=(text, text), reasons=(text,), note=text, by=text, says=text, why=text,
    )  # fmt: skip
    return composed(
        "0" * 32,
        [safe(one)],
        language="en",
        public_url="https://haechi.example",
        now=dt.datetime.fromtimestamp(AT_NS / 1e9, dt.UTC),
    )


def strings(value: Any) -> list[str]:
    match value:
        case str():
            return [value]
        case dict():
            return [text for one in value.values() for text in strings(one)]
        case list() | tuple():
            return [text for one in value for text in strings(one)]
        case _:
            return []


FORMS: dict[str, Callable[[Message], Any]] = {
    "slack": slack.blocks,
    "mattermost": slack.attachments,
    "markdown": markdown.body,
    "jira 2": lambda one: jira.wiki(one, "mark"),
    "jira 3": lambda one: jira.document(one, "mark"),
    "mail text": smtp.text,
    "mail html": smtp.page,
    "pagerduty": lambda one: pagerduty.event(one.items[0], one),
    "webhook": webhook.document,
    "otlp": logs,
    "cef": lambda one: syslog.cef(one.items[0], one),
    "alertmanager": lambda one: alert(one.items[0], _NOW, _NOW),
}


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=40)
@given(text=TEXT)
@example(text=NASTY[0])
@example(text=NASTY[5])
def test_the_only_address_is_ours_and_nobody_is_called(form: str, text: str) -> None:
    made = strings(FORMS[form](hostile(text)))
    for one in made:
        assert "://" not in one.replace("https://haechi.example", ""), one
        assert not re.search(r"@(here|channel|all|everyone|admin)", one), one
        assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", one), (
            one
        )
    assert msgspec.json.encode(made)


@settings(max_examples=40)
@given(text=TEXT)
def test_slack_shows_texts_as_they_are(text: str) -> None:
    made = slack.blocks(hostile(text))
    (attachment,) = made["attachments"]
    for block in attachment["blocks"]:
        for part in (block.get("text"), *block.get("elements", ())):
            if part and part["type"] == "mrkdwn":
                assert re.fullmatch(
                    r"<https://haechi\.example/incidents/inc-1\|[\w ]+>", part["text"]
                )
            elif part:
                assert 0 < len(part["text"]) <= 3_000
    assert not re.search("[<>]", made["text"])
    assert [one["type"] for one in attachment["blocks"]] == ["header", "section", "context"]


def bare(text: str) -> str:
    """Markdown without what stands behind a backslash."""
    return re.sub(r"\\[^A-Za-z0-9\s]", "", text)


@settings(max_examples=40)
@given(text=st.one_of(st.sampled_from(NASTY), st.text(max_size=80)))
def test_nothing_in_markdown_is_markup(text: str) -> None:
    for made in (markdown.literal(text), slack.marked(text)):
        assert not re.search(r"[`*_{}\[\]()#+.!|~<>&:@\\]", bare(made)), made
        assert "\n" not in made


@settings(max_examples=40)
@given(text=TEXT)
def test_every_line_of_markdown_begins_with_a_sign_of_ours(text: str) -> None:
    made = markdown.body(hostile(text), ("haechi-mark",))
    assert all(
        re.match(r"\*\*|- |> |\[Open|<!-- haechi-mark -->", row) for row in made.split("\n") if row
    )
    assert made.count("<!--") == made.count("-->") == 1


@settings(max_examples=40)
@given(text=st.one_of(st.sampled_from(NASTY), st.text(max_size=80)))
def test_nothing_in_wiki_markup_is_markup(text: str) -> None:
    made = jira.plain(text)
    assert not re.search(r"[*_?+^~{}\[\]|!#@\\]", bare(made.replace("&#92;", ""))), made
    assert "\n" not in made


@settings(max_examples=40)
@given(text=TEXT)
def test_a_document_of_jira_has_the_same_shape_whatever_is_in_it(text: str) -> None:
    def shape(value: Any) -> Any:
        if isinstance(value, list):
            return [shape(one) for one in value]
        if isinstance(value, dict):
            return {name: shape(one) for name, one in value.items() if name != "text"}
        return value

    mine = jira.document(message(item(heading=text, evidence=(text,))), "")
    other = jira.document(message(item(heading="x", evidence=("x",))), "")
    assert shape(mine) == shape(other)


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[tuple[str, str | None], ...]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(attrs)))


@settings(max_examples=40)
@given(text=st.one_of(st.sampled_from(NASTY), st.text(max_size=80)))
def test_a_page_has_the_same_tags_whatever_is_in_it(text: str) -> None:
    def page(words: str) -> str:
        one = item(heading=words, evidence=(words,), facts=(Fact(label=words, value=words),))
        return smtp.page(message(one))

    assert Tags(page(text)).tags == Tags(page("x")).tags


def parsed_cef(text: str) -> tuple[list[str], dict[str, str]]:
    """As a collector reads CEF: the head by unescaped pipes, the extension by keys."""
    parts = re.split(r"(?<!\\)(?:\\\\)*\|", text, maxsplit=7)
    keys = list(re.finditer(r"(?:^| )([A-Za-z0-9]+)=", parts[7]))
    found = {}
    for place, key in enumerate(keys):
        end = keys[place + 1].start() if place + 1 < len(keys) else len(parts[7])
        assert key[1] not in found
        found[key[1]] = re.sub(r"\\(.)", r"\1", parts[7][key.end() : end])
    return parts[:7], found


@settings(max_examples=40)
@given(text=st.one_of(st.sampled_from(NASTY), st.text(max_size=80)))
def test_no_field_of_cef_can_be_forged(text: str) -> None:
    one = news(resource=text, rules=(text,), reasons=(text,), node=text)
    made = syslog.cef(item(one, heading=text, evidence=(text,)), message())
    head, fields = parsed_cef(made)
    assert head[0] == "CEF:0"
    assert head[6] == "8"
    assert fields["externalId"] == "inc-1"
    assert fields["cs3"] == message().id
    assert fields.get("msg", "") == " ".join(text.split()).strip()
    assert "\n" not in made


@settings(max_examples=40)
@given(text=st.one_of(st.sampled_from(NASTY), st.text(max_size=80)))
def test_a_record_of_syslog_is_one_line(text: str) -> None:
    one = news(resource=text, node=text, cluster=text, what="opened")
    for form in ("cef", "json"):
        try:
            made = syslog.record(item(one, heading=text, evidence=(text,)), message(), form, 32_000)
        except UnicodeEncodeError:  # lone surrogates are gone before: see plain
            continue
        head = rb"<83>1 \S+Z [\x21-\x7e]{1,255} haechi - opened - (CEF:0\||\{)"
        assert re.match(head, made), made
        assert b"\n" not in made
        assert b"\r" not in made


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("curl -H 'Authorization: Bearer abcdefgh12345678' x", "abcdefgh12345678"),
        ("mysql --password=hunter2hunter2", "hunter2hunter2"),
        ("postgres://app:s3cretpw@db.example/x", "s3cretpw"),
        ("token=ghp_0123456789", "ghp_0123456789"),
    ],
)
def test_credentials_do_not_leave(text: str, gone: str) -> None:
    assert gone not in line(text)
    for form, make in FORMS.items():
        assert not [one for one in strings(make(hostile(text))) if gone in one], form
