"""Walk the commits: where did an object first appear, at which paths, and what is not there.

One ``rev-list --objects`` pass, parents before children and otherwise by author date, names
every object behind the first commit that holds it, and those that are missing. Exact paths come
from ``diff-tree`` (its output is NUL-separated; names may hold anything but NUL).
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from haechi.world.objects.command import Stream
from haechi.world.objects.reader import Named
from haechi.world.objects.repository import Repository
from haechi.world.objects.spool import Spool

DIFF_TREE = (
    "diff-tree",
    "--stdin",
    "--root",
    "-r",
    "-c",
    "--raw",
    "-z",
    "--no-renames",
    "--no-abbrev",
    "--no-ext-diff",
    "--no-textconv",
)
ORDER = ("--author-date-order", "--reverse")
MOST_PATHS = 5_000_000
"""Entries of one tree. Few objects make a tree of any size: ten levels of ten names each, all of
them the same tree, are ten thousand million paths."""
_MEMORY = 1024**3
"""Bytes for a git that keeps the paths of a whole commit before it tells them."""
_CHUNK = 1 << 20
_LONGEST_NAME = 1 << 20
_SUBMODULE = b"160000"


class EndlessTree(Exception):
    """A tree with more than MOST_PATHS entries; those before were told."""


class Introduced(msgspec.Struct, gc=False):
    """A commit put a blob at a path where none of its parents has it."""

    commit: bytes
    blob: bytes
    path: bytes


@dataclass(slots=True)
class Walk:
    """What the pass over the commits told. ``first`` keeps its order: earliest commit first.

    ``complete`` is False when git broke off at something that it could not read.
    """

    first: dict[bytes, bytes] = field(default_factory=dict)
    missing: Named = field(default_factory=Named)
    commits: int = 0
    cut: int = 0
    complete: bool = True


def walk(
    repository: Repository,
    revisions: Sequence[str],
    wanted: Container[bytes],
    *,
    tips: Spool | None = None,
    passed: Spool | None = None,
    cut: frozenset[bytes] = frozenset(),
) -> Walk:
    """The first commit of each wanted object among ``revisions`` and the commits of ``tips``.

    The commits go to ``passed`` in order; those in ``cut``, whose parents are not here, are
    counted.
    """
    found = Walk()
    arguments = ["rev-list", "--objects", "--in-commit-order", "--missing=print"]
    arguments += ORDER
    stdin = None
    if tips is not None and tips.count:
        arguments.append("--stdin")
        stdin = tips.at(0)
    # After the tips: a "--not" among them is not about those.
    arguments += revisions
    with repository.git.stream(*arguments, stdin=stdin) as stream:
        try:
            _follow(stream, repository.width, found, wanted, passed, cut)
            found.complete = stream.finish()
        except TimeoutError:
            found.complete = False
    return found


def _follow(
    stream: Stream,
    width: int,
    found: Walk,
    wanted: Container[bytes],
    passed: Spool | None,
    cut: frozenset[bytes],
) -> None:
    commit = b""
    first = found.first
    for lines in _lines(stream):
        commits: list[bytes] = []
        for line in lines:
            if len(line) == width:
                commit = line
                commits.append(line)
            elif (id_ := line[:width]) in wanted:
                first.setdefault(id_, commit)
            elif line.startswith(b"?"):
                found.missing.add(line[1:])
        found.commits += len(commits)
        found.cut += len(cut.intersection(commits))
        if passed is not None:
            passed.extend(commits)


def _lines(stream: Stream) -> Iterator[list[bytes]]:
    """Lines in bulk; of very long ones (names may be) only the beginning, which is the id."""
    rest = b""
    while chunk := stream.out.read1(_CHUNK):
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()
        if len(rest) > _LONGEST_NAME:
            rest = rest[:100]
        yield lines


@dataclass(slots=True)
class Introductions:
    """What commits brought in, read from ``diff-tree``. ``complete`` is known at the end.

    A commit that git cannot read ends git; reading goes on behind it, so many times.
    """

    repository: Repository
    commits: Spool
    within: str = ""
    restarts: int = 20
    complete: bool = True
    reached: int = 0

    def __iter__(self) -> Iterator[Introduced]:
        left = self.restarts
        while self.reached < self.commits.count:
            before = self.reached
            arguments = [*DIFF_TREE, "--always"]
            if self.within:
                arguments += ["--", f":(top,literal){self.within}"]
            stdin = self.commits.at(self.reached)
            # diff-tree reads the index, for attributes only, and dies when it is damaged.
            index = {"GIT_INDEX_FILE": str(self.repository.directory / "haechi-no-index")}
            with self.repository.git.stream(
                *arguments, stdin=stdin, memory=_MEMORY, extra=index
            ) as stream:
                try:
                    yield from self._entries(stream)
                    if stream.finish():
                        return
                except TimeoutError:
                    left = 0
            self.complete = False
            left -= 1
            if left < 0:
                return
            # git told the commits up to the one before the unreadable one, or died in the midst
            # of one: that one is passed over.
            self.reached = max(self.reached, before) + 1

    def _entries(self, stream: Stream) -> Iterator[Introduced]:
        width = self.repository.width
        commit = b""
        tokens = _tokens(stream)
        for token in tokens:
            if not token.startswith(b":"):
                self.reached += 1
                commit = token[:width]
                continue
            path = next(tokens, None)
            if path is None:
                return
            fields = token.split(b" ")
            parents = len(fields[0]) - len(fields[0].lstrip(b":"))
            if len(fields) != 2 * parents + 3 or fields[parents] == _SUBMODULE:
                continue
            blob = fields[2 * parents + 1]
            if blob.strip(b"0"):
                yield Introduced(commit, blob, path)


def _tokens(stream: Stream) -> Iterator[bytes]:
    rest = b""
    while chunk := stream.out.read1(_CHUNK):
        *whole, rest = (rest + chunk).split(b"\0")
        if len(rest) > _LONGEST_NAME:  # a name that no file system takes
            rest = rest[:_LONGEST_NAME]
        yield from whole


def head_paths(
    repository: Repository, wanted: Container[bytes] | None
) -> Iterator[tuple[bytes, bytes]]:
    """(blob, path) of the wanted blobs in the tree of HEAD; None wants all.

    Raises EndlessTree at its end when the tree goes on after MOST_PATHS entries.
    """
    head = repository.head
    with repository.git.stream("ls-tree", "-r", "-z", "--full-tree", head) as stream:
        for number, token in enumerate(_tokens(stream)):
            if number == MOST_PATHS:
                raise EndlessTree
            meta, _, path = token.partition(b"\t")
            id_ = meta[-repository.width :]
            if (wanted is None or id_ in wanted) and not meta.startswith(_SUBMODULE):
                yield id_, path


def index_paths(
    repository: Repository, extra: dict[str, str] | None = None
) -> Iterator[tuple[bytes, bytes]]:
    """(blob, path) of all that the index holds, sides of unfinished merges included."""
    with repository.git.stream("ls-files", "-s", "-z", "--full-name", extra=extra) as stream:
        for token in _tokens(stream):
            meta, _, path = token.partition(b"\t")
            fields = meta.split(b" ")
            if len(fields) == 3 and fields[0] != _SUBMODULE:
                yield fields[1], path


def staged_paths(
    repository: Repository, extra: dict[str, str] | None = None
) -> Iterator[tuple[bytes, bytes]]:
    """(blob, path) of the index where it differs from HEAD. Raises OSError when git cannot tell:
    an index that is not readable would else be one that holds nothing."""
    base = repository.head or repository.empty_tree
    width = repository.width
    with repository.git.stream(
        "diff-index", "--cached", "--raw", "-z", "--no-renames", "--no-abbrev",
        "--no-ext-diff", "--no-textconv", "--ignore-submodules", base, "--", memory=_MEMORY,
        extra=extra,
    ) as stream:  # fmt: skip
        tokens = _tokens(stream)
        unmerged = False
        for token in tokens:
            path = next(tokens, b"")
            fields = token.split(b" ")
            if len(fields) != 5:
                continue
            unmerged = unmerged or fields[4] == b"U"
            if fields[1] != _SUBMODULE and fields[3].strip(b"0") and len(fields[3]) == width:
                yield fields[3], path
        if not stream.finish():
            raise OSError("the index or the commit below it cannot be read")
    if unmerged:
        yield from _unmerged(repository, extra)


def _unmerged(
    repository: Repository, extra: dict[str, str] | None
) -> Iterator[tuple[bytes, bytes]]:
    with repository.git.stream("ls-files", "-u", "-z", "--full-name", extra=extra) as stream:
        for token in _tokens(stream):
            meta, _, path = token.partition(b"\t")
            fields = meta.split(b" ")
            if len(fields) == 3 and fields[0] != _SUBMODULE:
                yield fields[1], path
