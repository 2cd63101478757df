"""One module: what the Terraform files of a folder declare, overrides merged.

Nothing is evaluated here. Everything keeps the file that it stands in. Where an element is declared
twice Terraform refuses the folder; here expressions mean the first one, and both are judged.
https://developer.hashicorp.com/terraform/language/files/override
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from haechi.engines.hcl.tree import Assignment, Block, Body, Comment, Fault, File
from haechi.model.location import Location

_OPEN_TOFU = (".tofu", ".tofu.json")
MAX_NAME = 250
"""Characters of a label: every instance, value and reference below repeats it."""


class Element(msgspec.Struct, frozen=True, eq=False):
    """A block and the file that it stands in."""

    block: Block
    path: str

    @property
    def where(self) -> str:
        """``main.tf:12`` as people write it."""
        return f"{self.path}:{self.block.head[0]}"

    @property
    def location(self) -> Location:
        line, column, end_line, end_column = self.block.span
        return Location(
            path=self.path, line=line, column=column, end_line=end_line, end_column=end_column
        )


class Local(msgspec.Struct, frozen=True, eq=False):
    """One entry of a ``locals`` block."""

    assignment: Assignment
    path: str


@dataclass(slots=True, eq=False)
class Module:
    """A folder. ``resources`` holds managed ones by ``type.name`` and data sources by
    ``data.type.name``. ``moved`` says of assignments and blocks that an override file brought in,
    by ``id``, which file that is."""

    folder: str
    files: list[str] = field(default_factory=list)
    variables: dict[str, Element] = field(default_factory=dict)
    locals: dict[str, Local] = field(default_factory=dict)
    outputs: dict[str, Element] = field(default_factory=dict)
    resources: dict[str, Element] = field(default_factory=dict)
    calls: dict[str, Element] = field(default_factory=dict)
    providers: list[Element] = field(default_factory=list)
    settings: list[Element] = field(default_factory=list)
    moved: dict[int, str] = field(default_factory=dict)
    comments: dict[str, tuple[Comment, ...]] = field(default_factory=dict)
    faults: list[tuple[str, Fault]] = field(default_factory=list)
    tests: bool = False

    @property
    def blocks(self) -> int:
        """How many blocks it declares."""
        return (
            len(self.variables)
            + len(self.outputs)
            + len(self.resources)
            + len(self.calls)
            + len(self.providers)
            + len(self.settings)
        )


def is_override(path: str) -> bool:
    """``override.tf``, ``x_override.tf`` and their JSON and OpenTofu forms."""
    stem = re.sub(r"\.(?:tf|tofu)(?:\.json)?\Z", "", posixpath.basename(path))
    return stem == "override" or stem.endswith("_override")


def chosen(paths: Iterable[str]) -> list[str]:
    """The files of one folder that count, in the order in which they do: OpenTofu reads
    ``main.tofu`` instead of a ``main.tf`` beside it, and ``main.tofu.json`` instead of a
    ``main.tf.json``; overrides come last."""
    listed = sorted(paths)
    instead = {_beside(path) for path in listed if path.endswith(_OPEN_TOFU)}
    kept = [path for path in listed if path not in instead]
    return [p for p in kept if not is_override(p)] + [p for p in kept if is_override(p)]


def _beside(path: str) -> str:
    """The file of Terraform that OpenTofu does not read when this one of its own is there."""
    stem, _, ending = path.rpartition(".tofu")
    return f"{stem}.tf{ending}"


def read_module(folder: str, files: Mapping[str, File]) -> Module:
    """The module of a folder's parsed files, in the order of ``chosen``."""
    module = Module(folder)
    for path, file in files.items():
        module.files.append(path)
        if file.comments:
            module.comments[path] = file.comments
        module.faults += [(path, fault) for fault in file.faults]
        for block in file.body.blocks:
            if any(len(label) > MAX_NAME for label in block.labels):
                message = f"a name of more than {MAX_NAME} characters: its block is not judged"
                module.faults.append((path, Fault(message, block.head[0], 1)))
                continue
            _take(module, Element(block, path), override=is_override(path))
    return module


def _take(module: Module, element: Element, *, override: bool) -> None:
    block = element.block
    labels = len(block.labels)
    match block.type:
        case "resource" if labels == 2:
            _put(module, module.resources, ".".join(block.labels), element, override)
        case "data" | "ephemeral" if labels == 2:
            name = f"{block.type}.{'.'.join(block.labels)}"
            _put(module, module.resources, name, element, override)
        case "module" if labels == 1:
            _put(module, module.calls, block.labels[0], element, override)
        case "variable" if labels == 1:
            _put(module, module.variables, block.labels[0], element, override)
        case "output" if labels == 1:
            _put(module, module.outputs, block.labels[0], element, override)
        case "locals":
            for name, assignment in block.body.attributes.items():
                if name in module.locals and not override:
                    _twice(module, element.path, assignment.span[0], f"local.{name}")
                else:
                    module.locals[name] = Local(assignment, element.path)
        case "provider" if labels == 1:
            _provider(module, element, override)
        case "terraform":
            module.settings.append(element)
        case _:
            pass  # moved, import, removed, check, run …: nothing that is built


def _put(
    module: Module, table: dict[str, Element], name: str, element: Element, override: bool
) -> None:
    known = table.get(name)
    if known is None:
        table[name] = element
    elif override:
        table[name] = _merged(module, known, element)
    else:
        _twice(module, element.path, element.block.head[0], name)
        if table is module.resources:
            table[f"{name}{TWICE}{len(table)}"] = element


def _provider(module: Module, element: Element, override: bool) -> None:
    """An override of a provider is for the one of the same name and alias."""
    for at, known in enumerate(module.providers if override else ()):
        if known.block.labels == element.block.labels and _alias(known) == _alias(element):
            module.providers[at] = _merged(module, known, element)
            return
    module.providers.append(element)


def _alias(element: Element) -> object:
    assignment = element.block.body.attributes.get("alias")
    return getattr(assignment.value, "value", None) if assignment else None


TWICE = "\0"
"""Parts the name of what is declared again from a number."""


def _twice(module: Module, path: str, line: int, name: str) -> None:
    message = f"{name} is declared twice in this folder; expressions mean the first declaration"
    module.faults.append((path, Fault(message, line, 1)))


def _merged(module: Module, known: Element, override: Element) -> Element:
    """Attributes one by one; blocks of a type that the override has replace all of that type."""
    body, extra = known.block.body, override.block.body
    for assignment in extra.attributes.values():
        module.moved[id(assignment)] = override.path
    replaced = {_kind(block) for block in extra.blocks} - {"lifecycle"}
    for block in extra.blocks:
        module.moved[id(block)] = override.path
    merged = Body(
        attributes={**body.attributes, **extra.attributes},
        blocks=(*(b for b in body.blocks if _kind(b) not in replaced), *extra.blocks),
        span=body.span,
    )
    return Element(msgspec.structs.replace(known.block, body=merged), known.path)


def _kind(block: Block) -> str:
    return block.labels[0] if block.type == "dynamic" and block.labels else block.type
