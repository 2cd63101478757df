"""``terraform show -json`` (plans and state) and ``*.tfstate`` → resources.

A plan knows what variables, providers and data sources say, so its resources are judged instead of
those that the files beside it would give; what only apply can tell is unknown and refers to what
the configuration says it comes from. Findings point to the block beside the plan, else into it.
https://developer.hashicorp.com/terraform/internals/json-format
"""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from haechi.engines.documents import Document, Fault, parse_documents
from haechi.engines.values import Limits
from haechi.errors import InputError
from haechi.model.coverage import Gap
from haechi.model.location import AttrPath, Location
from haechi.model.resource import Resource
from haechi.scan.iac.terraform.keys import resource_key, root_name
from haechi.scan.iac.terraform.plan_origins import Origin
from haechi.scan.iac.terraform.run import MAX_DEPTH, MIN_SECRET
from haechi.scan.iac.terraform.values import Judged
from haechi.scan.iac.terraform_files import MAX_PLAN

LIMITS = Limits(size=MAX_PLAN, documents=1, values=4_000_000, depth=200)
MAX_RESOURCES = 50_000
PLAN = "terraform-plan"


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan or a state holds. ``secrets`` are texts that it marks as sensitive; ``state`` is
    the file itself as something to judge, when it is a state."""

    path: str
    resources: list[Resource]
    secrets: set[str]
    gaps: list[Gap]
    state: Resource | None = None


def read_plan(data: bytes, path: str) -> Planned | None:
    """The resources of a plan, of ``show -json`` of a state, or of a state file; None for JSON
    that is neither."""
    gaps: list[Gap] = []
    document: Document | None = None
    try:
        for result in parse_documents(data, limits=LIMITS):
            if isinstance(result, Fault):
                gaps.append(Gap(kind=PLAN, path=f"{path}:{result.line}", reason=result.message))
            else:
                document = document or result
    except InputError as error:
        gaps.append(Gap(kind=PLAN, path=path, reason=error.what, do=error.do))
    if document is None:
        if not gaps:
            return None
        return Planned(path=path, resources=[], secrets=set(), gaps=gaps)
    content = document.data
    reader = _Reader(path, document)
    if not isinstance(content, dict):
        return None
    if content.get("version") in (3, 4) and "lineage" in content:
        if content.get("version") == 3:
            reason = "a state of Terraform before 0.12, whose resources haechi does not read"
            do = "write it anew with a newer Terraform, or scan `terraform show -json`"
            gaps.append(Gap(kind=PLAN, path=path, reason=reason, do=do))
        reader.state_file(content)
        return reader.planned(gaps, state=_state(content, path, document))
    values = content.get("planned_values") or content.get("values")
    root = values.get("root_module") if isinstance(values, dict) else None
    if not isinstance(root, dict) or "format_version" not in content:
        if path.endswith((".tfstate", ".backup")) and "encrypted_data" not in content:
            reason = "not a state that haechi reads"
            gaps.append(Gap(kind=PLAN, path=path, reason=reason))
            return reader.planned(gaps)
        return None
    key = "planned_values" if content.get("planned_values") else "values"
    reader.changes(content)
    reader.configured(content)
    reader.module(root, (key, "root_module"), 0)
    return reader.planned(gaps)


class _Reader:
    def __init__(self, path: str, document: Document) -> None:
        self.path = path
        self.folder = posixpath.dirname(path)
        self._root = root_name(self.folder)
        self._document = document
        self._judged = Judged(Counter(), share=1)
        self._cut = ""
        self._unknown: dict[str, Any] = {}
        self._config: Mapping[str, Any] = {}
        self._indexes: dict[int, Mapping[str, Any]] = {}
        self.resources: list[Resource] = []
        self.secrets: set[str] = set()
        self._left_out = 0

    def planned(self, gaps: list[Gap], state: Resource | None = None) -> Planned:
        """What was read."""
        if self._cut:
            gaps.append(Gap(kind=PLAN, path=self.path, reason=self._cut, do="plan a part of it"))
        if self._left_out:
            reason = f"{self._left_out:,} resources past the first {MAX_RESOURCES:,}"
            gaps.append(Gap(kind=PLAN, path=self.path, reason=reason, do="plan a part of it"))
        return Planned(
            path=self.path,
            resources=self.resources,
            secrets=self.secrets,
            gaps=gaps,
            state=state,
        )

    def changes(self, content: Mapping[str, Any]) -> None:
        """What is known after apply, by address."""
        for change in _list(content.get("resource_changes")):
            if isinstance(change, dict) and isinstance(change.get("change"), dict):
                unknown = change["change"].get("after_unknown")
                if unknown and isinstance(change.get("address"), str):
                    self._unknown[change["address"]] = unknown

    def configured(self, content: Mapping[str, Any]) -> None:
        """Where values come from."""
        configuration = content.get("configuration")
        root = configuration.get("root_module") if isinstance(configuration, dict) else None
        self._config = root if isinstance(root, dict) else {}

    def module(self, module: Mapping[str, Any], at: AttrPath, depth: int) -> None:
        """The resources of a module and of those inside."""
        for index, one in enumerate(_list(module.get("resources"))):
            if isinstance(one, dict):
                self._resource(one, (*at, "resources", index, "values"))
        children = _list(module.get("child_modules"))
        if children and depth >= MAX_DEPTH:
            self._cut = f"modules nested deeper than {MAX_DEPTH} levels are not judged"
            return
        for index, child in enumerate(children):
            if isinstance(child, dict):
                self.module(child, (*at, "child_modules", index), depth + 1)

    def _resource(self, one: Mapping[str, Any], at: AttrPath) -> None:
        address, type_ = one.get("address"), one.get("type")
        values = one.get("values")
        if not isinstance(address, str) or not isinstance(type_, str):
            return
        data: dict[str, Any] = dict(values) if isinstance(values, dict) else {}
        unknown = self._unknown.get(address)
        if isinstance(unknown, dict):
            origin = Origin(self._config, address, self._indexes)
            data = self._with_unknown(data, unknown, origin, ())
        self._collect(values, one.get("sensitive_values"))
        self._add(address, type_, one.get("mode") == "data", data, at)

    def _add(
        self, address: str, type_: str, is_data: bool, data: Mapping[str, Any], at: AttrPath
    ) -> None:
        if len(self.resources) >= MAX_RESOURCES:
            self._left_out += 1
            return
        kept = {key: value for key, value in _pruned(data, 0).items() if value is not None}
        judged = self._judged.data(kept)
        self._cut = self._cut or self._judged.cut
        self.resources.append(
            Resource(
                key=resource_key(self._root, address),
                kind=f"data.{type_}" if is_data else type_,
                name=address,
                data=judged,
                file=self.path,
                locate=self._locator(at),
            )
        )

    def _locator(self, at: AttrPath) -> Callable[[AttrPath], Location]:
        return lambda path: self._document.location((*at, *path), self.path)

    def _with_unknown(self, known: Any, unknown: Any, origin: Origin, path: AttrPath) -> Any:
        """The values with an Unknown wherever the plan says so."""
        if unknown is True:
            return origin.unknown(path)
        if isinstance(unknown, dict):
            base = known if isinstance(known, dict) else {}
            out = dict(base)
            for key, inner in unknown.items():
                if inner:
                    out[key] = self._with_unknown(base.get(key), inner, origin, (*path, key))
            return out
        if isinstance(unknown, list):
            listed = list(known) if isinstance(known, list) else []
            for index, inner in enumerate(unknown):
                if index >= len(listed):
                    listed.append(None)
                if inner:
                    listed[index] = self._with_unknown(listed[index], inner, origin, (*path, index))
            return listed
        return known

    def _collect(self, values: Any, sensitive: Any) -> None:
        """Texts that the plan marks as sensitive; how deep they lie ``LIMITS`` bounds."""
        if sensitive is True:
            self._texts(values)
        elif isinstance(sensitive, dict) and isinstance(values, dict):
            for key, inner in sensitive.items():
                self._collect(values.get(key), inner)
        elif isinstance(sensitive, list) and isinstance(values, list):
            for value, inner in zip(values, sensitive, strict=False):
                self._collect(value, inner)

    def _texts(self, value: Any) -> None:
        if isinstance(value, str):
            if len(value) >= MIN_SECRET:
                self.secrets.add(value)
        elif isinstance(value, (dict, list)):
            for inner in value.values() if isinstance(value, dict) else value:
                self._texts(inner)

    def state_file(self, content: Mapping[str, Any]) -> None:
        """The resources of a state file, version 4."""
        for index, one in enumerate(_list(content.get("resources"))):
            if not isinstance(one, dict):
                continue
            module, type_, name = one.get("module"), one.get("type"), one.get("name")
            if not isinstance(type_, str) or not isinstance(name, str):
                continue
            is_data = one.get("mode") == "data"
            prefix = f"{module}." if isinstance(module, str) and module else ""
            base = f"{prefix}{'data.' if is_data else ''}{type_}.{name}"
            for number, instance in enumerate(_list(one.get("instances"))):
                if isinstance(instance, dict):
                    self._instance(
                        base, type_, is_data, instance, ("resources", index, "instances", number)
                    )

    def _instance(
        self, base: str, type_: str, is_data: bool, instance: Mapping[str, Any], at: AttrPath
    ) -> None:
        key = instance.get("index_key")
        suffix = f"[{key}]" if isinstance(key, int) else f'["{key}"]' if key is not None else ""
        attributes = instance.get("attributes")
        if not isinstance(attributes, dict):
            return
        for steps in _list(instance.get("sensitive_attributes")):
            self._texts(_at(attributes, steps))
        self._add(base + suffix, type_, is_data, attributes, (*at, "attributes"))


def _at(value: Any, steps: Any) -> Any:
    """The value at a path of the state file: ``[{type, value}, …]``."""
    for step in _list(steps):
        key = step.get("value") if isinstance(step, dict) else None
        if isinstance(key, dict):
            key = key.get("value")
        if isinstance(value, dict) and isinstance(key, str):
            value = value.get(key)
        elif isinstance(value, list) and isinstance(key, int) and 0 <= key < len(value):
            value = value[key]
        else:
            return value
    return value


def _pruned(value: Mapping[str, Any], depth: int) -> dict[str, Any]:
    """Without what is not set: null, and lists of blocks of which there are none."""
    out: dict[str, Any] = {}
    for key, item in value.items():
        if item is None or item == [] or (item == {} and depth == 0):
            continue
        if isinstance(item, dict) and depth < MAX_DEPTH:
            out[key] = _pruned(item, depth + 1)
        elif isinstance(item, list) and depth < MAX_DEPTH:
            out[key] = [_pruned(one, depth + 1) if isinstance(one, dict) else one for one in item]
        else:
            out[key] = item
    return out


def _state(content: Mapping[str, Any], path: str, document: Document) -> Resource:
    """A state file as something to judge: how much is in it."""
    resources = _list(content.get("resources"))
    outputs = content.get("outputs")
    return Resource(
        key=resource_key(root_name(posixpath.dirname(path)), f"state.{posixpath.basename(path)}"),
        kind="tf-state",
        name=posixpath.basename(path),
        data={
            "path": path,
            "resources": len(resources),
            "outputs": len(outputs) if isinstance(outputs, dict) else 0,
        },
        file=path,
        locate=lambda at: document.location((), path),
    )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
