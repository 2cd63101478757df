"""Which folders are applied by themselves, and with which variable files.

A folder that another one calls is a module: it is judged with the inputs of its callers and never
besides with its defaults, which nobody applies. Folders that only call each other in a circle have
one of them as root, so that nothing goes unseen.
https://developer.hashicorp.com/terraform/language/values/variables#variable-definition-precedence
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from haechi.errors import InputError, LimitExceeded
from haechi.scan.iac.terraform.calls import is_computed, local_target, source_of
from haechi.scan.iac.terraform.run import FAULT, LIMIT, SYNTAX
from haechi.scan.iac.terraform.tree_files import MAX_FILE

if TYPE_CHECKING:
    from haechi.engines.hcl.tree import Node
    from haechi.scan.iac.terraform.parsing import Parsed
    from haechi.scan.iac.terraform.run import Run

Values = dict[str, tuple["Node", str]]


def targets_of(parsed: Parsed, folder: str) -> list[str]:
    """The folders that a folder's calls name, as far as they hold Terraform."""
    module = parsed.module(folder)
    if module is None:
        return []
    found = (local_target(folder, source_of(element)) for element in module.calls.values())
    return [target for target in found if target is not None]


def roots_of(parsed: Parsed, folders: Sequence[str]) -> list[str]:
    """Folders that no other one calls, and one of each circle."""
    targets = {folder: targets_of(parsed, folder) for folder in folders}
    called = {one for folder, named in targets.items() for one in named if one != folder}
    roots = [folder for folder in folders if folder not in called]
    reached = _closure(roots, targets)
    for folder in folders:
        if folder not in reached:
            roots.append(folder)
            reached |= _closure([folder], targets)
    return roots


def computing_first(parsed: Parsed, roots: Sequence[str]) -> list[str]:
    """The roots, those before the others that name modules by computed sources: what they call
    looks like a root before they are evaluated."""
    return sorted(roots, key=lambda root: not _computes(parsed, root))


def _computes(parsed: Parsed, root: str) -> bool:
    folders = [root]
    seen: set[str] = set()
    while folders:
        folder = folders.pop()
        module = parsed.module(folder)
        if folder in seen or module is None:
            continue
        seen.add(folder)
        if any(is_computed(element) for element in module.calls.values()):
            return True
        folders += targets_of(parsed, folder)
    return False


def _closure(start: Iterable[str], targets: Mapping[str, list[str]]) -> set[str]:
    reached: set[str] = set()
    pending = list(start)
    while pending:
        folder = pending.pop()
        if folder not in reached:
            reached.add(folder)
            pending += targets.get(folder, ())
    return reached


def variable_files(names: Iterable[str]) -> list[str]:
    """The files of a folder that Terraform reads by itself, the later one wins."""
    listed = set(names)
    own = [name for name in ("terraform.tfvars", "terraform.tfvars.json") if name in listed]
    return own + sorted(n for n in listed if n.endswith((".auto.tfvars", ".auto.tfvars.json")))


def values_of(parsed: Parsed, root: str, named: Sequence[str], run: Run) -> Values:
    """The values that variable files give a root; ``named`` are those of haechi.yaml."""
    out: Values = {}
    own = [posixpath.join(root, name) for name in variable_files(parsed.files.names(root))]
    for path in (*own, *named):
        data = parsed.files.read(path)
        if data is None:
            if path in named:
                reason = "a file of `terraform.var_files` that is not there"
                run.fault(FAULT, path, reason, "correct haechi.yaml")
            else:
                reason = f"it cannot be read, or has more than {MAX_FILE >> 20} MiB"
                run.fault(LIMIT, path, reason, "name its values in another file")
            continue
        try:
            out.update(_read(data, path, run))
        except LimitExceeded as limit:
            run.fault(LIMIT, path, limit.what, limit.do or "name its values in another file")
        except InputError as error:
            run.fault(SYNTAX, path, error.what, error.do)
    return out


def _read(data: bytes, path: str, run: Run) -> Values:
    if path.endswith(".json"):
        from haechi.scan.iac.terraform.json_syntax import parse_values

        return {name: (node, path) for name, node in parse_values(data)}
    from haechi.engines.hcl.parse import parse

    file = parse(data, name=path)
    for fault in file.faults:
        run.fault(SYNTAX, f"{path}:{fault.line}", fault.message, "correct it")
    return {name: (one.value, path) for name, one in file.body.attributes.items()}
