"""What is read of a tree, and what is said of it: shared by everything that collects.

Everything that could not be read becomes a gap with a reason; nothing is skipped in silence.
Budgets bound memory: past them the rest is a gap, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from haechi.engines.documents import Document, Fault, decode, parse_documents
from haechi.engines.values import LIMITS
from haechi.errors import InputError
from haechi.model.coverage import Gap
from haechi.model.resource import Resource
from haechi.scan.iac.collected import Collected
from haechi.scan.iac.sources import WIDE
from haechi.scan.iac.unrendered import unrendered_object
from haechi.scan.suppressions import Index, from_object, from_text
from haechi.world.files import Entry, Tree

Progress = Callable[[int, int, str], None]

MAX_TEXT = 100 * 1024 * 1024
"""Bytes of manifests held at once; about 400 MB as Python values is never reached below it."""
KEEP_NODES = 4 * 1024 * 1024
"""Bytes of YAML whose node trees stay in memory; later documents are composed again on demand."""
_LOOK = 256 * 1024 * 1024
"""Bytes of a file that is too large to be read in which something is looked for."""
_REMEDIES = {
    "template": "render it (helm, envsubst, jinja) and scan the result",
    "syntax": "correct the YAML",
}


class Intake:
    """Reads files of a tree within the budget of a run and keeps what they hold. ``index`` maps
    other tools' rule ids to ours for their suppressions."""

    def __init__(self, tree: Tree, index: Index, progress: Progress | None = None) -> None:
        self.tree = tree
        self.index = index
        self.out = Collected()
        self._progress = progress
        self._text = 0
        self._full = False

    def read(self, entry: Entry, limit: int = 0) -> bytes | None:
        """The bytes of a file, as many as a manifest may have or ``limit``; a gap says why there
        are none."""
        limit = limit or LIMITS.size
        if entry.size > limit:
            self.too_large(entry, limit)
            return None
        try:
            return self.tree.read(entry.path, limit=limit)
        except InputError as error:
            self.gap("unreadable", entry.path, error.what, "make it readable or exclude it")
            return None

    def holds(self, entry: Entry, needles: Sequence[bytes]) -> bool:
        """Whether a file that is too large to be read holds all of these, in any encoding."""
        encodings = ["utf-8"]
        if any(self.tree.contains(entry.path, (mark,), limit=1) for mark in WIDE):
            encodings += ["utf-16-le", "utf-16-be"]
        return any(
            self.tree.contains(
                entry.path, [needle.decode().encode(name) for needle in needles], limit=_LOOK
            )
            for name in encodings
        )

    def within_budget(self, size: int, path: str) -> bool:
        """False once the run holds too much; said once, for the first file that is left out."""
        self._text += size
        if self._text > MAX_TEXT and not self._full:
            self._full = True
            reason = f"manifests past {MAX_TEXT >> 20} MiB in one run are not judged"
            self.gap("too-much", path, reason, "scan the subfolders one by one")
        return not self._full

    def spend(self, size: int) -> None:
        """So much text is held besides."""
        self._text += size

    @property
    def keeps_nodes(self) -> bool:
        """Whether documents may keep their node trees."""
        return self._text <= KEEP_NODES

    def documents(self, data: bytes, place: Callable[[int], str]) -> list[Document]:
        """The documents of a file or a rendering; ``place`` names a line of it in gaps."""
        documents = []
        try:
            for result in parse_documents(data):
                if isinstance(result, Fault):
                    remedy = _REMEDIES.get(result.kind, "split the file")
                    self.gap(result.kind, place(result.line), result.message, remedy)
                else:
                    documents.append(result)
        except InputError as error:
            path = place(1).removesuffix(":1")
            self.gap("encoding", path, error.what, error.do)
        return documents

    def add(self, resource: Resource) -> None:
        """Keep an object of Kubernetes, and what its annotations waive."""
        self.out.resources.append(resource)
        gap = unrendered_object(resource)
        if gap is not None:
            self.out.gaps.append(gap)
        self.out.waivers.extend(
            from_object(resource.data, resource.key, resource.locate(()), self.index)
        )

    def inline(self, data: bytes, path: str, kind: str) -> None:
        """Keep what the comments of a file waive."""
        try:
            text = decode(data)
        except InputError:
            text = data.decode("utf-8", "replace")
        self.out.waivers.extend(from_text(text, path, kind, self.index))

    def too_large(self, entry: Entry, limit: int = 0) -> None:
        """A file past the limit of manifests, or its own."""
        self.gap(
            "too-large",
            entry.path,
            f"{entry.size:,} bytes; files up to {limit or LIMITS.size:,} are judged",
            "split it",
        )

    def gap(self, kind: str, path: str, reason: str, do: str = "") -> None:
        """What was not judged, why, and what to do."""
        reason = reason.replace(f"{self.tree.root}/", "")
        self.out.gaps.append(Gap(kind=kind, path=path, reason=reason, do=do))

    def tick(self, done: int, total: int, path: str) -> None:
        """Tell how far it is."""
        if self._progress is not None:
            self._progress(done, total, path)
