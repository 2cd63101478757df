"""Files of Terraform → the resources that they declare, judged as they would be applied."""

from __future__ import annotations

import posixpath
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from haechi.engines.hcl.tree import Comment, Name
from haechi.model.coverage import Gap
from haechi.model.location import Location
from haechi.model.resource import Resource
from haechi.scan.iac.terraform.calls import Calls, Files, is_cached
from haechi.scan.iac.terraform.filesets import Entries
from haechi.scan.iac.terraform.instances import ModuleRun
from haechi.scan.iac.terraform.keys import resource_key, root_name
from haechi.scan.iac.terraform.modules import Element, Module
from haechi.scan.iac.terraform.parsing import Parsed, is_terraform
from haechi.scan.iac.terraform.places import Places
from haechi.scan.iac.terraform.roots import computing_first, roots_of, values_of
from haechi.scan.iac.terraform.run import LIMIT, Run
from haechi.scan.iac.terraform.values import Judged

UNREACHED = "terraform-unreached"
_FRAMES = 6_000
"""Values that need each other are frames on Python's stack; ``Budget`` bounds them before this."""


@dataclass(slots=True)
class Terraform:
    """What the Terraform of a tree is. ``origins`` says by ``id`` which block a resource was made
    from; ``chains`` of those inside of modules through which calls (folder and name)."""

    resources: list[Resource] = field(default_factory=list)
    origins: dict[int, str] = field(default_factory=dict)
    chains: dict[int, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    modules: list[Module] = field(default_factory=list)
    texts: dict[str, bytes] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)

    @property
    def comments(self) -> Iterator[tuple[Module, str, tuple[Comment, ...]]]:
        """The comments of every file that was read."""
        for module in self.modules:
            for path, comments in module.comments.items():
                yield module, path, comments


