"""package.json: what a JavaScript project asks for where no lock file pins it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from haechi.errors import LimitExceeded
from haechi.model.package import PackageFile, Source
from haechi.scan.deps.formats import Around
from haechi.scan.deps.formats.decoding import MAX_MANIFEST, bounded, json_of
from haechi.scan.deps.formats.graph import Draft, Roots, settle
from haechi.scan.deps.formats.members import members_of, project_of
from haechi.scan.deps.formats.node_names import asked
from haechi.scan.deps.formats.places import Keys

MAX_ASKS = 20_000


def read(data: bytes, path: str, around: Around) -> Sequence[PackageFile]:
    """Read package.json. What members of its own workspace provide is no package to fetch."""
    bounded(data, path, MAX_MANIFEST)
    project = project_of(json_of(data, path, dict[str, Any]), path.rpartition("/")[0])
    roots = Roots()
    wanted = [
        (name, spec, field, positions)
        for field, names, positions in (
            ("dependencies", project.dependencies, roots.production),
            ("devDependencies", project.development, roots.development),
            ("optionalDependencies", project.optional, roots.optional),
        )
        for name, spec in names.items()
    ]
    if not wanted:
        return ()
    if len(wanted) > MAX_ASKS:
        raise LimitExceeded(f"more than {MAX_ASKS:,} dependencies", where=path)
    own = {member.name for member in members_of(project, around)} if project.workspaces else set()
    drafts: list[Draft] = []
    keys = {
        field: Keys(data, data.find(f'"{field}"'.encode()), (b'"',)) for _, _, field, _ in wanted
    }
    for name, spec, field, positions in wanted:
        one = asked(name, spec)
        positions.append(len(drafts))
        drafts.append(
            Draft(
                one.name,
                one.version,
                spelled=one.spelled,
                constraint=one.constraint,
                line=keys[field].line(name),
                source=Source.WORKSPACE if name in own else one.source,
                url=one.url,
            )
        )
    packages, requires = settle(drafts, roots, ecosystem="npm", path=path)
    return (
        PackageFile(
            path=path,
            format="package.json",
            ecosystem="npm",
            packages=packages,
            requires=requires,
            pins=False,
            name=project.name,
            version=project.version,
        ),
    )
