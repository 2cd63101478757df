"""Run git on a hostile repository: plumbing only, settings that run programs off, bounded.

A repository's own configuration may name programs (monitors, hooks, pagers, ssh, signature
checks, filters), hide history (replace refs, grafts, commit-graph) or ask for objects elsewhere
(promisors). Command-line settings win over its files, the environment over both, and only
commands that read objects, refs or the index are run; nothing is checked out, diffed as text or
fetched. Output is read with a deadline on silence, so a git that hangs is told, not waited for.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

from haechi.world.programs import program, search_path

SILENCE = 120.0
"""Seconds in which git must say something; it needs far less for the largest object read."""
CONTENT_MEMORY = 2 * 1024**3
"""Bytes that git may allocate while it reads contents: a delta may claim to be any size."""
WALK_MEMORY = 8 * 1024**3
PIPE = 1024 * 1024
BUFFER = 256 * 1024
_SHORT = 64 * 1024
_PAUSE = 0.0005

_SETTINGS = (
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.pager=cat",
    "core.commitGraph=false",
    "core.multiPackIndex=false",
    "core.attributesFile=/dev/null",
    "core.alternateRefsCommand=false",
    "core.sshCommand=false",
    "core.gitProxy=",
    "core.untrackedCache=false",
    "core.bigFileThreshold=16m",
    "core.quotePath=false",
    "core.warnAmbiguousRefs=false",
    "diff.external=",
    "diff.renames=false",
    "diff.ignoreSubmodules=none",
    "diff.orderFile=/dev/null",
    "log.showSignature=false",
    "gpg.program=false",
    "gpg.ssh.program=false",
    "gpg.x509.program=false",
    "credential.helper=",
    "gc.auto=0",
    "maintenance.auto=false",
    "fetch.recurseSubmodules=false",
    "submodule.recurse=false",
)
_PLACES = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_PREFIX",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
)
"""What a hook of git sets; it would point git to another repository than the scanned one."""
_REFUSED = (
    *_PLACES,
    "GIT_EXTERNAL_DIFF",
    "GIT_DIFF_OPTS",
    "GIT_LITERAL_PATHSPECS",
    "GIT_GLOB_PATHSPECS",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_ICASE_PATHSPECS",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_ATTR_SOURCE",
    "GIT_PAGER",
    "GIT_PROXY_COMMAND",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_ASKPASS",
)


def environment(root: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for git, with everything off that hides history or runs a program.

    A repository that lacks objects would have them fetched, by a command of its own (``ext::``,
    core.sshCommand): no protocol is allowed.
    """
    return {
        **{key: value for key, value in os.environ.items() if key not in _REFUSED},
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_GRAFT_FILE": "/dev/null",
        "GIT_ATTR_NOSYSTEM": "1",
        "LC_ALL": "C",
        "PATH": search_path(root),
        **(extra or {}),
    }


