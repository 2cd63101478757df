"""Where the sensor's events go: alerts on standard output, a recording, a server."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING

from haechi.cli.plain import plain
from haechi.errors import UsageError

if TYPE_CHECKING:
    from haechi.cli.sensor_delivery import Delivery
    from haechi.engines.falco.engine import Engine
    from haechi.engines.falco.ruleset import Rule
    from haechi.model.event import Event


class Sink:
    """Where events go."""

    def take(self, events: list[Event]) -> None:
        """Some more."""
        raise NotImplementedError

    def told(self) -> dict[str, object]:
        """For the status event."""
        return {}

    def close(self) -> bool:
        """False when something was lost on the way."""
        return True


class Judge(Sink):
    """Alerts on standard output, by rules that are judged here."""

    def __init__(self, engine: Engine, format_: str) -> None:
        self._engine = engine
        self._json = format_ == "json"
        self._node = platform.node()
        self._alerts = 0

    def take(self, events: list[Event]) -> None:
        judge = self._engine.judge
        lines = [self._line(rule, event) for event in events for rule in judge(event)]
        if lines:
            self._alerts += len(lines)
            sys.stdout.write("\n".join(lines) + "\n")
            sys.stdout.flush()

    def _line(self, rule: Rule, event: Event) -> str:
        from haechi.engines.falco.alerts import alert

        told = alert(rule, event, hostname=self._node)
        if self._json:
            import msgspec

            return msgspec.json.encode(told).decode()
        return plain(str(told["output"]))

    def told(self) -> dict[str, object]:
        return {"alerts": self._alerts}


class Recorder(Sink):
    """``haechi.event/1``, a line each."""

    def __init__(self, path: Path) -> None:
        import msgspec

        self._encode = msgspec.json.Encoder().encode
        self._path = path
        self._count = 0
        try:
            # Command lines are nobody else's; and root must not be led along a link in /tmp.
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            handle = os.open(path, flags, 0o600)
            self._file: IO[bytes] = os.fdopen(handle, "wb")
        except OSError as error:
            raise UsageError(f"cannot write {path}", why=error.strerror or "") from error

    def take(self, events: list[Event]) -> None:
        for event in events:
            if event.type != "sensor.status":
                self._file.write(self._encode(event) + b"\n")
                self._count += 1
        self._file.flush()

    def close(self) -> bool:
        self._file.close()
        sys.stderr.write(plain(f"haechi: {self._count} events in {self._path}\n"))
        return True


class Sender(Sink):
    """To a server, in the background."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery

    def take(self, events: list[Event]) -> None:
        self._delivery.offer(events)

    def told(self) -> dict[str, object]:
        import msgspec

        return dict(msgspec.to_builtins(self._delivery.counts))

    def close(self) -> bool:
        counts = self._delivery.close()
        sys.stderr.write(
            f"haechi: {counts.sent} events sent, {counts.shed} shed, {counts.dropped} dropped,"
            f" {counts.refused} refused\n"
        )
        return not (counts.shed or counts.dropped or counts.refused)
