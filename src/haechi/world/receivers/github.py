"""Issues of a GitHub repository: made, commented, closed and opened again.

Issues are looked for among the newest with our label, not by search, whose index is behind.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from haechi.model.alert import Message
from haechi.world.receivers.http import Reply
from haechi.world.receivers.markdown import body
from haechi.world.receivers.rest import Rest, rows_of
from haechi.world.receivers.secret import secret_of, url_of
from haechi.world.receivers.sending import NotSent
from haechi.world.receivers.settings import ReceiverSettings
from haechi.world.receivers.ticketing import LABEL, Ticket, Tickets

_PAGES, _EACH = 3, 100
_TITLE = 250


class GitHub(Tickets):
    """See the module."""

    def __init__(self, settings: ReceiverSettings) -> None:
        super().__init__(settings, _Issues)


class _Issues:
    """The REST API; the token is read for each message."""

    def __init__(self, settings: ReceiverSettings) -> None:
        self._settings = settings
        token = secret_of(settings)
        login = {
            "Authorization": f"Bearer {token}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        self._api = Rest(settings, login, token, busy=_busy)
        self._base = f"{url_of(settings)}/repos/{settings.repository}/issues"

    def find(self, mark: str) -> Ticket | None:
        for page in range(1, _PAGES + 1):
            query = f"labels={LABEL}&state=all&sort=created&direction=desc&per_page={_EACH}"
            rows = self._api.rows(f"{self._base}?{query}&page={page}")
            for row in rows:
                if mark in str(row.get("body") or ""):
                    return _ticket(row)
            if len(rows) < _EACH:
                return None
        return None

    def get(self, remote: str) -> Ticket | None:
        reply = self._api.ask("GET", f"{self._base}/{quote(remote, safe='')}")
        if reply.status in (404, 410):
            return None
        return _ticket(self._api.good(reply).mapping())

    def create(self, message: Message, marks: tuple[str, ...]) -> Ticket:
        value = {
            "title": message.subject[:_TITLE],
            "body": body(message, marks),
            "labels": [LABEL, *self._settings.labels],
        }
        return _ticket(self._api.take("POST", self._base, value).mapping())

    def said(self, remote: str, mark: str) -> bool:
        one = f"{self._base}/{quote(remote, safe='')}"
        if mark in str(self._api.take("GET", one).mapping().get("body") or ""):
            return True
        page = f"{one}/comments?per_page={_EACH}"
        first = self._api.take("GET", page)
        rows = rows_of(first.json())
        if (last := _last_page(first.headers.get("link", ""))) > 1:
            rows = self._api.rows(f"{page}&page={last}")
        return any(mark in str(row.get("body") or "") for row in rows)

    def comment(self, remote: str, message: Message, mark: str) -> None:
        url = f"{self._base}/{quote(remote, safe='')}/comments"
        self._api.take("POST", url, {"body": body(message, (mark,))})

    def turn(self, remote: str, *, open_: bool) -> None:
        value = {"state": "open"} if open_ else {"state": "closed", "state_reason": "completed"}
        self._api.take("PATCH", f"{self._base}/{quote(remote, safe='')}", value)


def _busy(reply: Reply) -> bool:
    """GitHub says 403 when one asks too much."""
    spent = reply.headers.get("x-ratelimit-remaining") == "0"
    slow = "retry-after" in reply.headers or b"rate limit" in reply.body.lower()
    return reply.status == 403 and (spent or slow)


def _last_page(link: str) -> int:
    """The number of the last page of a list, from the header Link."""
    for part in link.split(",")[:10]:
        if 'rel="last"' in part:
            number = part.partition("&page=")[2].partition(">")[0].partition("&")[0]
            return int(number) if number.isascii() and number.isdigit() and len(number) < 6 else 1
    return 1


def _ticket(row: dict[str, Any]) -> Ticket:
    number, state = row.get("number"), row.get("state")
    if not isinstance(number, int) or state not in ("open", "closed"):
        raise NotSent("the answer is no issue of GitHub")
    url = str(row.get("html_url") or "")
    return Ticket(remote=str(number), url=url, open=state == "open")
