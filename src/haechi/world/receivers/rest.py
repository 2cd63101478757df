"""A product's REST API: JSON both ways, with the login of the configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from haechi.world.receivers.http import Http, Reply
from haechi.world.receivers.settings import ReceiverSettings


class Rest:
    """Asks with the ``login`` (headers). ``secrets`` are taken out of every text of a failure;
    ``busy`` says which refusals of the product mean "later" where HTTP does not."""

    def __init__(
        self,
        settings: ReceiverSettings,
        login: Mapping[str, str],
        *secrets: str,
        busy: Callable[[Reply], bool] = lambda _: False,
    ) -> None:
        self._http = Http(settings, *secrets)
        self._login = dict(login)
        self._busy = busy

    def ask(self, method: str, url: str, value: Any = None) -> Reply:
        """Any answer. NotSent when there is none."""
        sent = None if value is None else msgspec.json.encode(value)
        headers = self._login | ({} if sent is None else {"Content-Type": "application/json"})
        return self._http.ask(method, url, body=sent, headers=headers)

    def take(self, method: str, url: str, value: Any = None) -> Reply:
        """An answer that says yes (2xx). NotSent says what else it was."""
        return self.good(self.ask(method, url, value))

    def good(self, reply: Reply) -> Reply:
        """The answer, if it says yes. NotSent."""
        if 200 <= reply.status < 300:
            return reply
        raise self._http.refusal(reply, again=self._busy(reply))

    def rows(self, url: str) -> list[dict[str, Any]]:
        """The objects of a list; none where the answer is no list."""
        return rows_of(self.take("GET", url).json())


def rows_of(value: Any) -> list[dict[str, Any]]:
    """The objects of a list of JSON; what else stands there counts for nothing."""
    listed = value if isinstance(value, list) else []
    return [one for one in listed if isinstance(one, dict)]
