"""Issues of Jira: Cloud by the API's version 3 (texts are documents), Data Center by version 2
(texts are wiki markup).

Issues are found by a label of their topic. A workflow is the project's own, so closing and
opening again are transitions by name (``done``, ``again``), or any that leads to a status of the
right category where the name is not there.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from haechi.model.alert import Item, Message
from haechi.world.receivers.rest import Rest, rows_of
from haechi.world.receivers.secret import secret_of, url_of
from haechi.world.receivers.sending import NotSent
from haechi.world.receivers.settings import ReceiverSettings
from haechi.world.receivers.ticketing import LABEL, Ticket, Tickets

_SUMMARY = 250
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,254}-\d{1,12}")
_MARKS = re.compile(r"([*_?+\-^~{}\[\]|!#:@(])")


class Jira(Tickets):
    """See the module."""

    def __init__(self, settings: ReceiverSettings) -> None:
        super().__init__(settings, _Issues)


class _Issues:
    """The REST API; the token is read for each message."""

    def __init__(self, settings: ReceiverSettings) -> None:
        self._settings = settings
        token, user = secret_of(settings), settings.user
        self._site = url_of(settings)
        self._base = f"{self._site}/rest/api/{settings.api}"
        basic = base64.b64encode(f"{user}:{token}".encode()).decode()
        login = {"Authorization": f"Basic {basic}" if user else f"Bearer {token}"}
        self._api = Rest(settings, login, token, basic)

    def find(self, mark: str) -> Ticket | None:
        jql = f'project = "{self._settings.project}" AND labels = "{mark}" ORDER BY created DESC'
        query = urlencode({"jql": jql, "maxResults": 1, "fields": "status"})
        path = "search/jql" if self._settings.api == "3" else "search"
        rows = self._api.take("GET", f"{self._base}/{path}?{query}").mapping().get("issues")
        if isinstance(rows, list) and rows and isinstance(rows[0], dict):
            return self._ticket(rows[0])
        return None

    def get(self, remote: str) -> Ticket | None:
        reply = self._api.ask("GET", f"{self._issue(remote)}?fields=status")
        return None if reply.status == 404 else self._ticket(self._api.good(reply).mapping())

    def create(self, message: Message, marks: tuple[str, ...]) -> Ticket:
        fields = {
            "project": {"key": self._settings.project},
            "issuetype": {"name": self._settings.issue_type},
            "summary": " ".join(message.subject.split())[:_SUMMARY],
            "description": self._text(message, ""),
            "labels": [LABEL, *marks, *self._settings.labels],
        }
        made = self._api.take("POST", f"{self._base}/issue", {"fields": fields}).mapping()
        key = str(made.get("key") or "")
        if not _KEY.fullmatch(key):
            raise NotSent("the answer is no issue of Jira")
        return Ticket(remote=key, url=self._url(key), open=True)

    def said(self, remote: str, mark: str) -> bool:
        found = self._api.take("GET", f"{self._issue(remote)}?fields=labels,comment").mapping()
        fields = found.get("fields")
        if not isinstance(fields, dict):
            return False
        labels = fields.get("labels")
        if isinstance(labels, list) and mark in labels:
            return True
        return mark in msgspec.json.encode(fields.get("comment")).decode()

    def comment(self, remote: str, message: Message, mark: str) -> None:
        url = f"{self._issue(remote)}/comment"
        self._api.take("POST", url, {"body": self._text(message, mark)})

    def turn(self, remote: str, *, open_: bool) -> None:
        url = f"{self._issue(remote)}/transitions"
        listed = rows_of(self._api.take("GET", url).mapping().get("transitions"))
        name = self._settings.again if open_ else self._settings.done
        fits = [one for one in listed if str(one.get("name", "")).lower() == name.lower()]
        fits += [one for one in listed if _is_done(one.get("to")) is not open_]
        if not fits:
            raise NotSent(
                f"{remote} has no transition `{name}`, and none that "
                f"{'opens' if open_ else 'closes'} it",
                permanent=True,
            )
        self._api.take("POST", url, {"transition": {"id": str(fits[0].get("id"))}})

    def _issue(self, remote: str) -> str:
        return f"{self._base}/issue/{quote(remote, safe='')}"

    def _url(self, key: str) -> str:
        return f"{self._site}/browse/{quote(key, safe='')}"

    def _ticket(self, row: dict[str, Any]) -> Ticket:
        key, fields = str(row.get("key") or ""), row.get("fields")
        if not _KEY.fullmatch(key) or not isinstance(fields, dict):
            raise NotSent("the answer is no issue of Jira")
        return Ticket(remote=key, url=self._url(key), open=not _is_done(fields.get("status")))

    def _text(self, message: Message, mark: str) -> Any:
        if self._settings.api == "3":
            return document(message, mark)
        return wiki(message, mark)


def _is_done(status: Any) -> bool:
    """A status (or what a transition leads to) of the category Done."""
    category = status.get("statusCategory") if isinstance(status, dict) else None
    return isinstance(category, dict) and category.get("key") == "done"


def document(message: Message, mark: str) -> dict[str, Any]:
    """Atlassian's document format: texts in it are texts, whatever they hold."""
    content = [block for one in message.items for block in _blocks(one, message)]
    if message.more_says:
        content.append(_paragraph(_words(message.more_says)))
    if mark:
        content.append(_paragraph(_words(mark)))
    return {"version": 1, "type": "doc", "content": content}


