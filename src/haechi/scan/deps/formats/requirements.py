"""requirements.txt and constraints.txt as pip reads them: includes, hashes, continued lines.

What ``-r`` includes is a file of its own in the answer, with the versions that constraints
(``-c``) of the including file give it. A file of constraints installs nothing: one that ``-c``
names, and that is called so, is covered by whoever names it; another file that ``-c`` names may
well be installed by itself (layers as pip-tools has them), and is told. Comments that pip-compile
and uv write (``# via``) are the edges.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from urllib.parse import unquote
from weakref import WeakKeyDictionary

from haechi.errors import InputError, LimitExceeded
from haechi.model.coverage import Gap
from haechi.model.package import PackageFile, Source
from haechi.scan.deps.formats import Around
from haechi.scan.deps.formats.decoding import MAX_PACKAGES, text_of, too_many
from haechi.scan.deps.formats.graph import Draft, Roots, settle
from haechi.scan.deps.formats.pep508 import normal_name, requirement
from haechi.scan.deps.formats.pyproject import source_of_url
from haechi.scan.deps.formats.urls import clean_url

MAX_INCLUDES = 200
MAX_INCLUDED = 500_000
"""Lines of one tree that are read because another file includes them."""
_LINE = 20_000
_FILE_NAME = 300
_INCLUDE = re.compile(r"(?:-r|--requirement|-c|--constraint)(?:\s*=\s*|\s+|(?<=-[rc]))(.+)")
_EDITABLE = re.compile(r"(?:-e|--editable)(?:\s*=\s*|\s+)(.+)")
_OPTIONS = re.compile(r"\s(?:--(?:hash|config-settings|global-option|install-option)\b|-C\s).*")
_HASH = re.compile(r"--hash[=\s]+['\"]?([A-Za-z0-9_-]{1,20}:[A-Za-z0-9_=+/-]{1,200})")
_COMMENT = re.compile(r"(?:^|\s)#.*")
_EGG = re.compile(r"[#&]egg=([A-Za-z0-9._-]+)")
_ARCHIVE = re.compile(
    r"([A-Za-z0-9][A-Za-z0-9._]*?)-(\d[^/-]*?)(?:-[^/]*\.whl|\.tar\.\w+|\.zip|\.tgz)\Z"
)
_CONSTRAINTS = re.compile(r"(?:^|[-_./])constraints?(?:[-_./]|$)", re.IGNORECASE)
_DEVELOPMENT = re.compile(
    r"(?:^|[-_./])(?:dev|devel|development|tests?|testing|lint|docs?)(?:[-_./]|$)"
)


def read(data: bytes, path: str, around: Around) -> Sequence[PackageFile]:
    """Read a requirements or constraints file with what it includes."""
    reader = _Reader(path, around)
    reader.read(data, path)
    return reader.files() if reader.drafts or reader.gaps else ()


class _Included:
    """How many lines all files of a tree took from others: each that includes reads them anew."""

    __slots__ = ("lines",)

    def __init__(self) -> None:
        self.lines = 0


_INCLUDED: WeakKeyDictionary[Around, _Included] = WeakKeyDictionary()


class _Reader:
    def __init__(self, path: str, around: Around) -> None:
        self.path = path
        self.drafts: list[Draft] = []
        self.gaps: list[Gap] = []
        self._around = around
        self._places: list[str] = []
        self._via: list[tuple[str, ...]] = []
        self._seen = {(path, False)}
        self._constraints: set[str] = set()
        self._pins: dict[str, set[str]] = {}
        self._constraining = 0
        self._full = False
        self._included = _INCLUDED.setdefault(around, _Included())

    def read(self, data: bytes, path: str) -> None:
        """One file and, depth first, what it includes; each file once, so cycles end."""
        for line, text, after in logical_lines(text_of(data, path)):
            if path != self.path:
                self._included.lines += 1
            via = _via(after)
            if text.startswith("-"):
                self._option(text, path, line)
            elif text:
                self._requirement(text, path, line, via)
            if len(self.drafts) >= MAX_PACKAGES:
                if not self._full:
                    self.gaps.append(too_many(path))
                self._full = True
                return

    def _option(self, text: str, path: str, line: int) -> None:
        if match := _INCLUDE.fullmatch(text):
            self._include(match[1].strip().strip("'\""), path, line, text.startswith(("-c", "--c")))
        elif match := _EDITABLE.fullmatch(text):
            self._address(match[1].strip().strip("'\""), path, line)

    def _include(self, named: str, path: str, line: int, constrains: bool) -> None:
        where = f"{path}:{line}"
        if "://" in named:
            reason = f"includes {clean_url(named)}, which is not fetched"
            self._gap(where, reason, "keep the file in the repository")
            return
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), unquote(named)))
        constrains = constrains or self._constraining > 0
        if (target, constrains) in self._seen:
            return
        if len(self._seen) >= MAX_INCLUDES:
            raise LimitExceeded(f"more than {MAX_INCLUDES} files included", where=where)
        if self._included.lines >= MAX_INCLUDED:
            self._cut(where)
            return
        self._seen.add((target, constrains))
        if constrains and _CONSTRAINTS.search(target):
            self._constraints.add(target)
        data = None if target.startswith(("../", "/")) else self._around.read(target)
        if data is None:
            self._gap(where, f"includes {named}, which cannot be read", "correct the path")
            return
        self._constraining += constrains
        try:
            self.read(data, target)
        except LimitExceeded:
            raise
        except InputError as error:
            self._gap(error.where or target, error.what, error.do)
        finally:
            self._constraining -= constrains

    def _cut(self, where: str) -> None:
        reason = f"files include more than {MAX_INCLUDED:,} lines of others in all; the rest is not"
        if not any(gap.kind == "too-large" for gap in self.gaps):
            do = "scan parts of the tree by themselves"
            self.gaps.append(Gap(kind="too-large", path=where, reason=f"{reason} read", do=do))

    def _requirement(self, text: str, path: str, line: int, via: list[str]) -> None:
        digests = tuple(_HASH.findall(text)) if "--hash" in text else ()
        text = _OPTIONS.sub("", text).strip()
        found = requirement(text)
        if found is None:
            self._address(text, path, line, digests)
            return
        if self._constraining:
            if found.version:
                self._pins.setdefault(found.name, set()).add(found.version)
            return
        draft = Draft(
            found.name,
            found.version or _version_in(found.url),
            spelled=found.spelled,
            constraint=found.constraint,
            line=line,
            source=source_of_url(found.url),
            url=found.url,
            digests=digests,
        )
        self._add(draft, path, via)

    def _address(self, text: str, path: str, line: int, digests: tuple[str, ...] = ()) -> None:
        """A path or an address without a name before it."""
        text = text.partition(" ;")[0].strip()
        found = requirement(text)  # pip takes ``-e name @ git+https://…``, too
        if found is not None and found.url:
            self._requirement(text, path, line, [])
            return
        if text.startswith("--") or self._constraining:
            return
        source = source_of_url(text)
        if source is Source.PATH and not _looks_like_path(text):
            self._gap(f"{path}:{line}", "not a requirement that pip reads", "correct the line")
            return
        plain = text.partition("#")[0].partition("?")[0]
        egg, archive = _EGG.search(text), _archive(plain)
        spelled = egg[1] if egg else archive[1] if archive else ""
        if not spelled and source is Source.PATH:
            return  # the project itself or a neighbour of it: told by its own manifest
        if not spelled:
            spelled = plain.rstrip("/").rpartition("/")[2].partition("@")[0]
            spelled = spelled.removesuffix(".git")
        draft = Draft(
            normal_name(spelled),
            archive[2] if archive else "",
            spelled=spelled,
            line=line,
            source=source,
            url=clean_url(text),
            digests=digests,
        )
        self._add(draft, path, [])

    def _add(self, draft: Draft, path: str, via: list[str]) -> None:
        draft.development = bool(_DEVELOPMENT.search(posixpath.basename(path).lower()))
        self.drafts.append(draft)
        self._places.append(path)
        self._via.append(tuple(via))

    def _gap(self, where: str, reason: str, do: str) -> None:
        self.gaps.append(Gap(kind="lockfile", path=where, reason=clean_url(reason), do=do))

    def files(self) -> Sequence[PackageFile]:
        """Constraints applied and edges from comments, by the file that each package stands in."""
        for draft in self.drafts:
            pins = self._pins.get(draft.name, set())
            if not draft.version and draft.source is Source.REGISTRY and len(pins) == 1:
                draft.version = next(iter(pins))
        chosen: dict[str, list[int]] = {self.path: []}
        for at, place in enumerate(self._places):
            chosen.setdefault(place, []).append(at)
        return [self._file(place, positions) for place, positions in chosen.items()]

    def _file(self, place: str, chosen: list[int]) -> PackageFile:
        drafts = [self.drafts[at] for at in chosen]
        roots = _edges(drafts, [self._via[at] for at in chosen])
        packages, requires = settle(drafts, roots, ecosystem="PyPI", path=place, scopes=False)
        own = place == self.path
        return PackageFile(
            path=place,
            format="requirements.txt",
            ecosystem="PyPI",
            packages=packages,
            requires=requires,
            covers=tuple(sorted(self._constraints)) if own else (),
            gaps=tuple(self.gaps) if own else (),
        )


def _edges(drafts: list[Draft], vias: list[tuple[str, ...]]) -> Roots | None:
    """``# via`` names who needs a package; without such comments nobody knows."""
    if not any(vias):
        return None
    by_name = {draft.name: at for at, draft in enumerate(drafts)}
    direct = []
    for at, via in enumerate(vias):
        owners = [by_name[name] for name in via if name in by_name]
        for owner in owners:
            drafts[owner].needs.append(at)
        if len(owners) < len(via) or not via:
            direct.append(at)
    return Roots(direct)


