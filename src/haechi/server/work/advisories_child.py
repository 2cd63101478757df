"""``haechi db import`` as a child with limits: what it reads was written by strangers."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from haechi.store.dependency_records import ImportState

SECONDS = 3600.0
_CPU_SECONDS = 1800
_MEMORY, _FILE = 4 << 30, 16 << 30
_ANSWER = 4 << 20
_NO_MEMORY = ("MemoryError", "Cannot allocate memory", "failed to map segment", "out of memory")
_PASSED = (
    *("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV"),
    *("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"),
)
"""What of the environment an import may know: no token of ours is among it."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """How an import ended."""

    state: ImportState
    generation: int = 0
    records: int = 0
    changed: int = 0
    error: str = ""


class _Imported(msgspec.Struct, frozen=True):
    records: int = 0
    faulty: int = 0
    changed: int = 0
    generation: int = 0


class _Refused(msgspec.Struct, frozen=True):
    place: str = ""
    what: str = ""
    why: str = ""


class _Answer(msgspec.Struct, frozen=True):
    imported: list[_Imported] = []
    refused: list[_Refused] = []


class Child:
    """One import. ``run`` waits for it; ``kill`` ends it from another thread."""

    def __init__(self, database: Path, source: str, covers: Sequence[str] = ()) -> None:
        self._command = [
            *(sys.executable, "-m", "haechi", "db", "import", "--format", "json"),
            *("--db", str(database)),
            *(part for one in covers for part in ("--covers", one)),
            *("--", source),
        ]
        self._source = source
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._killed = False

    def run(self) -> Result:
        """How it went; it does not raise."""
        environment = {name: os.environ[name] for name in _PASSED if name in os.environ}
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            with self._lock:
                if self._killed:
                    return Result(state=ImportState.REFUSED, error="the server was stopped")
                try:
                    process = self._process = subprocess.Popen(
                        self._command,
                        stdin=subprocess.DEVNULL,
                        stdout=out,
                        stderr=err,
                        env=environment,
                        start_new_session=True,
                    )
                except OSError as error:
                    return Result(state=ImportState.REFUSED, error=f"no process: {error}")
            _limit(process.pid)
            with _ended(process):
                try:
                    code = process.wait(SECONDS)
                except subprocess.TimeoutExpired:
                    return Result(state=ImportState.REFUSED, error="it took longer than an hour")
            out.seek(0)
            err.seek(0)
            return self._result(code, out.read(_ANSWER), err.read(_ANSWER))

    def kill(self) -> None:
        """End it; idempotent."""
        with self._lock:
            self._killed = True
            if self._process is not None and self._process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)

    def _result(self, code: int, out: bytes, err: bytes) -> Result:
        try:
            answer = msgspec.json.decode(out, type=_Answer)
        except msgspec.MsgspecError:
            answer = None
        if answer is None or not answer.imported:
            return Result(state=ImportState.REFUSED, error=self._why(code, answer, err))
        whole = not answer.refused and not any(one.faulty for one in answer.imported)
        return Result(
            state=ImportState.DONE if whole else ImportState.INCOMPLETE,
            generation=answer.imported[0].generation,
            records=sum(one.records for one in answer.imported),
            changed=answer.imported[0].changed,
            error="" if whole else self._left(answer),
        )

    def _why(self, code: int, answer: _Answer | None, err: bytes) -> str:
        if answer is not None and answer.refused:
            return self._called(f"{answer.refused[0].what} {answer.refused[0].why}".strip())
        if code < 0:
            return f"the import was ended by signal {-code} (limits of memory and time apply)"
        text = err.decode("utf-8", "replace")
        if any(sign in text for sign in _NO_MEMORY):
            return f"it needs more than the {_MEMORY / 2**30:.3g} GiB of memory that an import has"
        told = text.strip().splitlines()
        return self._called(" ".join(told[-4:])[:1_000]) or f"the import ended with {code}"

    def _left(self, answer: _Answer) -> str:
        faulty = sum(one.faulty for one in answer.imported)
        told = [f"{faulty:,} entries could not be taken"] if faulty else []
        told += [self._called(f"{one.what} {one.why}".strip()) for one in answer.refused[:3]]
        return "; ".join(told)

    def _called(self, text: str) -> str:
        """Without the path of the server's own folder."""
        return text.replace(str(Path(self._source).parent) + os.sep, "")


@contextlib.contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _limit(pid: int) -> None:
    """Limits from outside: a function between fork and exec is not safe among threads."""
    import resource

    if not hasattr(resource, "prlimit"):
        return
    for what, most in (
        (resource.RLIMIT_AS, _MEMORY),
        (resource.RLIMIT_CPU, _CPU_SECONDS),
        (resource.RLIMIT_FSIZE, _FILE),
        (resource.RLIMIT_CORE, 0),
    ):
        with contextlib.suppress(OSError, ValueError):
            resource.prlimit(pid, what, (most, most))
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, 10)
