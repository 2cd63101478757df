"""One child process of ``isolated``: start, ask, wait with a deadline, kill.

Pipes are served by a thread, so that waiting can end on every system: Windows cannot poll a pipe,
and a stopped child would block a write. The child gets no shell, no inherited handles, and an
environment that holds nothing but where its modules are: neither the directory that is scanned nor
the user's Python settings can put a module in its way.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TypeVar

import msgspec

from haechi.world.cel_wire import ENCODER, Cell, Ready, Setup, receive, send

_START_S = 60.0  # Python itself may start slowly on a busy machine
_STDERR_LIMIT = 500
_T = TypeVar("_T")


class Ended(Exception):
    """The child is gone. ``how`` for people; ``task`` and ``rule`` say what it was doing."""

    def __init__(self, how: str, *, task: int, rule: int, overdue: bool) -> None:
        super().__init__(how)
        self.how = how
        self.task = task
        self.rule = rule
        self.overdue = overdue


class Child:
    """A started worker. Every wait is bounded; after ``Ended`` the process is gone and reaped."""

    def __init__(self, setup: Setup) -> None:
        """Start the process. Raises OSError when that is not possible."""
        self._deadline_s = setup.deadline_s
        descriptor, path = tempfile.mkstemp(prefix="haechi-cel-")
        self._path = Path(path)
        try:
            os.ftruncate(descriptor, Cell.SIZE)
        finally:
            self._cell = Cell(descriptor)
        self._cell.write(Cell.NOTHING, Cell.NOTHING)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the child
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-s", "-S", "-m", "haechi.world.cel_worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env=_environment(),
                cwd=tempfile.gettempdir(),
                start_new_session=True,  # an interrupt at the terminal is handled here
            )
        except OSError:
            self._release()
            raise
        self._questions: queue.SimpleQueue[tuple[bytes, int] | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._converse, daemon=True, name="cel-child")
        self._thread.start()
        placed = msgspec.structs.replace(setup, cell=path)
        self.ask(ENCODER.encode(placed), answers=1)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def ask(self, frame: bytes, *, answers: int) -> None:
        """Hand over a frame that will be answered by so many."""
        self._questions.put((frame, answers))

    def ready(self) -> Ready:
        """Wait until the rules are compiled. Raises Ended."""
        return self.answer(Ready)

    def answer(self, type_: type[_T]) -> _T:
        """Wait for the next answer as long as there is progress. Raises Ended."""
        seen, since = -1, 0.0
        while True:
            count, _, rule = self._cell.read()
            if count != seen:
                seen, since = count, time.monotonic()
            patience_s = self._deadline_s if rule != Cell.NOTHING else _START_S
            left = since + patience_s - time.monotonic()
            if left <= 0:
                raise self._end(overdue=True)
            try:
                frame = self._answers.get(timeout=min(left, max(self._deadline_s / 8, 0.01)))
                break
            except queue.Empty:
                continue
        if frame is None:
            raise self._end(overdue=False)
        try:
            return msgspec.msgpack.decode(frame, type=type_)
        except msgspec.MsgspecError as error:
            raise self._end(overdue=False) from error

    def close(self) -> None:
        """Kill, wait and let go of everything."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()
        self._questions.put(None)
        self._thread.join()
        for stream in (self._process.stdin, self._process.stdout):
            # Bytes that were not written yet have nowhere to go.
            with contextlib.suppress(OSError):
                if stream is not None:
                    stream.close()
        self._release()

    def _end(self, *, overdue: bool) -> Ended:
        """Kill and reap, then say what happened."""
        if not overdue:  # it may still be on its way out, and has a code of its own
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=1)
        self._process.kill()
        code = self._process.wait()
        _, task, rule = self._cell.read()
        how = "no progress" if overdue else _how(code)
        said = self._last_words()
        self.close()
        return Ended(f"{how}: {said}" if said else how, task=task, rule=rule, overdue=overdue)

    def _last_words(self) -> str:
        """The last line the child wrote to its standard error, for diagnosis."""
        size = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(size - _STDERR_LIMIT, 0))
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else ""

    def _release(self) -> None:
        self._cell.close()
        self._errors.close()
        with contextlib.suppress(OSError):
            self._path.unlink()

    def _converse(self) -> None:
        """The thread: write a question, read its answers; None for the end of the child."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            return
        while (question := self._questions.get()) is not None:
            frame, count = question
            try:
                send(stdin, frame)  # type: ignore[arg-type]
            except (OSError, ValueError):
                self._answers.put(None)
                return
            for _ in range(count):
                answer = receive(stdout)  # type: ignore[arg-type]
                self._answers.put(answer)
                if answer is None:
                    return


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"


def _environment() -> dict[str, str]:
    """Where the child finds its modules, and what the system needs to start any process."""
    roots: dict[str, None] = {}
    for name in ("haechi", "msgspec", "cel_expr_python"):
        spec = importlib.util.find_spec(name)
        for place in (spec.submodule_search_locations or ()) if spec else ():
            roots[str(Path(place).parent)] = None
    environment = {"PYTHONPATH": os.pathsep.join(roots), "LC_ALL": "C.UTF-8"}
    for name in ("SYSTEMROOT", "LD_LIBRARY_PATH"):
        if name in os.environ:
            environment[name] = os.environ[name]
    return environment
