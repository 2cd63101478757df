"""PagerDuty Events API v2: trigger, acknowledge and resolve under one ``dedup_key`` for a topic.

An event that comes twice is the same incident there. What is only a note (a response was
applied) of an incident goes as another trigger under its key, which adds to its log.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import msgspec

from haechi.model.alert import Item, Message, Status
from haechi.world.receivers.http import Http
from haechi.world.receivers.secret import secret_of, url_of
from haechi.world.receivers.sending import Known, NotSent, Sent, Stood
from haechi.world.receivers.settings import ReceiverSettings

_SEVERITIES = {
    "critical": "critical",
    "high": "error",
    "medium": "warning",
    "low": "info",
    "info": "info",
}
_SUMMARY, _KEY = 1_024, 255


class PagerDuty:
    """See the module."""

    def __init__(self, settings: ReceiverSettings) -> None:
        self._settings = settings

    def send(self, message: Message, known: Mapping[str, Known]) -> Sent:
        """One event for each topic of the message (the sender gives one at a time)."""
        secret = secret_of(self._settings)
        url = f"{url_of(self._settings)}/v2/enqueue"
        http = Http(self._settings, secret)
        status, stands = "202", {}
        for topic, one in message.latest.items():
            body = msgspec.json.encode({"routing_key": secret, **event(one, message)})
            headers = {"Content-Type": "application/json"}
            reply = http.take("POST", url, body=body, headers=headers)
            answer = reply.mapping()
            if answer.get("status") != "success":
                raise NotSent("the answer is not PagerDuty's", status=str(reply.status))
            status = str(reply.status)
            stands[topic] = Stood(remote=str(answer.get("dedup_key") or key(topic))[:_KEY])
        return Sent(status=status, stands=stands)


def key(topic: str) -> str:
    """What PagerDuty knows the topic by."""
    return f"haechi/{topic}"[:_KEY]


def event(one: Item, message: Message) -> dict[str, Any]:
    """The event without its key of routing."""
    news = one.news
    action = "trigger"
    if news.status is Status.RESOLVED and not message.test:
        action = "resolve"
    elif news.status is Status.ACKNOWLEDGED:
        action = "acknowledge"
    made: dict[str, Any] = {"event_action": action, "dedup_key": key(news.topic)}
    if action != "trigger":
        return made
    at = dt.datetime.fromtimestamp(max(0, news.at_ns) // 10**9, dt.UTC)
    details = {fact.label: fact.value for fact in one.facts}
    if one.evidence:
        details[message.evidence_label] = "\n".join(one.evidence)
    if one.next_step:
        details[message.next_label] = one.next_step
    made["client"] = "haechi"
    made["payload"] = {
        "summary": one.heading[:_SUMMARY],
        "source": news.resource or news.node or news.cluster or "haechi",
        "severity": _SEVERITIES[news.level],
        "timestamp": at.isoformat(),
        "component": news.resource,
        "group": f"{news.cluster}/{news.namespace}",
        "class": ", ".join(news.rules[:3]) or news.what,
        "custom_details": details,
    }
    if one.link:
        made["links"] = [{"href": one.link, "text": message.link_label}]
        made["client_url"] = one.link
    return made
