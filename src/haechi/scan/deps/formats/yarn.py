"""yarn.lock: the classic format (v1) and that of yarn 2 and later ("berry").

Neither tells dependencies for development from others, and the classic one not even what is
direct: both stand in the package.json files of the workspace. Entries are found by descriptors,
``name@range``; one that an entry of ``resolutions`` changed is found by that, else by its name when
that is unique.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from haechi.model.package import PackageFile, Source
from haechi.scan.deps.formats import Around
from haechi.scan.deps.formats.blocks import Blocks, read_blocks
from haechi.scan.deps.formats.decoding import MAX_PACKAGES, table, text_of, too_many, unread, word
from haechi.scan.deps.formats.graph import Draft, Roots, settle
from haechi.scan.deps.formats.members import Project, members_of, project_in
from haechi.scan.deps.formats.node_names import kind_of, split_name
from haechi.scan.deps.formats.urls import clean_url
from haechi.scan.deps.formats.yarn_classic import draft_of, entries
from haechi.scan.deps.formats.yarn_resolutions import resolutions_of


def read(data: bytes, path: str, around: Around) -> Sequence[PackageFile]:
    """Read yarn.lock of any version."""
    if b"__metadata:" in data:
        return (_berry(data, path, around),)
    return (_classic(data, path, around),)


class _Lock:
    """Entries of either format and where their descriptors lead."""

    def __init__(self, path: str, around: Around, *, berry: bool) -> None:
        self.path = path
        self.drafts: list[Draft] = []
        self.by_descriptor: dict[str, int] = {}
        self.full = False
        self.odd = 0
        self._known: dict[tuple[str, str, str], int] = {}
        self._by_name: dict[str, list[int]] = {}
        self.berry = berry
        self.project = project_in(posixpath.dirname(path), around)
        self._around = around
        self._resolutions = resolutions_of(self.project)

    def add(self, draft: Draft, descriptors: Iterable[str]) -> int:
        """Position of a package; patched and plain ones of one version are the same, and an alias
        is told where the package has no other name."""
        key = (draft.name, draft.version, "" if draft.source is Source.REGISTRY else draft.url)
        at = self._known.get(key, -1)
        if at < 0:
            if len(self.drafts) >= MAX_PACKAGES:
                self.full = True
                return -1
            at = self._known[key] = len(self.drafts)
            self.drafts.append(draft)
        elif not draft.spelled:
            self.drafts[at].spelled = ""
        for descriptor in descriptors:
            self.by_descriptor[descriptor] = at
            named = self._by_name.setdefault(split_name(descriptor)[0], [])
            if at not in named[-50:]:
                named.append(at)
        return at

    def find(self, name: str, spec: str, parent: str = "") -> int:
        """The package that ``"name": "spec"`` of ``parent`` leads to, or -1. Yarn 2 and later
        lock what a resolution asks for and the range no more, unless others ask for it, too."""
        if self.berry and (found := self._resolved(name, spec, parent)) is not None:
            return found
        found = self._described(name, spec)
        if found is None and not self.berry:
            found = self._resolved(name, spec, parent)
        if found is None:
            named = self._by_name.get(name, ())
            found = named[0] if len(named) == 1 else -1
        return found

    def _described(self, name: str, spec: str) -> int | None:
        found = self.by_descriptor.get(f"{name}@{spec}")
        return self.by_descriptor.get(f"{name}@npm:{spec}") if found is None else found

    def _resolved(self, name: str, spec: str, parent: str) -> int | None:
        for owner, wanted, value in self._resolutions.get(name, ()):
            if owner in ("", parent) and wanted in ("", spec, spec.removeprefix("npm:")):
                found = self._described(name, value)
                if found is not None:
                    return found
        return None

    def ask(self, project: Project, roots: Roots) -> list[int]:
        """Roots that one package.json asks for."""
        asked: list[int] = []
        for wanted, positions in (
            (project.dependencies, roots.production),
            (project.development, roots.development),
            (project.optional, roots.optional),
        ):
            found = [
                at
                for name, spec in wanted.items()
                if (at := self.find(name, spec, project.name)) >= 0
            ]
            positions += found
            asked += found
        return asked

    def own(self, draft: Draft, project: Project, roots: Roots) -> None:
        """What a member of the workspace asks for: roots, and the member's edges to them."""
        mine = Roots()
        self.ask(project, mine)
        draft.needs += mine.production
        draft.maybe += mine.optional
        draft.tools += mine.development
        roots.production += mine.production
        roots.optional += mine.optional
        roots.development += mine.development

    def file(self, roots: Roots | None, members: Iterable[str]) -> PackageFile:
        """The packages once edges and roots are there."""
        packages, requires = settle(self.drafts, roots, ecosystem="npm", path=self.path)
        return PackageFile(
            path=self.path,
            format="yarn.lock",
            ecosystem="npm",
            packages=packages,
            requires=requires,
            name=self.project.name if self.project else "",
            version=self.project.version if self.project else "",
            covers=tuple(posixpath.join(folder, "package.json") for folder in members),
            gaps=(
                *((too_many(self.path),) if self.full else ()),
                *unread(self.path, self.odd, "entries"),
            ),
        )