class Git:
    """The git of this machine, pointed at one folder, which may lie below the work tree's top.

    ``extra`` of the methods adds to the environment (the index of a commit that is being made).
    """

    def __init__(self, root: Path, *, silence: float = SILENCE) -> None:
        self.root = root
        self.silence = silence
        self.program = program("git", root)

    def command(self, *arguments: str) -> list[str]:
        """The argument list; ``arguments`` start with the plumbing command."""
        settings = [part for setting in _SETTINGS for part in ("-c", setting)]
        name = self.program or "git-not-found"
        return [name, "--no-pager", "-C", str(self.root), *settings, *arguments]

    def run(
        self,
        *arguments: str,
        stdin: IO[bytes] | None = None,
        extra: Mapping[str, str] | None = None,
    ) -> Answer:
        """Run to its end; for answers of a few lines."""
        try:
            done = subprocess.run(
                self.command(*arguments),
                stdin=stdin or subprocess.DEVNULL,
                capture_output=True,
                timeout=self.silence,
                check=False,
                env=environment(self.root, extra),
            )
        except (OSError, subprocess.TimeoutExpired):
            return Answer(-1, b"", "")
        told = done.stderr[:2000].decode("utf-8", "replace")
        return Answer(done.returncode, done.stdout, told)

    def stream(
        self,
        *arguments: str,
        stdin: IO[bytes] | int | None = None,
        memory: int = WALK_MEMORY,
        extra: Mapping[str, str] | None = None,
    ) -> Stream:
        """Start and read as it answers. Raises OSError when git cannot be started."""
        return Stream(self._start(arguments, stdin, memory, extra), self.silence)

    def pipe(
        self, first: Sequence[str], second: Sequence[str], *, stdin: IO[bytes] | None = None
    ) -> Stream:
        """Start two, the second reading what the first writes. Raises OSError as ``stream``."""
        source = self._start(first, stdin, WALK_MEMORY, None)
        try:
            return Stream(
                self._start(second, source.stdout, WALK_MEMORY, None), self.silence, source
            )
        except OSError:
            source.kill()
            source.wait()
            raise
        finally:
            if source.stdout is not None:
                source.stdout.close()

    def _start(
        self,
        arguments: Sequence[str],
        stdin: IO[bytes] | int | None,
        memory: int,
        extra: Mapping[str, str] | None,
    ) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            self.command(*arguments),
            stdin=subprocess.DEVNULL if stdin is None else stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment(self.root, extra),
            bufsize=0,
        )
        _limit_memory(process.pid, memory)
        return process


class Answer:
    """What a finished git said. ``told`` is the beginning of its error output."""

    __slots__ = ("code", "out", "told")

    def __init__(self, code: int, out: bytes, told: str) -> None:
        self.code = code
        self.out = out
        self.told = told

    @property
    def text(self) -> str:
        """The output of a command that answers one line."""
        return os.fsdecode(self.out).removesuffix("\n")


class Stream:
    """A running git. Leaving the block ends it; ``succeeded`` is known after ``finish``."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        silence: float,
        source: subprocess.Popen[bytes] | None = None,
    ) -> None:
        self._all = [process] if source is None else [process, source]
        if process.stdout is None:
            raise OSError("no pipe from git")
        self._pipe = process.stdout
        _widen(process.stdout.fileno())
        self.out = io.BufferedReader(_Patient(process.stdout.fileno(), silence), BUFFER)

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    def end(self) -> None:
        """Stop git, whatever it is at."""
        for process in self._all:
            if process.poll() is None:
                process.kill()
            process.wait()
        self.out.close()
        self._pipe.close()

    def finish(self) -> bool:
        """Wait for the end of a git whose output was read; True when it succeeded."""
        try:
            return all(process.wait(timeout=10) == 0 for process in self._all)
        except subprocess.TimeoutExpired:
            return False


class _Patient(io.RawIOBase):
    """A pipe that raises TimeoutError when nothing comes for too long."""

    def __init__(self, handle: int, silence: float) -> None:
        self._file = io.FileIO(handle, closefd=False)
        self._silence = silence
        self._short = False
        self._poll = None
        if hasattr(select, "poll"):  # not on Windows, where a pipe cannot be waited for
            self._poll = select.poll()
            self._poll.register(handle, select.POLLIN | select.POLLHUP)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if self._poll is not None and not self._poll.poll(self._silence * 1000):
            raise TimeoutError("git says nothing")
        # git writes object by object. Woken for each, both sides would spend their time changing
        # places; half a millisecond later the pipe holds hundreds of them.
        if self._short:
            time.sleep(_PAUSE)
        count = self._file.readinto(buffer)
        self._short = 0 < count < _SHORT
        return count


def _widen(handle: int) -> None:
    """A large pipe: git and we change places less often. Only Linux can."""
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import fcntl

        fcntl.fcntl(handle, fcntl.F_SETPIPE_SZ, PIPE)


def _limit_memory(pid: int, limit: int) -> None:
    """Bound what git allocates (packs that it maps do not count). Only Linux can."""
    with contextlib.suppress(ImportError, OSError, ValueError, AttributeError):
        import resource

        _, hard = resource.prlimit(pid, resource.RLIMIT_DATA)
        soft = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.prlimit(pid, resource.RLIMIT_DATA, (soft, hard))
