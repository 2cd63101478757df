"""Issues of a GitLab project: made, commented, closed and opened again (REST API v4)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from haechi.model.alert import Message
from haechi.world.receivers.markdown import body
from haechi.world.receivers.rest import Rest
from haechi.world.receivers.secret import secret_of, url_of
from haechi.world.receivers.sending import NotSent
from haechi.world.receivers.settings import ReceiverSettings
from haechi.world.receivers.ticketing import LABEL, Ticket, Tickets

_TITLE, _EACH = 250, 100


class GitLab(Tickets):
    """See the module."""

    def __init__(self, settings: ReceiverSettings) -> None:
        super().__init__(settings, _Issues)


class _Issues:
    """The REST API; the token is read for each message."""

    def __init__(self, settings: ReceiverSettings) -> None:
        self._settings = settings
        token = secret_of(settings)
        self._api = Rest(settings, {"PRIVATE-TOKEN": token}, token)
        project = quote(settings.repository, safe="")
        self._base = f"{url_of(settings)}/api/v4/projects/{project}/issues"

    def find(self, mark: str) -> Ticket | None:
        query = f"labels={LABEL}&search={mark}&in=description&order_by=created_at&sort=desc"
        for row in self._api.rows(f"{self._base}?{query}&per_page={_EACH}"):
            if mark in str(row.get("description") or ""):
                return _ticket(row)
        return None

    def get(self, remote: str) -> Ticket | None:
        reply = self._api.ask("GET", f"{self._base}/{quote(remote, safe='')}")
        return None if reply.status == 404 else _ticket(self._api.good(reply).mapping())

    def create(self, message: Message, marks: tuple[str, ...]) -> Ticket:
        value = {
            "title": message.subject[:_TITLE],
            "description": body(message, marks),
            "labels": ",".join([LABEL, *self._settings.labels]),
        }
        return _ticket(self._api.take("POST", self._base, value).mapping())

    def said(self, remote: str, mark: str) -> bool:
        one = f"{self._base}/{quote(remote, safe='')}"
        if mark in str(self._api.take("GET", one).mapping().get("description") or ""):
            return True
        rows = self._api.rows(f"{one}/notes?sort=desc&per_page={_EACH}")
        return any(mark in str(row.get("body") or "") for row in rows)

    def comment(self, remote: str, message: Message, mark: str) -> None:
        url = f"{self._base}/{quote(remote, safe='')}/notes"
        self._api.take("POST", url, {"body": body(message, (mark,))})

    def turn(self, remote: str, *, open_: bool) -> None:
        value = {"state_event": "reopen" if open_ else "close"}
        self._api.take("PUT", f"{self._base}/{quote(remote, safe='')}", value)


def _ticket(row: dict[str, Any]) -> Ticket:
    number, state = row.get("iid"), row.get("state")
    if not isinstance(number, int) or state not in ("opened", "closed"):
        raise NotSent("the answer is no issue of GitLab")
    url = str(row.get("web_url") or "")
    return Ticket(remote=str(number), url=url, open=state == "opened")
