"""What the commands of ``haechi policy`` read: policies, and objects to judge by them."""

from __future__ import annotations

import datetime as dt
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from haechi.errors import UsageError
from haechi.model.coverage import Gap
from haechi.model.resource import Resource
from haechi.model.waiver import Waiver

if TYPE_CHECKING:
    from haechi.admit.policies import PolicySet
    from haechi.model.config import GateSection

DEFAULT_PACK = "sensible"
Wrap = Callable[[Callable[..., Any]], Callable[..., Any]]
Slot = tuple[str | int, ...]


def policy_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--policies`` and ``--pack``, the same for every command."""
    function = click.option(
        "--pack",
        "packs",
        multiple=True,
        metavar="NAME",
        help="built-in policies, repeatable: pss-baseline, pss-restricted, nsa, sensible",
    )(function)
    return click.option(
        "-p",
        "--policies",
        multiple=True,
        type=click.Path(path_type=Path),
        metavar="DIR",
        help=f"files or folders with policies, repeatable  [without any: --pack {DEFAULT_PACK}]",
    )(function)


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """Policies, and the documents they were made of."""

    policies: PolicySet
    documents: tuple[Resource, ...]
    gaps: tuple[Gap, ...]
    packs: tuple[str, ...]


def read_policies(paths: Sequence[Path], packs: Sequence[str]) -> Given:
    """Load the policies that were asked for. Raises UsageError."""
    from haechi.admit.load import load_policies
    from haechi.world.manifests import read_manifests

    if not paths and not packs:
        packs = (DEFAULT_PACK,)
    found = read_manifests(paths)
    if paths and not found.resources and not found.gaps:
        raise UsageError(
            f"{', '.join(map(str, paths))}: no policies there",
            do="name a folder with YAML files of policies, or use --pack sensible",
        )
    return Given(
        policies=load_policies(found.resources, packs=packs),
        documents=found.resources,
        gaps=found.gaps,
        packs=tuple(packs),
    )


class Subjects(msgspec.Struct, frozen=True, kw_only=True):
    """Objects to judge. ``gate`` rules over the waivers that stand beside the code."""

    resources: tuple[Resource, ...]
    gaps: tuple[Gap, ...]
    waivers: tuple[Waiver, ...]
    gate: GateSection
    files: int


def read_subjects(paths: Sequence[Path]) -> Subjects:
    """The objects of files and folders, overlays and charts rendered as ``haechi scan`` does.

    ``-`` is standard input. Raises UsageError for what does not exist.
    """
    from haechi.cli.pipeline import WAIVERS
    from haechi.cli.project import open_project, read_text
    from haechi.gate.waivers import load_waivers
    from haechi.model.config import GateSection

    resources: dict[Slot, Resource] = {}
    gaps: list[Gap] = []
    waivers: dict[Waiver, None] = {}
    gate = GateSection()
    files = 0
    today = dt.datetime.now(dt.UTC).date()
    several = len(set(paths)) > 1
    for path in dict.fromkeys(paths):
        if str(path) == "-":
            from haechi.world.manifests import objects_of

            taken = list(objects_of(sys.stdin.buffer.read(), "(standard input)", gaps))
            root = "-"
            files += 1
        else:
            project = open_project(path)
            root = str(project.root)
            gate = project.config.gate
            text = read_text(project.root, WAIVERS)
            waivers.update(dict.fromkeys(load_waivers(text, WAIVERS, today) if text else ()))
            collected = _collected(project)
            gaps.extend(collected.gaps)
            waivers.update(dict.fromkeys(collected.waivers))
            taken = collected.resources
            files += len(collected.files)
        if several:
            resources.update(_told_apart(root, taken))
        else:
            resources.update(((root, number), one) for number, one in enumerate(taken))
    return Subjects(
        resources=tuple(resources.values()),
        gaps=tuple(dict.fromkeys(gaps)),
        waivers=tuple(waivers),
        gate=gate,
        files=files,
    )


def _told_apart(root: str, taken: Iterable[Resource]) -> Iterator[tuple[Slot, Resource]]:
    """Each object with what tells it from all others, so that one that several paths lead to is
    judged once. Two of one folder are never the same: a text may hold a name twice in one line."""
    seen: Counter[Slot] = Counter()
    for resource in taken:
        place = resource.locate(())
        slot = (root, resource.key, place.path, place.line)
        seen[slot] += 1
        yield (*slot, seen[slot]), resource


def _collected(project: Any) -> Any:
    from haechi.cli.pipeline import tree_of
    from haechi.rules.catalogue import load_catalogue
    from haechi.scan.iac.collect import Collector
    from haechi.scan.suppressions import build_index

    index = build_index(load_catalogue().rules)
    collector = Collector(
        tree_of(project), index, None, kubernetes_version=project.config.kubernetes_version
    )
    return collector.collect()
