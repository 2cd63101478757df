"""Run zizmor over the CI files that were collected, and over nothing else.

zizmor walks folders, reads a configuration that can switch audits off, and asks GitHub when it
finds a token. A scanned tree is hostile, so it gets copies under names of ours in a folder of
ours, no configuration, no network, an empty environment and a deadline. One file that it cannot
take ends its whole run; that file is then set aside and the others run again.
"""

from __future__ import annotations

import os
import re
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from haechi.engines.documents import decode
from haechi.engines.zizmor import AuditResult, read_report
from haechi.errors import InputError
from haechi.world.programs import limited, program

IN_ALL = 120.0
"""Seconds for all files of a scan."""
_BASE, _EACH = 15.0, 0.1
_BATCH = 300
_BATCH_BYTES = 16 * 1024 * 1024
_OUTPUT = 128 * 1024 * 1024
_SAID = 4 * 1024 * 1024
_DONE = re.compile(r"completed (\d+/[a-z]+\.yml)\s*$", re.MULTILINE)
_REFUSED = re.compile(r"failed to \w+ file://(\d+/[a-z]+\.yml) as \w+: (.+)$", re.MULTILINE)
_FATAL = re.compile(r"^error: .*file://(\d+/[a-z]+\.yml)", re.MULTILINE)
_CAUSE = re.compile(r"^ +\d+: (.+)$", re.MULTILINE)
_COMMAND = (
    "--offline",
    "--no-config",
    "--no-ignores",
    "--persona=auditor",
    "--format=json-v1",
    "--no-progress",
    "--color=never",
    "--no-exit-codes",
)


class Input(msgspec.Struct, frozen=True, kw_only=True):
    """A file to audit. ``kind`` is ``workflow`` or ``action``."""

    path: str
    kind: str
    data: bytes


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Results by path, and the reasons why other files have none. ``missing``: no zizmor."""

    results: Mapping[str, Sequence[AuditResult]] = msgspec.field(default_factory=dict)
    refused: Mapping[str, str] = msgspec.field(default_factory=dict)
    missing: str = ""


def zizmor_path(tree: Path) -> str | None:
    """zizmor as installed with haechi, else the one in PATH outside of the tree."""
    from importlib.metadata import Distribution

    places = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    for found in Distribution.discover(name="zizmor", path=list(dict.fromkeys(places))):
        for file in found.files or ():
            if Path(file).name in ("zizmor", "zizmor.exe"):
                path = Path(str(found.locate_file(file))).resolve()
                if path.is_file() and os.access(path, os.X_OK):
                    return str(path)
    return program("zizmor", tree)


def audit(inputs: Sequence[Input], tree: Path, *, seconds: float = IN_ALL) -> Report:
    """Audit files; none of them can spoil the results of the others."""
    if not inputs:
        return Report()
    binary = zizmor_path(tree)
    if binary is None:
        return Report(missing="zizmor is not installed")
    run = _Run(binary, time.monotonic() + seconds)
    for batch in _batches(inputs):
        run.take(batch)
    return Report(results=run.results, refused=run.refused)


class _Run:
    def __init__(self, binary: str, end: float) -> None:
        self.results: dict[str, Sequence[AuditResult]] = {}
        self.refused: dict[str, str] = {}
        self._binary = binary
        self._end = end

    def take(self, batch: Sequence[Input]) -> None:
        """Audit a batch; where it fails, its parts."""
        pending = [list(batch)]
        while pending:
            part = pending.pop()
            if not part:
                continue
            if time.monotonic() > self._end:
                reason = "zizmor took too long for the files before this one"
                self.refused.update({each.path: reason for each in part})
                continue
            try:
                self._together(part)
            except _Failed as failed:
                culprit = part[0].path if len(part) == 1 else failed.path
                if culprit:
                    self.refused[culprit] = failed.what
                    pending.append([each for each in part if each.path != culprit])
                else:
                    half = len(part) // 2
                    pending += [part[half:], part[:half]]

    def _together(self, part: Sequence[Input]) -> None:
        names = {_name(number, each): each.path for number, each in enumerate(part)}
        with tempfile.TemporaryDirectory(prefix="haechi-zizmor-") as folder:
            for name, each in zip(names, part, strict=True):
                target = Path(folder, name)
                target.parent.mkdir()
                target.write_bytes(_text(each.data))
            code, out, said = self._start(folder, list(names), len(part))
        refused = {names[m[1]]: m[2].strip() for m in _REFUSED.finditer(said) if m[1] in names}
        done = {names[name] for name in _DONE.findall(said) if name in names}
        if code != 0 and (done or len(refused) < len(part)):
            raise _failure(code, said, names)
        try:
            found = read_report(out) if done else {}
        except InputError as error:
            raise _Failed(error.what) from error
        for name, path in names.items():
            if path in done:
                self.results[path] = found.get(name, ())
            else:
                self.refused[path] = refused.get(path, "zizmor cannot read it")

    def _start(self, folder: str, names: Sequence[str], count: int) -> tuple[int, bytes, str]:
        environment = {"HOME": folder, "XDG_CACHE_HOME": folder, "TMPDIR": folder}
        environment |= {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}
        allowed = min(_BASE + _EACH * count, max(self._end - time.monotonic(), 1.0))
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            try:
                done = subprocess.run(
                    limited([self._binary, *_COMMAND, "--", *names], output=_OUTPUT),
                    cwd=folder,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    timeout=allowed,
                    check=False,
                )
            except subprocess.TimeoutExpired as error:
                raise _Failed(f"zizmor took longer than {allowed:.0f} s") from error
            except OSError as error:
                raise _Failed(f"zizmor cannot be run: {error.strerror}") from error
            out.seek(0)
            err.seek(0)
            return done.returncode, out.read(_OUTPUT), err.read(_SAID).decode("utf-8", "replace")


class _Failed(Exception):
    """A run without a result. ``path`` is the file that it ended at, if zizmor named one."""

    def __init__(self, what: str, path: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.path = path


def _failure(code: int, said: str, names: Mapping[str, str]) -> _Failed:
    fatal = _FATAL.search(said)
    causes = _CAUSE.findall(said[fatal.end() :] if fatal else "")
    reason = f"zizmor gave up: {causes[-1].strip()[:200]}" if causes else ""
    path = names.get(fatal[1], "") if fatal else ""
    return _Failed(reason or f"zizmor ended with code {code}", path)


def _batches(inputs: Sequence[Input]) -> Iterator[list[Input]]:
    batch: list[Input] = []
    size = 0
    for each in inputs:
        if batch and (len(batch) >= _BATCH or size + len(each.data) > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(each)
        size += len(each.data)
    if batch:
        yield batch


def _name(number: int, each: Input) -> str:
    """zizmor tells actions from workflows by their file name."""
    return f"{number}/{'action' if each.kind == 'action' else 'workflow'}.yml"


def _text(data: bytes) -> bytes:
    """UTF-8 without a byte order mark, which is all that zizmor reads."""
    with suppress(InputError):
        return decode(data).encode("utf-8", "surrogatepass")
    return data
