"""Real repositories for tests, made commit by commit with ``git fast-import``."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from haechi.checks.secrets.detect import Candidate, Candidates
from haechi.model.severity import Severity
from haechi.rules.schema import AppliesTo, JudgeKind, Rule

RULE = Rule(
    id="secret-test",
    title="Test",
    severity=Severity.HIGH,
    why="",
    fix="",
    applies_to=AppliesTo(kinds=[]),
    judge=JudgeKind.PATTERN,
    bad=[],
    good=[],
)


class WordDetector:
    """Finds ``leak=WORD``. What lies under ``fixtures/`` is not kept. Counts what it reads."""

    key = "words-1"

    def __init__(self) -> None:
        self.read: list[bytes] = []

    def find(self, data: bytes) -> Candidates:
        self.read.append(data)
        found = Candidates()
        for match in re.finditer(rb"leak=(\w+)", data):
            candidate = Candidate(RULE, match.start(1), match.end(1), match[1])
            candidate.line = candidate.end_line = data.count(b"\n", 0, match.start()) + 1
            begin = data.rfind(b"\n", 0, match.start()) + 1
            candidate.column = match.start(1) - begin + 1
            candidate.end_column = match.end(1) - begin + 1
            found.append(candidate)
        return found

    def keeps(self, candidate: Candidate, path: str) -> bool:
        return not path.startswith("fixtures/")


def git(folder: Path, *arguments: str, stdin: bytes = b"") -> str:
    """Run git for real; fails loudly."""
    settings = ["-c", "user.name=t", "-c", "user.email=t@example.invalid"]
    settings += ["-c", "init.defaultBranch=main", "-c", "protocol.file.allow=always"]
    command = ["git", "-C", str(folder), *settings, *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, check=False)
    assert done.returncode == 0, (arguments, done.stderr)
    return done.stdout.decode("utf-8", "backslashreplace").strip()


class Repo:
    """A repository and its folder. Dates count up by a minute unless given."""

    def __init__(self, folder: Path, *, form: str = "sha1") -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        git(folder, "init", "-q", f"--object-format={form}")
        self._clock = 1_700_000_000

    def commit(
        self,
        files: Mapping[str | bytes, bytes],
        *,
        branch: str = "main",
        parents: Sequence[str] | None = None,
        remove: Sequence[str] = (),
        submodule: Mapping[str, str] | None = None,
        date: int | None = None,
    ) -> str:
        """Commit on top of the branch (or of ``parents``), which then points to it."""
        self._clock += 60
        when = date if date is not None else self._clock
        lines = [
            f"commit refs/heads/{branch}\nmark :1\n".encode(),
            f"author t <t@example.invalid> {when} +0900\n".encode(),
            f"committer t <t@example.invalid> {self._clock} +0000\ndata 2\nx\n\n".encode(),
        ]
        known = self.tip(branch) if parents is None else None
        for word, parent in zip(
            ("from", *["merge"] * 9), parents or ([known] if known else []), strict=False
        ):
            lines.append(f"{word} {parent}\n".encode())
        lines += [f"D {path}\n".encode() for path in remove]
        for path, data in files.items():
            lines.append(b"M 100644 inline %s\ndata %d\n%s\n" % (_quoted(path), len(data), data))
        for name, id_ in (submodule or {}).items():
            lines.append(f"M 160000 {id_} {name}\n".encode())
        lines.append(b"\nget-mark :1\n")
        arguments = ["fast-import", "--quiet", "--force", "--cat-blob-fd=1"]
        return git(self.folder, *arguments, stdin=b"".join(lines))

    def tip(self, branch: str) -> str | None:
        """The commit of a branch, if there is one."""
        shown = git(self.folder, "for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}")
        return shown or None

    def blob(self, data: bytes) -> str:
        """Store a blob that nothing leads to."""
        return git(self.folder, "hash-object", "-w", "--stdin", stdin=data)

    def loose(self, id_: str) -> Path:
        """The file of a loose object, writable."""
        path = self.folder / ".git/objects" / id_[:2] / id_[2:]
        assert path.exists(), id_
        path.chmod(0o644)
        return path


def _quoted(path: str | bytes) -> bytes:
    data = path.encode() if isinstance(path, str) else path
    if not re.search(rb'["\\\n\x00-\x1f\x7f-\xff]', data):
        return data
    inner = b"".join(b"%c" % c if 32 < c < 127 and c not in b'"\\' else b"\\%03o" % c for c in data)
    return b'"' + inner + b'"'
