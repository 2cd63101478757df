"""What haechi asks of git besides the ignored files: the tree of another commit."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from haechi.errors import UsageError
from haechi.world.files import MAX_FILES, SKIPPED_DIRECTORIES
from haechi.world.objects.command import CONTENT_MEMORY, Git, Stream

MAX_BLOB = 16 * 1024 * 1024
"""Bytes of a file; larger ones are not judged anyway."""
MAX_TOTAL = 2 * 1024 * 1024 * 1024
MAX_LISTING = 256 * 1024 * 1024
"""Bytes of the list of files, a few million of them."""
_REGULAR = ("100644", "100755")


def extract(root: Path, ref: str, target: Path, *, within: str = "") -> str:
    """Write the files of ``ref`` (those under ``within``) into ``target``; return its commit id.

    Contents come as they are stored: nothing is checked out, so no filter, hook or attribute of
    the repository has a say. Links and submodules are left out. Raises UsageError when the ref
    does not name a commit here.
    """
    git = Git(root)
    found = git.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    if found.code != 0 or not found.text:
        raise UsageError(
            f"git knows no commit {ref!r} in {root}",
            why="a shallow clone in CI often lacks the base branch",
            do="fetch it first, e.g. git fetch origin main",
        )
    identity = found.text
    scope = ["--", within] if within else []
    files = list(_files(_listed(git, identity, scope, ref), ref))
    if len(files) > MAX_FILES:
        raise UsageError(f"the tree of {ref!r} has more than {MAX_FILES:,} files")
    if sum(size for _, _, size in files) > MAX_TOTAL:
        raise UsageError(f"the tree of {ref!r} is larger than {MAX_TOTAL:,} bytes")
    _write(git, files, target)
    return identity


def _listed(git: Git, identity: str, scope: list[str], ref: str) -> bytes:
    """What ls-tree says, up to a bound: few objects make a tree of any size."""
    parts: list[bytes] = []
    size = 0
    try:
        with git.stream("ls-tree", "-r", "-l", "-z", "--full-tree", identity, *scope) as stream:
            while part := stream.out.read(1 << 20):
                parts.append(part)
                size += len(part)
                if size > MAX_LISTING:
                    raise UsageError(f"the tree of {ref!r} has more files than can be listed")
            listed = stream.finish()
    except OSError:
        listed = False
    if not listed:
        raise UsageError(f"git cannot list the files of {ref!r}", do="see `git fsck`")
    return b"".join(parts)


def _files(listed: bytes, ref: str) -> Iterator[tuple[str, str, int]]:
    """(blob id, path, size) of the regular files that a scan would look at."""
    for entry in listed.split(b"\0"):
        head, _, name = entry.partition(b"\t")
        fields = head.decode().split()
        path = os.fsdecode(name)
        parts = PurePosixPath(path).parts
        if len(fields) != 4 or fields[0] not in _REGULAR:
            continue
        if not fields[3].isdecimal():
            raise UsageError(
                f"git lacks the content of {path} at {ref!r}",
                why="a partial clone fetches contents only when it needs them",
                do="fetch the commit in full",
            )
        if int(fields[3]) > MAX_BLOB:
            continue
        # Git refuses such names, but a tree object can be made to hold them.
        if path.startswith("/") or not {"..", ".git"}.isdisjoint(parts):
            continue
        if SKIPPED_DIRECTORIES.isdisjoint(parts[:-1]):
            yield fields[2], path, int(fields[3])


def _write(git: Git, files: list[tuple[str, str, int]], target: Path) -> None:
    """Copy blobs by one ``git cat-file --batch``, written one by one as they arrive."""
    import tempfile

    with tempfile.TemporaryFile() as asked:
        asked.writelines(f"{blob}\n".encode() for blob, _, _ in files)
        asked.seek(0)
        try:
            with git.stream(
                "cat-file", "--batch", "--buffer", stdin=asked, memory=CONTENT_MEMORY
            ) as stream:
                for blob, path, size in files:
                    _write_file(target / path, _content(stream, blob, path, size))
        except TimeoutError as error:
            raise UsageError("git stopped answering", do="see `git fsck`") from error


def _content(stream: Stream, blob: str, path: str, size: int) -> bytes:
    """The next content, which has to be that of the blob."""
    head = stream.out.readline(200).split()
    if len(head) == 3 and head[2] == str(size).encode():
        data = stream.out.read(size)
        if len(data) == size and stream.out.read(1) == b"\n":
            return data
    raise UsageError(f"git lacks the content of {path} ({blob[:12]})")


def _write_file(destination: Path, data: bytes) -> None:
    destination.parent.mkdir(parents=True, exist_ok=True)
    destination.write_bytes(data)


def top_level(root: Path) -> Path | None:
    """The top of the git work tree that holds ``root``, or None."""
    shown = Git(root, silence=10).run("rev-parse", "--show-toplevel")
    return Path(shown.text) if shown.code == 0 and shown.text else None