def _blocks(one: Item, message: Message) -> Iterator[dict[str, Any]]:
    yield _paragraph(_words(one.heading, "strong"))
    if one.facts:
        yield _bullets([f"{fact.label}: {fact.value}" for fact in one.facts])
    if one.evidence:
        yield _paragraph(_words(message.evidence_label, "strong"))
        yield _bullets(list(one.evidence))
    if one.next_step:
        yield _paragraph(_words(f"{message.next_label}: {one.next_step}"))
    if one.link:
        link = {"type": "link", "attrs": {"href": one.link}}
        yield _paragraph({"type": "text", "text": message.link_label, "marks": [link]})


def _words(text: str, mark: str = "") -> dict[str, Any]:
    made: dict[str, Any] = {"type": "text", "text": text or "-"}
    return made | ({"marks": [{"type": mark}]} if mark else {})


def _paragraph(words: dict[str, Any]) -> dict[str, Any]:
    return {"type": "paragraph", "content": [words]}


def _bullets(lines: list[str]) -> dict[str, Any]:
    items = [{"type": "listItem", "content": [_paragraph(_words(line))]} for line in lines]
    return {"type": "bulletList", "content": items}


def wiki(message: Message, mark: str) -> str:
    """Jira's older markup; every sign of an event's text is literal."""
    parts = ["\n".join(_rows(one, message)) for one in message.items]
    parts += [plain(message.more_says)] if message.more_says else []
    return "\n\n".join([*parts, *([mark] if mark else [])])


def _rows(one: Item, message: Message) -> Iterator[str]:
    yield f"*{plain(one.heading)}*"
    for fact in one.facts:
        yield f"* {plain(fact.label)}: {plain(fact.value)}"
    if one.evidence:
        yield f"*{plain(message.evidence_label)}*"
        yield from (f"* {plain(line)}" for line in one.evidence)
    if one.next_step:
        yield f"*{plain(message.next_label)}*: {plain(one.next_step)}"
    if one.link:
        yield f"[{plain(message.link_label)}|{one.link}]"


def plain(text: str) -> str:
    """Wiki markup that shows exactly this text, on one line. Two backslashes would end it."""
    escaped = _MARKS.sub(r"\\\1", " ".join(text.split()).replace("&", "&amp;").replace("\\", "\0"))
    return escaped.replace("\0", "&#92;")
