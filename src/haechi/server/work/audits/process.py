"""The server's handle of the process that judges: started, asked, killed when it hangs.

Its user is one thread. Waiting is bounded: the process itself gives no policy more than a deadline,
so whatever makes no progress for ``PATIENCE_S`` is broken, and is ended.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import importlib.util
import os
import selectors
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from haechi.errors import ConfigError, InputError, KubeError
from haechi.server.work.audits.wire import (
    LENGTH,
    MOST_FRAME,
    Answer,
    Asked,
    AuditedObject,
    Compare,
    Compared,
    Done,
    Failed,
    Foresee,
    Foretold,
    Found,
    Go,
    News,
    Ready,
    Setup,
    framed,
    parted,
    to_server,
)
from haechi.world.kube.cluster import Kept

PROGRAM = (sys.executable, "-P", "-s", "-m", "haechi.server.work.audits.child")
LOAD_S, PATIENCE_S = 180.0, 300.0
_STEP_S = 0.25
_CHUNK = 1 << 18


class Stopped(Exception):
    """The server ends, and the process with it."""


class AuditProcess:
    """Compiled policies at work in a process of their own. Close it."""

    def __init__(self, setup: Setup, stopped: threading.Event) -> None:
        """Start it and compile. Raises ConfigError when the policies cannot be used."""
        self._stopped = stopped
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        self._buffer = bytearray()
        self._process = subprocess.Popen(
            PROGRAM,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=_environment(),
            cwd=tempfile.gettempdir(),
            start_new_session=True,
        )
        try:
            self._send(framed(setup))
            said = self._next(LOAD_S)
        except BaseException:
            self.close()
            raise
        if not isinstance(said, Ready):
            self.close()
            what = said.what if isinstance(said, Failed) else "the process spoke out of turn"
            raise ConfigError("the policies cannot be loaded", why=what)
        self.ready = said

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def news(
        self,
        kept: Sequence[Kept] = (),
        *,
        gone: Sequence[tuple[str, str, str]] = (),
        anew: bool = False,
        unknown: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Tell what policies may ask for."""
        self._send(framed(News(gone=list(gone), anew=anew, unknown=list(unknown))))
        for part in parted(list(kept)):
            self._send(framed(News(kept=part)))

    def judge(
        self, kept: Sequence[Kept], *, anew: bool, gone: Sequence[str] = ()
    ) -> Iterator[list[AuditedObject] | Done]:
        """What is not all right among these objects, in parts; ``Done`` is the last."""
        for part in parted(list(kept)):
            self._send(framed(Asked(part)))
        self._send(framed(Go(anew=anew, gone=list(gone))))
        while True:
            said = self._next(PATIENCE_S)
            match said:
                case Found(objects=objects):
                    yield objects
                case Done():
                    yield said
                    return
                case _:
                    raise KubeError("the process that judges spoke out of turn")

    def compare(self, kept: Sequence[Kept], ask: Compare) -> Compared:
        """What other policies would say of these objects and recorded requests. Raises
        InputError when the others cannot be used."""
        for part in parted(list(kept)):
            self._send(framed(Asked(part)))
        self._send(framed(ask))
        said = self._next(PATIENCE_S)
        match said:
            case Compared():
                return said
            case Failed(what=what):
                raise InputError("the policies cannot be loaded", why=what)
        raise KubeError("the process that judges spoke out of turn")

    def foresee(self, kept: Sequence[Kept], today: dt.date) -> Foretold:
        """What the next stages of the rollouts would do to these objects."""
        for part in parted(list(kept)):
            self._send(framed(Asked(part)))
        self._send(framed(Foresee(today)))
        said = self._next(PATIENCE_S)
        if isinstance(said, Foretold):
            return said
        raise KubeError("the process that judges spoke out of turn")

    def close(self) -> None:
        """End it; idempotent."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, 9)
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                if stream is not None:
                    stream.close()
        self._errors.close()

    # --- the pipes -------------------------------------------------------------------------

    def _send(self, data: bytes) -> None:
        """Write all of it; the process reads unless it is judging, when nothing is written."""
        stream = self._process.stdin
        if stream is None:
            return
        view = memoryview(data)
        os.set_blocking(stream.fileno(), False)
        ends = time.monotonic() + PATIENCE_S
        with selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_WRITE)
            while view:
                self._check(ends)
                if not selector.select(_STEP_S):
                    continue
                try:
                    view = view[os.write(stream.fileno(), view[:_CHUNK]) :]
                except OSError as error:
                    raise self._ended() from error

    def _next(self, patience_s: float) -> Answer:
        stream = self._process.stdout
        if stream is None:
            raise self._ended()
        ends = time.monotonic() + patience_s
        with selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_READ)
            while True:
                frame = self._frame()
                if frame is not None:
                    try:
                        return to_server(frame)
                    except msgspec.MsgspecError as error:
                        raise self._ended() from error
                self._check(ends)
                if selector.select(_STEP_S):
                    data = os.read(stream.fileno(), _CHUNK)
                    if not data:
                        raise self._ended()
                    self._buffer += data

    def _frame(self) -> bytes | None:
        if len(self._buffer) < LENGTH.size:
            return None
        (size,) = LENGTH.unpack_from(self._buffer)
        if size > MOST_FRAME:
            raise self._ended()
        end = LENGTH.size + size
        if len(self._buffer) < end:
            return None
        frame = bytes(self._buffer[LENGTH.size : end])
        del self._buffer[:end]
        return frame

    def _check(self, ends: float) -> None:
        if self._stopped.is_set():
            raise Stopped
        if time.monotonic() > ends:
            raise KubeError("the process that judges makes no progress")

    def _ended(self) -> KubeError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1)
        size = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(size - 500, 0))
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return KubeError("the process that judges ended", why=lines[-1] if lines else "")


def _environment() -> dict[str, str]:
    """Nothing of the server's environment but where the modules are: it may hold secrets."""
    spec = importlib.util.find_spec("haechi")
    places = (spec.submodule_search_locations or ()) if spec else ()
    environment = {
        "PYTHONPATH": os.pathsep.join(str(Path(place).parent) for place in places),
        "LC_ALL": "C.UTF-8",
    }
    for name in ("SYSTEMROOT", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "PATH"):
        if name in os.environ:
            environment[name] = os.environ[name]
    return environment
