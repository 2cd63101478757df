"""Terraform of a tree into ``Collected``: resources, gaps, waivers, counts.

The collector imports this when it has met the first file; a tree without any pays nothing.
"""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from haechi.engines.globs import compile_glob
from haechi.model.coverage import Gap
from haechi.scan.iac.terraform.read import Terraform, read_terraform
from haechi.scan.iac.terraform.tree_files import TreeFiles
from haechi.scan.suppressions.terraform import Made, waivers_of
from haechi.world.files import Entry

if TYPE_CHECKING:
    from haechi.model.config import VariableFiles
    from haechi.scan.iac.collected import Collected
    from haechi.scan.suppressions import Index
    from haechi.world.files import Tree


def collect_terraform(
    tree: Tree,
    found: Found,
    out: Collected,
    index: Index,
    var_files: Sequence[VariableFiles] = (),
) -> None:
    """Read what a walk found: Terraform files, plans, state."""
    walked: dict[str, list[str]] = defaultdict(list)
    for entry in found.files:
        folder, _, name = entry.path.rpartition("/")
        walked[folder].append(name)
    if walked:
        folders = sorted(walked)
        if len(found.files) == 1 and tree.within == found.files[0].path:
            out.only = tree.within  # one file was asked for; its module is read as a whole
            walked.clear()
        files = TreeFiles(tree, walked)
        take(read_terraform(files, folders, var_files=_named(folders, var_files)), out, index)
    if found.plans or found.states:
        from haechi.scan.iac.terraform.planned import take_plans

        take_plans(found.plans, found.states, out)
    if any(one.kind.startswith(KUBERNETES) for one in out.terraform):
        from haechi.scan.iac.terraform.kubernetes import take_kubernetes

        take_kubernetes(out)


class Found(msgspec.Struct, frozen=True):
    """What a walk found: files of Terraform, and the texts of plans and of state by path."""

    files: Sequence[Entry]
    plans: Mapping[str, bytes]
    states: Mapping[str, bytes]


KUBERNETES = ("kubernetes_", "kubectl_", "helm_")


def take(found: Terraform, out: Collected, index: Index) -> None:
    """Put what was read to what was collected."""
    out.terraform.extend(found.resources)
    out.origins.update(found.origins)
    out.chains.update(found.chains)
    out.gaps.extend(found.gaps)
    out.counts.update(found.counts)
    out.secrets |= found.secrets
    out.files.update(found.texts)
    made = Made(found)
    for module, path, comments in found.comments:
        waivers, carried = waivers_of(module, path, comments, index, made)
        out.waivers.extend(waivers)
        out.carried.extend(carried)


def _named(folders: Sequence[str], var_files: Sequence[VariableFiles]) -> dict[str, Sequence[str]]:
    """The variable files that haechi.yaml names, by root."""
    out: dict[str, Sequence[str]] = {}
    for entry in var_files:
        pattern = compile_glob(entry.root) if entry.root not in ("", ".") else None
        for folder in folders:
            if pattern.fullmatch(folder) if pattern is not None else folder == "":
                out[folder] = (*out.get(folder, ()), *map(posixpath.normpath, entry.files))
    return out


def terragrunt_gap(paths: Sequence[str]) -> Gap:
    """What Terragrunt would generate and pass is not known: modules are judged by themselves."""
    more = f" and {len(paths) - 1:,} more" if len(paths) > 1 else ""
    return Gap(
        kind="terragrunt",
        path=paths[0],
        reason=f"Terragrunt's inputs and generated files are not evaluated ({paths[0]}{more})",
        do="run `terragrunt run --all -- plan` and `terraform show -json`, and scan the plans",
    )
