"""Maven: ``pom.xml``, as far as it can be understood without a repository.

Told is what the file itself asks for. What it inherits stands in its parent, which is read, too:
one cause, one place. Versions come from properties, parents and BOMs inside the tree; those that
only a repository could tell are left open, with one gap for the file that counts them. What the
dependencies bring in is not written in a pom at all, and that is a gap as well.

``test`` and ``provided`` count as development: neither is packed into what is shipped.
Dependencies of profiles that are not on by default are told as optional.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from haechi.model.coverage import Gap
from haechi.model.package import PackageFile, Source
from haechi.scan.deps.formats import maven_pom
from haechi.scan.deps.formats.graph import Draft, Roots, settle
from haechi.scan.deps.formats.maven_model import Model, poms_of
from haechi.scan.deps.formats.maven_pom import Dependency

if TYPE_CHECKING:
    from haechi.scan.deps.formats import Around

ECOSYSTEM = "Maven"
_HARD = re.compile(r"\[\s*([^,\[\]()\s]{1,200})\s*\]")
_DEVELOPMENT = frozenset({"test", "provided"})
_FLOATING = frozenset({"LATEST", "RELEASE"})


class _Version(NamedTuple):
    """``version`` is "" when it stays open, then ``why`` says what would tell."""

    version: str
    constraint: str
    why: str = ""


def read_pom(data: bytes, path: str, around: Around) -> Sequence[PackageFile]:
    """One pom with what its parents and BOMs in the tree tell about versions and scopes."""
    pom = maven_pom.read(data, path)
    poms = poms_of(around)
    model = poms.model(pom, around)
    modules = poms.reactor(path, around) if pom.dependencies else {}
    drafts: dict[tuple[str, str, str], Draft] = {}
    open_: Counter[str] = Counter()
    for one in pom.dependencies:
        draft, why = _draft(one, model, modules)
        if draft is None:
            open_[why] += 1
            continue
        key = (draft.name, draft.version, draft.constraint)
        known = drafts.get(key)
        if known is None:
            drafts[key] = draft
            if why:
                open_[why] += 1
        else:  # another classifier or type of the same artifact
            known.development = known.development and draft.development
            known.optional = known.optional and draft.optional
    found = list(drafts.values())
    packages, requires = settle(
        found, Roots(production=range(len(found))), ecosystem=ECOSYSTEM, path=path, scopes=False
    )
    return [
        PackageFile(
            path=path,
            format="pom.xml",
            ecosystem=ECOSYSTEM,
            packages=packages,
            requires=requires,
            pins=False,
            name=f"{pom.group}:{pom.artifact}",
            version=model.text(pom.version) or "",
            gaps=tuple(_gaps(path, found, open_)),
        )
    ]


def _draft(
    one: Dependency, model: Model, modules: dict[tuple[str, str], str]
) -> tuple[Draft | None, str]:
    """The package, and why its version is open; no package when not even its name is known."""
    group, artifact = model.text(one.group), model.text(one.artifact)
    if not group or not artifact:
        return None, "its name holds a property that is not known here"
    managed = model.managed((group, artifact, one.kind, one.classifier))
    scope, optional = model.text(one.scope) or "", model.text(one.optional) or ""
    if managed is not None:
        scope = scope or managed[0].text(managed[1].scope) or ""
        optional = optional or managed[0].text(managed[1].optional) or ""
    told = _version(one, managed, model)
    source = Source.REGISTRY
    if (group, artifact) in modules:
        source = Source.WORKSPACE
    elif scope == "system":
        source = Source.PATH
    draft = Draft(
        f"{group}:{artifact}",
        told.version,
        line=one.line,
        constraint=told.constraint,
        source=source,
        url=(one.file or f"{artifact}.jar") if source is Source.PATH else "",
        development=scope in _DEVELOPMENT,
        optional=optional == "true" or bool(one.profile),
    )
    return draft, told.why if source is Source.REGISTRY else ""


def _version(one: Dependency, managed: tuple[Model, Dependency] | None, model: Model) -> _Version:
    raw, context = one.version, model
    if not raw and managed is not None:
        context, entry = managed
        raw = entry.version
    if not raw:
        return _Version("", "", _missing(model) or "no version is written")
    version = context.text(raw)
    if version is None:
        return _Version("", raw, _missing(context) or f"{raw} is not set in the tree")
    hard = _HARD.fullmatch(version)
    if hard is not None:
        return _Version(hard[1], version)
    if version[:1] in "[(" or version in _FLOATING:
        return _Version("", version, "a range or a floating version")
    return _Version(version, "" if version == raw else raw)


def _missing(model: Model) -> str:
    return (
        f"{', '.join(dict.fromkeys(model.missing))[:300]} is not in the tree"
        if model.missing
        else ""
    )


def _gaps(path: str, found: list[Draft], open_: Counter[str]) -> list[Gap]:
    gaps = []
    if open_:
        causes = "; ".join(f"{count}: {why}" for why, count in open_.most_common(5))
        gaps.append(
            Gap(
                kind="maven-unresolved",
                path=path,
                reason=f"versions of {sum(open_.values())} dependencies are not known ({causes})",
                do="scan an SBOM that the build writes (cyclonedx-maven-plugin)",
            )
        )
    registry = sum(one.source is Source.REGISTRY for one in found)
    if registry:
        gaps.append(
            Gap(
                kind="maven-transitive",
                path=path,
                reason=f"what {registry} dependencies bring in is not written in a pom.xml",
                do="scan an SBOM that the build writes (cyclonedx-maven-plugin)",
            )
        )
    return gaps
