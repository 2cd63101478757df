"""Issues of a GitHub repository: made, commented, closed and opened again.

Issues are looked for among the newest with our label, not by search, whose index is behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from haechi.model.alert import Message
from haechi.world.receivers.http import Http, Reply
from haechi.world.receivers.markdown import body
from haechi.world.receivers.secret import secret_of, url_of
from haechi.world.receivers.sending import Known, NotSent, Sent
from haechi.world.receivers.settings import ReceiverSettings
from haechi.world.receivers.ticketing import LABEL, Ticket, told

_PAGES, _EACH = 3, 100
_TITLE = 250


class GitHub:
    """See the module."""

    def __init__(self, settings: ReceiverSettings) -> None:
        self._settings = settings

    def send(self, message: Message, known: Mapping[str, Known]) -> Sent:
        """Bring the topic's issue to where its news are."""
        return told(_Issues(self._settings), message, known)

    def look(self, remote: str) -> bool | None:
        """Whether the issue is open there; None when there is none."""
        found = _Issues(self._settings).get(remote)
        return None if found is None else found.open


class _Issues:
    """The REST API; the token is read for each message."""

    def __init__(self, settings: ReceiverSettings) -> None:
        self._settings = settings
        self._token = secret_of(settings)
        self._http = Http(settings, self._token)
        self._base = f"{url_of(settings)}/repos/{settings.repository}/issues"

    def find(self, mark: str) -> Ticket | None:
        for page in range(1, _PAGES + 1):
            query = f"labels={LABEL}&state=all&sort=created&direction=desc&per_page={_EACH}"
            rows = self._yes("GET", f"{self._base}?{query}&page={page}").json()
            rows = rows if isinstance(rows, list) else []
            for row in rows:
                if isinstance(row, dict) and mark in str(row.get("body") or ""):
                    return _ticket(row)
            if len(rows) < _EACH:
                return None
        return None

    def get(self, remote: str) -> Ticket | None:
        reply = self._ask("GET", f"{self._base}/{quote(remote, safe='')}")
        if reply.status in (404, 410):
            return None
        return _ticket(self._good(reply).mapping())

    def create(self, message: Message, marks: tuple[str, ...]) -> Ticket:
        value = {
            "title": message.subject[:_TITLE],
            "body": body(message, marks),
            "labels": [LABEL, *self._settings.labels],
        }
        return _ticket(self._yes("POST", self._base, value).mapping())

    def said(self, remote: str, mark: str) -> bool:
        one = f"{self._base}/{quote(remote, safe='')}"
        if mark in str(self._yes("GET", one).mapping().get("body") or ""):
            return True
        page, last = f"{one}/comments?per_page={_EACH}", 1
        first = self._yes("GET", page)
        rows = first.json()
        if (last := _last_page(first.headers.get("link", ""))) > 1:
            rows = self._yes("GET", f"{page}&page={last}").json()
        listed = rows if isinstance(rows, list) else []
        return any(mark in str(row.get("body") or "") for row in listed if isinstance(row, dict))

    def comment(self, remote: str, message: Message, mark: str) -> None:
        url = f"{self._base}/{quote(remote, safe='')}/comments"
        self._yes("POST", url, {"body": body(message, (mark,))})

    def turn(self, remote: str, *, open_: bool) -> None:
        value = {"state": "open"} if open_ else {"state": "closed", "state_reason": "completed"}
        self._yes("PATCH", f"{self._base}/{quote(remote, safe='')}", value)

    def _yes(self, method: str, url: str, value: Any = None) -> Reply:
        return self._good(self._ask(method, url, value))

    def _ask(self, method: str, url: str, value: Any = None) -> Reply:
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        sent = None if value is None else msgspec.json.encode(value)
        headers |= {} if sent is None else {"Content-Type": "application/json"}
        return self._http.ask(method, url, body=sent, headers=headers)

    def _good(self, reply: Reply) -> Reply:
        """GitHub says 403 when one asks too much."""
        if 200 <= reply.status < 300:
            return reply
        spent = reply.headers.get("x-ratelimit-remaining") == "0"
        slow = "retry-after" in reply.headers or b"rate limit" in reply.body.lower()
        raise self._http.refusal(reply, again=reply.status == 403 and (spent or slow))


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
