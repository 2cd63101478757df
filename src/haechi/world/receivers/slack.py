"""Incoming webhooks of Slack, and of Mattermost, which takes the same with another markup.

Slack: texts that hold what events say are ``plain_text`` blocks, in which nothing is markup; our
own link is the one piece of mrkdwn. Mattermost has no such blocks, so every sign that means
something in Markdown stands behind a backslash. Neither can call people: see ``respond``'s
``plain`` for what becomes of ``@``. These products cannot tell a repeated message: one that got
through although its answer was lost comes twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from haechi.model.alert import Item, Message, Status
from haechi.world.receivers.http import Http
from haechi.world.receivers.secret import url_of
from haechi.world.receivers.sending import Known, Sent
from haechi.world.receivers.settings import ReceiverSettings

_COLOURS = {
    "critical": "#a30200",
    "high": "#d9480f",
    "medium": "#e8a317",
    "low": "#2f6fab",
    "info": "#8a8f98",
}
_GREEN = "#2f8a4c"
_MARKS = re.compile(r"([\\`*_{}\[\]()#+\-.!|~<>&:@^$=])")
_TEXT, _HEADER, _BLOCKS = 2_900, 150, 45


class Slack:
    """See the module."""

    def __init__(self, settings: ReceiverSettings) -> None:
        self._settings = settings

    def send(self, message: Message, known: Mapping[str, Known]) -> Sent:
        """One POST."""
        url = url_of(self._settings)
        made = blocks(message) if self._settings.flavor == "slack" else attachments(message)
        http = Http(self._settings, url, url.rpartition("/")[2])
        reply = http.take(
            "POST",
            url,
            body=msgspec.json.encode(made),
            headers={"Content-Type": "application/json; charset=utf-8"},
        )
        return Sent(status=str(reply.status))


def blocks(message: Message) -> dict[str, Any]:
    """Slack's form. ``text`` is what notifications show."""
    made: list[dict[str, Any]] = [
        {"type": "header", "text": _plain(message.subject, _HEADER)},
    ]
    for one in message.items:
        made += _of_item(one, message)
    if message.more_says:
        made.append({"type": "context", "elements": [_plain(message.more_says, _TEXT)]})
    if len(made) > _BLOCKS:
        made = made[:_BLOCKS]
    return {
        "text": escaped(message.subject),
        "attachments": [{"color": _colour(message), "blocks": made}],
    }


def _of_item(one: Item, message: Message) -> Iterator[dict[str, Any]]:
    rows = [] if len(message.items) == 1 else [one.heading]
    rows += [f"{fact.label}: {fact.value}" for fact in one.facts]
    if one.evidence:
        rows += [f"{message.evidence_label}:", *(f"• {line}" for line in one.evidence)]
    if one.next_step:
        rows.append(f"{message.next_label}: {one.next_step}")
    yield {"type": "section", "text": _plain("\n".join(rows) or one.heading, _TEXT)}
    if one.link:
        # Ours: the address is a setting, the rest of it is quoted.
        words = f"<{one.link}|{escaped(message.link_label)}>"
        yield {"type": "context", "elements": [{"type": "mrkdwn", "text": words}]}


def attachments(message: Message) -> dict[str, Any]:
    """Mattermost's form."""
    parts: list[dict[str, Any]] = []
    for one in message.items:
        rows = []
        if one.evidence:
            rows += [f"{marked(message.evidence_label)}:"]
            rows += [f"* {marked(line)}" for line in one.evidence]
        if one.next_step:
            rows.append(f"{marked(message.next_label)}: {marked(one.next_step)}")
        part = {
            "fallback": one.heading[:_TEXT],
            "color": _colour(message),
            "title": marked(one.heading),
            "text": "\n".join(rows)[:_TEXT],
            "fields": [
                {"title": marked(fact.label), "value": marked(fact.value), "short": True}
                for fact in one.facts
            ],
        }
        parts.append(part | ({"title_link": one.link} if one.link else {}))
    text = marked(message.subject)
    if message.more_says:
        text += f"\n{marked(message.more_says)}"
    return {"username": "haechi", "text": text, "attachments": parts}


def escaped(text: str) -> str:
    """For Slack's mrkdwn: the three signs of its markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def marked(text: str) -> str:
    """For Markdown: every sign that may mean something is literal."""
    return _MARKS.sub(r"\\\1", text.replace("\n", " "))


def _plain(text: str, most: int) -> dict[str, Any]:
    cut = text if len(text) <= most else text[: most - 1] + "…"
    return {"type": "plain_text", "text": cut or "-", "emoji": False}


def _colour(message: Message) -> str:
    return _GREEN if message.status is Status.RESOLVED else _COLOURS[message.level]
