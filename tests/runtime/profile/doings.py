"""Events as the sensor tells them, for what learns from them, and a clock that is moved."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from haechi.model.event import Event
from haechi.runtime.profile.profile import Habits
from haechi.runtime.profile.profiles import Profiles

START = 1_795_348_800.0
"""2026-11-22T12:00:00Z."""
HABITS = Habits(learn_events=200, learn_s=3600.0)


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> float:
        return self.at


def event(type_: str, *, resource: str = "", cluster: str = "east", **fields: Any) -> Event:
    """Of a container of the image ``shop/web``, unless ``container`` says otherwise."""
    container = fields.pop("container", "c0ffee123456")
    node = fields.pop("node", "n1")
    plain: dict[str, Any] = {"container.id": container, "proc.exepath": "/usr/sbin/nginx"}
    if container != "host":
        plain["container.image.repository"] = fields.pop("image", "shop/web")
    told = {name.replace("__", "."): value for name, value in fields.items()}
    return Event(
        id="e",
        ts_ns=int(START * 1e9),
        source="sensor",
        type=type_,
        cluster=cluster,
        namespace="shop",
        node=node,
        resource=resource,
        fields={**plain, **told},
    )


def opened(path: str, flags: str = "O_RDONLY", **more: Any) -> Event:
    """A file was opened."""
    return event("openat", **{"fd__name": path, "evt__arg__flags": flags, **more})


def started(exe: str, parent: str = "/usr/sbin/nginx", **more: Any) -> Event:
    """A program was started."""
    return event("execve", **{"proc__exepath": exe, "proc__pexepath": parent, **more})


def connected(address: str, port: int, **more: Any) -> Event:
    """A connection was made."""
    return event("connect", **{"fd__sip": address, "fd__sport": port, **more})


def usual(number: int, **more: Any) -> Iterator[Event]:
    """What a small web server does, over and over."""
    for turn in range(number):
        match turn % 5:
            case 0:
                yield opened(f"/srv/www/page{turn % 7}.html", **more)
            case 1:
                yield connected("10.2.3.4", 5432, **more)
            case 2:
                yield opened("/var/log/nginx/access.log", "O_WRONLY|O_APPEND", **more)
            case 3:
                yield opened("/etc/hosts", **more)
            case _:
                yield started("/usr/bin/gzip", **more)


def learnt(
    profiles: Profiles, clock: Clock, *, hours: int = 8, each: int = 100, **more: Any
) -> None:
    """Let them see hours of usual work."""
    for _ in range(hours):
        for one in usual(each, **more):
            clock.at += 3600.0 / each
            profiles.observe(one)


def fresh(**more: Any) -> tuple[Profiles, Clock]:
    """No profiles yet, and their clock."""
    clock = Clock()
    return Profiles(HABITS, clock, **more), clock
