"""Messages and settings for tests of receivers."""

from __future__ import annotations

import datetime as dt
import ssl
from pathlib import Path
from typing import Any

from haechi.model.alert import Fact, Item, Message, News, Status
from haechi.server.tls import self_made
from haechi.world.receivers.settings import ReceiverSettings
from tests.fakes.receivers.trackers import TOKEN

AT_NS = 1_795_000_000 * 10**9
LINK = "https://haechi.example/incidents/inc-1"


def news(**more: Any) -> News:
    """A new incident in the shop."""
    values: dict[str, Any] = {
        "topic": "incident:inc-1",
        "incident": "inc-1",
        "what": "opened",
        "level": "high",
        "at_ns": AT_NS,
        "cluster": "prod",
        "namespace": "shop",
        "resource": "k8s:prod/apps/Deployment/shop/web",
        "node": "node-1",
        "title": "Shell in web",
        "state": "open",
        "score": 71.5,
        "detections": 3,
        "opened_ns": AT_NS - 10**9,
        "first_ns": AT_NS - 2 * 10**9,
        "last_ns": AT_NS,
        "rules": ("Terminal shell in container",),
        "techniques": ("T1059",),
        "tactics": ("mitre_execution",),
        "source_ips": ("203.0.113.9",),
        "evidence": ("bash started by nginx",),
    }
    return News(**(values | more))


def item(one: News | None = None, **more: Any) -> Item:
    """In words."""
    one = one or news()
    values: dict[str, Any] = {
        "news": one,
        "heading": f"New incident: {one.title}",
        "facts": (Fact(label="Level", value=one.level), Fact(label="Where", value="prod / shop")),
        "evidence": one.evidence,
        "next_step": "Look at the evidence.",
        "link": LINK,
    }
    return Item(**(values | more))


def message(*items: Item, **more: Any) -> Message:
    """As a receiver is given it."""
    values: dict[str, Any] = {
        "id": "0123456789abcdef0123456789abcdef",
        "at_ns": AT_NS,
        "subject": "[HIGH] New incident: Shell in web",
        "items": items or (item(),),
    }
    return Message(**(values | more))


def over(**more: Any) -> Message:
    """The end of the incident."""
    ended = news(what="resolved", status=Status.RESOLVED, state="resolved", at_ns=AT_NS + 10**9)
    return message(item(ended), id="f" * 32, **more)


def secret_in(folder: Path, text: str = TOKEN) -> str:
    """A file that holds a secret."""
    file = folder / "secret"
    file.write_text(text + "\n")
    file.chmod(0o600)
    return str(file)


def settings(kind: str, **more: Any) -> ReceiverSettings:
    """Of a receiver that fits its kind."""
    made = ReceiverSettings(name="one", kind=kind, **more)  # type: ignore[arg-type]
    made.check("receiver")
    return made


def certified(folder: Path) -> tuple[ssl.SSLContext, str]:
    """A server's TLS for this machine, and the file of the authority behind it."""
    keys = folder / "keys"
    keys.mkdir()
    pair = self_made(keys, {"127.0.0.1"}, dt.datetime.now(dt.UTC))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.certificate, pair.key)
    return context, str(pair.ca)