class Texts:
    """Files that are held in memory."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files

    def names(self, folder: str) -> list[str]:
        """Names of the files of a folder."""
        prefix = f"{folder}/" if folder else ""
        names = (path.removeprefix(prefix) for path in self._files if path.startswith(prefix))
        return [name for name in names if "/" not in name]

    def entries(self, folder: str) -> Entries | None:
        """What stands in a folder."""
        prefix = f"{folder}/" if folder else ""
        below = [path.removeprefix(prefix) for path in self._files if path.startswith(prefix)]
        folders = dict.fromkeys(path.partition("/")[0] for path in below if "/" in path)
        return Entries([p for p in below if "/" not in p], list(folders), []) if below else None

    def read(self, path: str) -> bytes | None:
        """The content of a file."""
        return self._files.get(path)


def resources_of_terraform(
    files: Mapping[str, bytes], *, var_files: Sequence[str] = ()
) -> list[Resource]:
    """The resources that some files declare, by path; for examples of rules and for tests."""
    return read_texts(files, var_files=var_files).resources


def read_texts(files: Mapping[str, bytes], *, var_files: Sequence[str] = ()) -> Terraform:
    """Everything about some files in memory."""
    folders = sorted({posixpath.dirname(path) for path in files if is_terraform(path)})
    return read_terraform(Texts(files), folders, var_files=dict.fromkeys(folders, var_files))


def read_terraform(
    files: Files,
    folders: Sequence[str],
    *,
    var_files: Mapping[str, Sequence[str]] | None = None,
    run: Run | None = None,
) -> Terraform:
    """The resources of the roots among some folders, modules included."""
    run = run or Run()
    parsed = Parsed(files, run)
    calls = Calls(parsed, run)
    out = Terraform()
    maker = _Maker(run, out)
    with _deep():
        roots = roots_of(parsed, folders)
        for root in computing_first(parsed, roots):
            module = parsed.module(root)
            if module is not None and root not in calls.computed:
                run.begin_root()
                maker.begin_root()
                values = values_of(parsed, root, (var_files or {}).get(root, ()), run)
                maker.take(ModuleRun(run, calls, module, root=root, values=values, chain=(root,)))
    _unreached(parsed, folders, {*roots, *calls.reached} - (calls.computed - calls.reached), run)
    run.hide()
    out.gaps = run.gaps
    out.modules = [module for module in parsed.modules.values() if module is not None]
    out.texts = parsed.texts
    out.secrets = run.secrets
    out.counts = {
        "terraform blocks": sum(module.blocks for module in out.modules),
        "terraform resources": maker.made,
        "terraform values": run.counts["known"],
        "unknown terraform values": run.counts["unknown"],
    }
    if run.counts["count is 0"]:
        out.counts["terraform resources with count 0"] = run.counts["count is 0"]
    return out


@contextmanager
def _deep() -> Iterator[None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, _FRAMES))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def _unreached(parsed: Parsed, folders: Sequence[str], reached: set[str], run: Run) -> None:
    for folder in folders:
        module = parsed.module(folder)
        if folder in reached or module is None or not (module.resources or module.calls):
            continue
        reason = (
            "a module that is called, but by no call that is in force "
            "(count = 0, or the caller itself is not called): not judged"
        )
        run.fault(UNREACHED, folder or ".", reason, "judge it through a caller that uses it")


class _Maker:
    """Makes the resources of module runs."""

    def __init__(self, run: Run, out: Terraform) -> None:
        self._run = run
        self._out = out
        self._judged = Judged(run.counts)
        self.made = 0

    def begin_root(self) -> None:
        """What follows is of another root."""
        self._judged.begin_root()

    def take(self, module: ModuleRun) -> None:
        """All resources of a module and of those that it calls."""
        root = root_name(module.root)
        for instance in module.instances():
            data, sources = instance.data()
            element = instance.element
            kind = instance.name.rpartition(".")[0]
            places = Places(element, sources, module.module.moved)
            self._add(root, instance.address, kind, data, element, places, module)
            self.made += 1
        self._declarations(root, module)
        for name, element in module.module.calls.items():
            for called in module.called(name, element).instances:
                if self._run.may_go_on(element.where):
                    self.take(called)

    def _declarations(self, root: str, module: ModuleRun) -> None:
        """Providers, module calls, variables, outputs and backends are judged, too."""
        declared = module.module
        for element in declared.providers:
            name = element.block.labels[0]
            self._block(root, module, f"provider.{name}", f"provider.{name}", element)
        for name, element in declared.calls.items():
            self._block(root, module, "tf-module", f"module.{name}", element)
        for name, element in declared.variables.items():
            self._block(root, module, "tf-variable", f"var.{name}", element)
        for name, element in declared.outputs.items():
            self._block(root, module, "tf-output", f"output.{name}", element)
        for element in declared.settings:
            for block in element.block.body.blocks:
                if block.type in ("backend", "cloud"):
                    type_ = block.labels[0] if block.labels else "cloud"
                    inner = Element(block, element.path)
                    self._block(
                        root, module, "tf-backend", f"backend.{type_}", inner, {"type": type_}
                    )

    def _block(
        self,
        root: str,
        module: ModuleRun,
        kind: str,
        name: str,
        element: Element,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        from haechi.scan.iac.terraform.bodies import nested_blocks

        body = element.block.body
        scope = module.scope
        if "count" in body.attributes or "for_each" in body.attributes:
            scope = scope.for_any(f"{module.prefix}{name}")
        data: dict[str, Any] = dict(extra or {})
        for key, assignment in body.attributes.items():
            if kind == "tf-variable" and key == "type":
                node = assignment.value
                data[key] = node.name if isinstance(node, Name) else "complex"
            elif key not in ("for_each", "count", "depends_on", "providers"):
                value = self._run.value(assignment.value, scope, element.path)
                if value is not None:
                    data.setdefault(key, value)
        lists, sources = nested_blocks(body, scope, self._run, element.path)
        for key, items in lists.items():
            data.setdefault(key, items)
        places = Places(element, sources, module.module.moved)
        alias = data.get("alias") if kind.startswith("provider.") else None
        address = f"{module.prefix}{name}" + (f".{alias}" if isinstance(alias, str) else "")
        self._add(root, address, kind, data, element, places, module)

    def _add(
        self,
        root: str,
        address: str,
        kind: str,
        data: Mapping[str, Any],
        element: Element,
        places: Places,
        module: ModuleRun,
    ) -> None:
        judged = self._judged.data(data)
        if self._judged.cut:
            self._run.fault(LIMIT, element.where, self._judged.cut, "make them smaller")
        resource = Resource(
            key=resource_key(root, address),
            kind=kind,
            name=address,
            data=judged,
            file=element.path,
            locate=places,
        )
        if module.through:
            self._out.chains[id(resource)] = module.through
        line, column = element.block.head[:2]
        self._out.origins[id(resource)] = f"{element.path}#{line}:{column}"
        self._out.resources.append(resource)


def brought_by(resource: Resource) -> str:
    """``module.a.module.b`` of a resource inside of a module; empty in a root. Copies that
    ``init`` made are told with their folder."""
    from haechi.checks.terraform.addresses import bare

    steps = bare(resource.name).split(".")
    at = 0
    while at + 1 < len(steps) and steps[at] == "module":
        at += 2
    if at == len(steps) and at >= 2:
        at -= 2  # the call itself
    return ".".join(steps[:at])


__all__ = [
    "Location",
    "Terraform",
    "Texts",
    "brought_by",
    "is_cached",
    "read_terraform",
    "read_texts",
    "resources_of_terraform",
]