def _classic(data: bytes, path: str, around: Around) -> PackageFile:
    lock = _Lock(path, around, berry=False)
    needs: list[tuple[int, list[tuple[str, str]], list[tuple[str, str]]]] = []
    for entry in entries(text_of(data, path), path):
        at = lock.add(draft_of(entry), entry.descriptors)
        if at < 0:
            break
        needs.append((at, entry.needs, entry.maybe))
    for at, firm, maybe in needs:
        draft = lock.drafts[at]
        for edges, wanted in ((draft.needs, firm), (draft.maybe, maybe)):
            edges += [to for one in wanted if (to := lock.find(*one, draft.name)) >= 0]
    if lock.project is None:
        return lock.file(None, ())
    roots = Roots(requires=())
    asked = lock.ask(lock.project, roots)
    folders = []
    for member in members_of(lock.project, around):
        at = len(lock.drafts)
        name = member.name or member.folder
        draft = Draft(name, member.version, source=Source.WORKSPACE, url=member.folder)
        lock.own(draft, member, roots)
        lock.drafts.append(draft)
        folders.append(member.folder)
        asked.append(at)
    roots.production += asked[len(asked) - len(folders) :]
    roots.requires = asked
    return lock.file(roots, folders)


def _berry(data: bytes, path: str, around: Around) -> PackageFile:
    lock = _Lock(path, around, berry=True)
    found = read_blocks(data, path, MAX_PACKAGES + 1)
    blocks = found[-1] if found else Blocks()
    lines = blocks.lines.get("", {})
    lock.full = blocks.cut
    needs: list[tuple[int, Mapping[str, Any]]] = []
    members: list[tuple[int, str, Mapping[str, Any]]] = []
    root: dict[str, Any] = {}
    for key, value in blocks.data.items():
        if key == "__metadata":
            continue
        entry = table(value)
        if not entry:
            lock.odd += 1
            continue
        draft, member = _berry_draft(key, entry, lines.get(key, 1))
        if member == ".":
            root = entry
            continue
        at = lock.add(draft, key.split(", "))
        if at < 0:
            break
        needs.append((at, entry))
        if member:
            members.append((at, member, entry))
    for at, needing in needs:
        if lock.drafts[at].source is not Source.WORKSPACE:
            _connect(lock, at, needing)
    roots = _berry_roots(lock, root, members, around)
    base = posixpath.dirname(path)
    folders = [posixpath.normpath(posixpath.join(base, folder)) for _, folder, _ in members]
    return lock.file(roots, folders)


def _berry_draft(key: str, entry: Mapping[str, Any], line: int) -> tuple[Draft, str]:
    """A package, and the folder if it is a member of the workspace."""
    named = [split_name(one) for one in key.split(", ")]
    spelled, spec = named[0]
    name, resolved = split_name(word(entry.get("resolution")) or spelled)
    version = word(entry.get("version"))
    protocol, _, rest = resolved.partition(":")
    member = ""
    source, url = Source.REGISTRY, ""
    if protocol == "workspace":
        member = rest.partition("::")[0] or "."
        source, url = Source.WORKSPACE, member
        version = "" if version == "0.0.0-use.local" else version
    elif protocol == "patch":
        real, inner = split_name(unquote(rest.partition("#")[0]))
        name = real or name
        if not inner.startswith("npm:"):
            source, url = kind_of(inner), inner
    elif protocol not in ("npm", ""):
        url = resolved.partition("::")[0]
        source = kind_of(url)
    checksum = word(entry.get("checksum")).rpartition("/")[2]
    if any(one == name for one, _ in named) or not (spec.startswith("npm:") or not spec):
        spelled = name
    draft = Draft(
        name,
        version,
        spelled=spelled,
        line=line,
        source=source,
        url=clean_url(url),
        digests=(f"sha512:{checksum}",)
        if len(checksum) == 128 and source is Source.REGISTRY
        else (),
    )
    return draft, member


def _connect(lock: _Lock, at: int, entry: Mapping[str, Any]) -> None:
    draft = lock.drafts[at]
    meta = table(entry.get("dependenciesMeta"))
    for name, spec in table(entry.get("dependencies")).items():
        to = lock.find(name, word(spec), draft.name)
        if to >= 0:
            optional = table(meta.get(name)).get("optional") == "true"
            (draft.maybe if optional else draft.needs).append(to)


def _berry_roots(
    lock: _Lock,
    root: Mapping[str, Any],
    members: list[tuple[int, str, Mapping[str, Any]]],
    around: Around,
) -> Roots | None:
    """Roots by the package.json of each member; one that cannot be read ships all it asks for."""
    if not root and not members:
        return None
    roots = Roots(requires=())
    base = posixpath.dirname(lock.path)
    asked = [at for at, _, _ in members]
    if lock.project is not None:
        asked += lock.ask(lock.project, roots)
    else:
        found = list(_targets(lock, root))
        roots.production += found
        asked += found
    for at, folder, entry in members:
        roots.production.append(at)
        draft = lock.drafts[at]
        member = project_in(posixpath.normpath(posixpath.join(base, folder)), around)
        if member is None:
            found = list(_targets(lock, entry))
            draft.needs += found
            roots.production += found
            continue
        draft.version = draft.version or member.version
        lock.own(draft, member, roots)
    roots.requires = asked
    return roots


def _targets(lock: _Lock, entry: Mapping[str, Any]) -> Iterator[int]:
    for name, spec in table(entry.get("dependencies")).items():
        to = lock.find(name, word(spec))
        if to >= 0:
            yield to