def logical_lines(text: str) -> Iterator[tuple[int, str, str]]:
    """Number, text without comments, and the comments after it, of each line as pip joins them.

    pip strips comments only after it joined continued lines; a line of nothing but a comment ends
    a continuation. Lines are cut at 20,000 characters.
    """
    # pip-compile writes "# via" behind or below the line that it is about.
    pending: list[str] = []
    first = length = 0
    held: tuple[int, str] | None = None
    comments: list[str] = []
    for number, line in enumerate([*text.splitlines(), ""], 1):
        stripped = line.strip()
        if stripped.startswith("#") and not pending:
            comments.append(stripped)
            continue
        if not pending:
            first = number
        if stripped.endswith("\\") and length < _LINE and not stripped.startswith("#"):
            pending.append(stripped[:-1])
            length += len(stripped)
            continue
        joined = " ".join((*pending, stripped))[:_LINE]
        pending, length = [], 0
        code = _COMMENT.sub("", joined).strip() if "#" in joined else joined.strip()
        if code:
            if held is not None:
                yield *held, "\n".join(comments)
            held = (first, code)
            comments = [joined[len(code) :].strip()] if "#" in joined else []
    if held is not None:
        yield *held, "\n".join(comments)


def _via(comments: str) -> list[str]:
    """Names in ``# via`` comments: on one line with commas, or one on each line."""
    names: list[str] = []
    inside = False
    for line in comments.split("\n"):
        text = line.lstrip("# \t")
        if text == "via" or text.startswith("via "):
            inside, text = True, text[3:]
        elif not line.startswith("#   "):
            inside = False
        if inside:
            names += [part.strip() for part in text.split(",") if part.strip()]
    return [normal_name(name.partition(" (")[0].partition("[")[0]) for name in names]


def _looks_like_path(text: str) -> bool:
    return "/" in text or text.startswith(".") or text.endswith((".whl", ".zip", ".gz"))


def _version_in(url: str) -> str:
    archive = _archive(url.partition("#")[0].partition("?")[0])
    return archive[2] if archive else ""


def _archive(path: str) -> re.Match[str] | None:
    name = path.rpartition("/")[2]
    return _ARCHIVE.match(name) if len(name) <= _FILE_NAME else None
