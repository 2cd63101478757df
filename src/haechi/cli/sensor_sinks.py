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

    @property
    def lost(self) -> int:
        """Events that did not get on so far."""
        return 0

    def close(self) -> bool:
        """False when something was lost on the way."""
        return True


class Judge(Sink):
    """Alerts on standard output, by rules that are judged here."""

    def __init__(self, engine: Engine, format_: str) -> None:
        self._engine = engine
        self._json = format_ == "json"
        self._node = platform.node()
        self._alerts = self._untold = 0

    def take(self, events: list[Event]) -> None:
        judge = self._engine.judge
        lines = [self._line(rule, event) for event in events for rule in judge(event)]
        if lines:
            self._alerts += len(lines)
            try:
                sys.stdout.write("\n".join(lines) + "\n")
                sys.stdout.flush()
            except BrokenPipeError:
                raise  # nobody listens any more
            except OSError as error:
                self._not_told(len(lines), error)

    def _line(self, rule: Rule, event: Event) -> str:
        from haechi.engines.falco.alerts import alert

        told = alert(rule, event, hostname=self._node)
        if self._json:
            import msgspec

            return msgspec.json.encode(told).decode()
        return plain(str(told["output"]))

    def _not_told(self, count: int, error: OSError) -> None:
        """A full disk behind standard output ends no watch; what could not be told is counted."""
        if not self._untold:
            _say(f"alerts cannot be told: {error.strerror or error}")
        self._untold += count

    def told(self) -> dict[str, object]:
        more: dict[str, object] = {"alerts_untold": self._untold} if self._untold else {}
        return {"alerts": self._alerts, **more}

    def close(self) -> bool:
        if self._untold:
            _say(f"{self._untold} alerts could not be told")
        return not self._untold


def _say(line: str) -> None:
    sys.stderr.write(plain(f"haechi: {line}\n"))


class Recorder(Sink):
    """``haechi.event/1``, a line each. A disk that refuses ends the recording, not the watch:
    what would follow a line that was cut off could not be read."""

    def __init__(self, path: Path) -> None:
        import msgspec

        self._encode = msgspec.json.Encoder().encode
        self._path = path
        self._count = self._lost = 0
        try:
            # Command lines are nobody else's; and root must not be led along a link in /tmp.
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            handle = os.open(path, flags, 0o600)
            self._file: IO[bytes] = os.fdopen(handle, "wb")
        except OSError as error:
            raise UsageError(f"cannot write {path}", why=error.strerror or "") from error

    def take(self, events: list[Event]) -> None:
        told = [event for event in events if event.type != "sensor.status"]
        if not self._lost:
            try:
                self._file.writelines([self._encode(event) + b"\n" for event in told])
                self._file.flush()
            except OSError as error:
                _say(f"the recording ends here: {error.strerror or error}")
            else:
                self._count += len(told)
                return
        self._lost += len(told)

    def told(self) -> dict[str, object]:
        return {"unrecorded": self._lost} if self._lost else {}

    def close(self) -> bool:
        try:
            self._file.close()
        except OSError:
            self._lost = self._lost or 1
        _say(f"{self._count} events in {self._path}")
        if self._lost:
            _say(f"{self._lost} events could not be recorded")
        return not self._lost


class Sender(Sink):
    """To a server, in the background."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery

    def take(self, events: list[Event]) -> None:
        self._delivery.offer(events)

    @property
    def lost(self) -> int:
        counts = self._delivery.counts
        return counts.dropped + counts.shed + counts.refused

    def looks(self, *, hurried: bool) -> bool:
        """It must choose among events; else lines will do. A sensor that has hardly time to read
        them only chooses when some have to go."""
        delivery = self._delivery
        return delivery.pressed or (delivery.behind and not hurried)

    def take_lines(self, lines: list[bytes]) -> None:
        """Some more, encoded already."""
        self._delivery.offer_lines(lines)

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
