"""Drafts of packages become packages: who is needed by whom, what is shipped, what is a choice.

Lock files tell edges and roots in many ways; here they are put together in one. A package that
both a shipped and a development root need is shipped. What no root reaches is taken as shipped:
leaving a package out must need a reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from haechi.errors import InputError
from haechi.model.location import Location
from haechi.model.package import Package, Source


class Draft:
    """A package while its file is read. ``maybe`` are needs that may be left out (optional
    dependencies, peers), ``tools`` what a member of a workspace needs for its development (they
    are told, but carry nothing into what is shipped). ``part_of`` marks an
    extra: it stands for what the package at that position needs with the extra and becomes part
    of it; extras come after all packages."""

    __slots__ = (
        "constraint", "development", "digests", "install_script", "licence", "line", "maybe",
        "name", "needs", "optional", "part_of", "source", "spelled", "tools", "url", "version",
        "yanked",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        version: str = "",
        *,
        line: int = 1,
        spelled: str = "",
        constraint: str = "",
        source: Source = Source.REGISTRY,
        url: str = "",
        digests: tuple[str, ...] = (),
        licence: str = "",
        install_script: bool = False,
        yanked: str = "",
        development: bool = False,
        optional: bool = False,
        part_of: int = -1,
    ) -> None:
        self.name = name
        self.version = version
        self.line = line
        self.spelled = "" if spelled == name else spelled
        self.constraint = constraint
        self.source = source
        self.url = url
        self.digests = digests
        self.licence = licence
        self.install_script = install_script
        self.yanked = yanked
        self.development = development
        self.optional = optional
        self.part_of = part_of
        self.needs: list[int] = []
        self.maybe: list[int] = []
        self.tools: list[int] = []


class Roots:
    """Positions of what the project asks for: shipped, for development only, as an extra.

    ``requires`` are those that the project itself (not a member of its workspace) asks for; None:
    all of them."""

    __slots__ = ("development", "optional", "production", "requires")

    def __init__(
        self,
        production: Iterable[int] = (),
        development: Iterable[int] = (),
        optional: Iterable[int] = (),
        requires: Iterable[int] | None = None,
    ) -> None:
        self.production = list(production)
        self.development = list(development)
        self.optional = list(optional)
        self.requires = None if requires is None else list(requires)


def settle(
    drafts: Sequence[Draft],
    roots: Roots | None,
    *,
    ecosystem: str,
    path: str,
    scopes: bool = True,
    project: int = -1,
) -> tuple[tuple[Package, ...], tuple[int, ...]]:
    """The packages and what the project requires.

    Without roots (None) nobody knows what is direct. ``scopes`` false: ``development`` and
    ``optional`` are as the file says; true: they follow from the roots (what the roots do not
    reach keeps what the file says). ``project`` is the position of the project itself, which is
    no package: positions behind it move up by one. Raises InputError for a package without a name.
    """
    for draft in drafts:
        if not draft.name and draft.part_of < 0:
            raise InputError("a package without a name", where=f"{path}:{draft.line}")
    if roots is not None and scopes:
        _mark(drafts, roots)
    direct: set[int] = set()
    if roots is not None:
        asked = (*roots.production, *roots.development, *roots.optional)
        direct.update(_package(drafts, at) for at in asked)
    requires = direct
    if roots is not None and roots.requires is not None:
        requires = {_package(drafts, at) for at in roots.requires}
    needs = _joined(drafts, project)
    packages = tuple(
        _finished(draft, needs[at], None if roots is None else at in direct, ecosystem, path)
        for at, draft in enumerate(drafts)
        if draft.part_of < 0 and at != project
    )
    return packages, tuple(sorted(at - (at > project >= 0) for at in requires if at != project))


def _mark(drafts: Sequence[Draft], roots: Roots) -> None:
    firm = reached(drafts, roots.production, maybe=False)
    shipped = reached(drafts, (*roots.production, *roots.optional), maybe=True)
    tools = reached(drafts, roots.development, maybe=False)
    touched = reached(drafts, roots.development, maybe=True)
    for at, draft in enumerate(drafts):
        if at in firm:
            draft.development = draft.optional = False
        elif at in shipped:
            draft.development, draft.optional = False, True
        elif at in touched:
            draft.development, draft.optional = True, at not in tools


def reached(drafts: Sequence[Draft], roots: Iterable[int], *, maybe: bool) -> set[int]:
    """Positions reached from roots over ``needs`` (and ``maybe``)."""
    seen = set(roots)
    pending = list(seen)
    while pending:
        draft = drafts[pending.pop()]
        edges = (*draft.needs, *draft.maybe) if maybe else draft.needs
        for at in edges:
            if at not in seen:
                seen.add(at)
                pending.append(at)
    return seen


def _package(drafts: Sequence[Draft], at: int) -> int:
    part_of = drafts[at].part_of
    return at if part_of < 0 else part_of


def _joined(drafts: Sequence[Draft], project: int) -> list[list[int]]:
    """Needs of each package with those of its extras, every one once, never itself."""
    needs: list[list[int]] = [[] for _ in drafts]
    for at, draft in enumerate(drafts):
        owner = at if draft.part_of < 0 else draft.part_of
        needs[owner] += draft.needs
        if draft.maybe:
            needs[owner] += draft.maybe
        if draft.tools:
            needs[owner] += draft.tools
    extras = any(draft.part_of >= 0 for draft in drafts)
    for at, edges in enumerate(needs):
        if not edges:
            continue
        found = dict.fromkeys((_package(drafts, to) for to in edges) if extras else edges)
        found.pop(at, None)
        if project >= 0:
            found.pop(project, None)
            needs[at] = [to - (to > project) for to in found]
        else:
            needs[at] = list(found)
    return needs


def _finished(
    draft: Draft, needs: list[int], direct: bool | None, ecosystem: str, path: str
) -> Package:
    line = draft.line
    return Package(
        ecosystem=ecosystem,
        name=draft.name,
        version=draft.version,
        spelled=draft.spelled,
        constraint=draft.constraint,
        location=Location(path=path, line=line, end_line=line),
        source=draft.source,
        url=draft.url,
        direct=direct,
        development=draft.development,
        optional=draft.optional,
        needs=tuple(needs),
        digests=draft.digests,
        licence=draft.licence,
        install_script=draft.install_script,
        yanked=draft.yanked,
    )
