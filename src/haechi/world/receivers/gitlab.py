"""Issues of a GitLab project: made, commented, closed and opened again (REST API v4)."""

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

_TITLE, _EACH = 250, 100


class GitLab:
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
        project = quote(settings.repository, safe="")
        self._base = f"{url_of(settings)}/api/v4/projects/{project}/issues"

    def find(self, mark: str) -> Ticket | None:
        query = f"labels={LABEL}&search={mark}&in=description&order_by=created_at&sort=desc"
        rows = self._yes("GET", f"{self._base}?{query}&per_page={_EACH}").json()
        for row in rows if isinstance(rows, list) else []:
            if isinstance(row, dict) and mark in str(row.get("description") or ""):
                return _ticket(row)
        return None

    def get(self, remote: str) -> Ticket | None:
        reply = self._ask("GET", f"{self._base}/{quote(remote, safe='')}")
        return None if reply.status == 404 else _ticket(self._good(reply).mapping())

    def create(self, message: Message, marks: tuple[str, ...]) -> Ticket:
        value = {
            "title": message.subject[:_TITLE],
            "description": body(message, marks),
            "labels": ",".join([LABEL, *self._settings.labels]),
        }
        return _ticket(self._yes("POST", self._base, value).mapping())

    def said(self, remote: str, mark: str) -> bool:
        one = f"{self._base}/{quote(remote, safe='')}"
        if mark in str(self._yes("GET", one).mapping().get("description") or ""):
            return True
        rows = self._yes("GET", f"{one}/notes?sort=desc&per_page={_EACH}").json()
        listed = rows if isinstance(rows, list) else []
        return any(mark in str(row.get("body") or "") for row in listed if isinstance(row, dict))

    def comment(self, remote: str, message: Message, mark: str) -> None:
        url = f"{self._base}/{quote(remote, safe='')}/notes"
        self._yes("POST", url, {"body": body(message, (mark,))})

    def turn(self, remote: str, *, open_: bool) -> None:
        value = {"state_event": "reopen" if open_ else "close"}
        self._yes("PUT", f"{self._base}/{quote(remote, safe='')}", value)

    def _yes(self, method: str, url: str, value: Any = None) -> Reply:
        return self._good(self._ask(method, url, value))

    def _ask(self, method: str, url: str, value: Any = None) -> Reply:
        headers = {"PRIVATE-TOKEN": self._token}
        sent = None if value is None else msgspec.json.encode(value)
        headers |= {} if sent is None else {"Content-Type": "application/json"}
        return self._http.ask(method, url, body=sent, headers=headers)

    def _good(self, reply: Reply) -> Reply:
        if 200 <= reply.status < 300:
            return reply
        raise self._http.refusal(reply)


def _ticket(row: dict[str, Any]) -> Ticket:
    number, state = row.get("iid"), row.get("state")
    if not isinstance(number, int) or state not in ("opened", "closed"):
        raise NotSent("the answer is no issue of GitLab")
    url = str(row.get("web_url") or "")
    return Ticket(remote=str(number), url=url, open=state == "opened")
