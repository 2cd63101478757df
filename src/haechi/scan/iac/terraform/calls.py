"""Which folder a module call means: a local source, a copy that ``init`` made, or none.

``.terraform/modules/modules.json`` of a root says where ``terraform init`` put each module; those
copies are what would be applied, so they win over everything, though git ignores the folder.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from haechi.engines.hcl.tree import Literal, Node
from haechi.scan.iac.terraform.parsing import Parsed

if TYPE_CHECKING:
    from haechi.scan.iac.terraform.filesets import Entries
    from haechi.scan.iac.terraform.instances import ModuleRun
    from haechi.scan.iac.terraform.modules import Element, Module
    from haechi.scan.iac.terraform.run import Run
    from haechi.scan.iac.terraform.tree_files import Data

MANIFEST = ".terraform/modules/modules.json"
MISSING = "terraform-module"
_MAX_MANIFEST = 4 * 1024 * 1024
_CACHED = ".terraform/"


class Files(Protocol):
    """What may be read of a tree; paths are relative to it. No errors: what cannot be read is
    not there."""

    def names(self, folder: str) -> list[str]:
        """Names of the regular files of a folder."""

    def entries(self, folder: str) -> Entries | None:
        """What stands in a folder, folders included; None when there is none."""

    def read(self, path: str) -> bytes | None:
        """The content of a file."""


def local_target(folder: str, source: Any) -> str | None:
    """The folder of a local source; None for others and those that lead out of the tree."""
    if not isinstance(source, str) or not source.startswith(("./", "../", ".\\", "..\\")):
        return None
    target = posixpath.normpath(posixpath.join(folder, source.replace("\\", "/")))
    if target.startswith(("../", "/")) or target == "..":
        return None
    return "" if target == "." else target


def source_of(element: Element) -> Any:
    """What a call's ``source`` says, when it is plain text as Terraform wants it."""
    node = _source(element)
    return node.value if isinstance(node, Literal) else None


def is_computed(element: Element) -> bool:
    """Whether a call's source is an expression, which OpenTofu evaluates before all else."""
    node = _source(element)
    return node is not None and not isinstance(node, Literal)


def _source(element: Element) -> Node | None:
    assignment = element.block.body.attributes.get("source")
    return assignment.value if assignment else None


class Calls:
    """Answers calls for all modules of a run. ``reached`` are the folders of which there is an
    instance, ``computed`` those that a computed source named."""

    def __init__(self, parsed: Parsed, run: Run) -> None:
        self._parsed = parsed
        self._run = run
        self._manifests: dict[str, Mapping[str, str]] = {}
        self._data: dict[str, Data] = {}
        self.reached: set[str] = set()
        self.computed: set[str] = set()

    def module_of(self, caller: ModuleRun, name: str, element: Element) -> Module | None:
        """The module that a call means; a gap says why when there is none."""
        source = source_of(element)
        node = _source(element)
        if node is not None and is_computed(element):
            source = self._run.value(node, caller.scope, element.path)
        key = ".".join((*_names(caller.address), name))
        folder = self._manifest(caller.root).get(key)
        if folder is None or self._parsed.module(folder) is None:
            folder = local_target(caller.module.folder, source)
        module = self._parsed.module(folder) if folder is not None else None
        if module is None:
            self._missing(caller, name, element, source)
            return None
        if is_computed(element):
            self.computed.add(module.folder)
        return module

    def data_of(self, root: str) -> Data:
        """What the file functions of a root may read."""
        found = self._data.get(root)
        if found is None:
            from haechi.scan.iac.terraform.tree_files import Data

            found = self._data[root] = Data(self._parsed.files, root)
        return found

    def _missing(self, caller: ModuleRun, name: str, element: Element, source: Any) -> None:
        local = isinstance(source, str) and source.startswith(("./", "../"))
        said = repr(source) if isinstance(source, str) else "a source that is not known"
        where = element.where
        if local:
            reason = f"module {name!r}: {said} holds no Terraform files within what is scanned"
            do = "scan the folder that holds both"
        else:
            reason = f"module {name!r}: {said} is not here, so what it creates is not judged"
            root = caller.root or "."
            do = f"run `terraform init` or `tofu init` in {root} before the scan"
        self._run.fault(MISSING, where, reason, do)

    def _manifest(self, root: str) -> Mapping[str, str]:
        found = self._manifests.get(root)
        if found is None:
            found = self._manifests[root] = self._read_manifest(root)
        return found

    def _read_manifest(self, root: str) -> Mapping[str, str]:
        data = self._parsed.files.read(posixpath.join(root, MANIFEST))
        if data is None or len(data) > _MAX_MANIFEST:
            return {}
        try:
            listed = json.loads(data)["Modules"]
        except (ValueError, KeyError, TypeError, RecursionError):
            where = posixpath.join(root, MANIFEST)
            self._run.fault(MISSING, where, "cannot be read", "run `terraform init` again")
            return {}
        out: dict[str, str] = {}
        for one in listed if isinstance(listed, list) else ():
            if not isinstance(one, dict):
                continue
            key, folder = one.get("Key"), one.get("Dir")
            if isinstance(key, str) and key and isinstance(folder, str):
                target = posixpath.normpath(posixpath.join(root, folder.replace("\\", "/")))
                if not target.startswith(("../", "/")) and target != "..":
                    out[key] = "" if target == "." else target
        return out


def is_cached(folder: str) -> bool:
    """Whether a folder is a copy that ``init`` made."""
    return f"/{folder}/".find(f"/{_CACHED}") >= 0


def _names(address: str) -> list[str]:
    """``module.a["x"].module.b`` → ``["a", "b"]``."""
    from haechi.checks.terraform.addresses import bare

    return [part for part in bare(address).split(".") if part and part != "module"]
