"""One resource or data source as expressions see it: an object that answers attributes.

What its block sets is evaluated when it is asked for; everything else is known after apply, and is
unknown with the address that it comes from. What is being computed is marked, so that a value that
needs itself is a fault at its place instead of an endless loop.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from haechi.engines.hcl.values import Lazy, Open
from haechi.model.location import format_path
from haechi.model.unknown import Reference, Unknown
from haechi.scan.iac.terraform.bodies import META_ARGUMENTS, nested_blocks
from haechi.scan.iac.terraform.modules import TWICE
from haechi.scan.iac.terraform.run import FAULT

if TYPE_CHECKING:
    from haechi.scan.iac.terraform.instances import ModuleRun
    from haechi.scan.iac.terraform.modules import Element
    from haechi.scan.iac.terraform.scopes import ModuleScope

_MAX_REFS = 50
_CHOICES = re.compile(
    r"kms_|_cmk|customer_managed_key|encryption_key|disk_encryption_set|^key_vault_key_id$|"
    r"^(?:replicate_source_db|source_db_cluster_identifier|snapshot_identifier|ssh_keys|"
    r"user_group_ids|auth_token|network_profile_id|ssl_policy|global_cluster_identifier|"
    r"certificate_authority_arn|cloud_watch_logs_group_arn|public_key_data|expires_on)$"
)
_KEYS = re.compile(r"kms|key_vault|encryption")
BUSY = object()
"""Stands for a value that is being computed."""


class ResourceInstance(Lazy):
    """One instance of a resource or data source. To expressions it is an object that answers
    attributes: those that its block sets, and for all others an unknown value that is given."""

    __slots__ = ("_memo", "address", "element", "lists", "module", "name", "scope")

    def __init__(
        self, module: ModuleRun, name: str, element: Element, key: str, scope: ModuleScope
    ) -> None:
        self.module = module
        self.name = name.partition(TWICE)[0]
        self.element = element
        self.address = f"{module.prefix}{self.name}{key}"
        self.scope = scope
        self.lists: Mapping[str, Any] = {}
        self._memo: dict[str, Any] = {}

    def whole(self) -> Any:
        """The resource as a value by itself."""
        reason = f"{self.address} as a whole is known after apply"
        return Unknown(reason, cause=self.address, refs=(Reference(self.address),), given=True)

    def get(self, key: str | int) -> Any:
        """The value that the block gives it, or what is known after apply."""
        name = str(key)
        found = self._memo.get(name, BUSY if name in self._memo else None)
        if found is BUSY:
            where = self.element.where
            reason = f"{self.address}.{name} needs itself"
            self.module.run.fault(FAULT, where, reason, "break the circle")
            return Unknown(reason, cause=where)
        if name in self._memo:
            return found
        self._memo[name] = BUSY
        try:
            value = self._as_used(self._value(name), name)
        except BaseException:
            del self._memo[name]
            raise
        self._memo[name] = value
        return value

    def _as_used(self, value: Any, name: str) -> Any:
        """What others get that use an attribute: an unknown value of it refers to this resource,
        whatever its own text comes from."""
        if value is None:
            return self._computed(name)
        own = Reference(self.address, (name,))
        if not isinstance(value, Unknown) or own in value.refs:
            return value
        return Unknown(
            value.reason,
            cause=value.cause,
            refs=(*value.refs[:_MAX_REFS], own),
            given=value.given,
            parts=value.parts,
            content=value.content,
        )

    def _value(self, name: str) -> Any:
        body = self.element.block.body
        assignment = body.attributes.get(name)
        if assignment is not None and name not in META_ARGUMENTS:
            path = self.module.module.moved.get(id(assignment), self.element.path)
            return self.module.run.value(assignment.value, self.scope, path)
        if any(b.type == name or (b.labels and b.labels[0] == name) for b in body.blocks):
            lists, _ = nested_blocks(
                body, self.scope, self.module.run, self.element.path, only=name
            )
            # none of them: the provider may have some of its own
            return self.readable(lists[name], (name,)) if name in lists else None
        if name in ("json", "minified_json") and self.name.startswith("data.aws_iam_policy_doc"):
            from haechi.scan.iac.terraform.policies import policy_json

            return policy_json(self)
        return None

    def readable(self, value: Any, path: tuple[str | int, ...]) -> Any:
        """Blocks as expressions read them: what they do not set the provider may compute."""
        if not isinstance(value, list):
            return value
        return [
            BlockValue(self, item, (*path, at)) if isinstance(item, dict) else item
            for at, item in enumerate(value)
        ]

    def computed(self, path: tuple[str | int, ...]) -> Unknown:
        """What is known after apply, at a path."""
        cause = f"{self.address}.{format_path(path)}"
        reason = f"{cause} is known when it is applied"
        return Unknown(reason, cause=cause, refs=(Reference(self.address, path),), given=True)

    def _computed(self, name: str) -> Unknown:
        cause = f"{self.address}.{name}"
        when = "read" if self.name.startswith("data.") else "known"
        return Unknown(
            f"{cause} is {when} when it is applied",
            cause=cause,
            refs=(Reference(self.address, (name,)),),
            given=not self._is_choice(name),
        )

    def _is_choice(self, name: str) -> bool:
        """Whether an attribute that the block does not set may well be empty: what people choose,
        not what every resource of the kind has."""
        kind = self.name.removeprefix("data.").partition(".")[0]
        return _CHOICES.search(name) is not None and _KEYS.search(kind) is None

    def data(self) -> tuple[dict[str, Any], Mapping[str, Any]]:
        """Everything that the block sets, and the sources of its lists."""
        body, run = self.element.block.body, self.module.run
        out: dict[str, Any] = {}
        for name, assignment in body.attributes.items():
            if name in META_ARGUMENTS:
                continue
            if name in self._memo and self._memo[name] is not BUSY:
                value = self._memo[name]
                if isinstance(value, Unknown) and value.cause == f"{self.address}.{name}":
                    value = None  # set to null: the provider chooses
            else:
                path = self.module.module.moved.get(id(assignment), self.element.path)
                self._memo[name] = BUSY
                value = run.value(assignment.value, self.scope, path)
                self._memo[name] = self._as_used(value, name)
            if value is not None:
                out[name] = value
        if not body.blocks:
            return out, {}
        lists, sources = nested_blocks(body, self.scope, run, self.element.path)
        for name, items in lists.items():
            out.setdefault(name, items)
        return out, sources


class BlockValue(Lazy):
    """A nested block of a resource as expressions read it."""

    __slots__ = ("_data", "_instance", "_path")

    def __init__(
        self, instance: ResourceInstance, data: dict[str, Any], path: tuple[str | int, ...]
    ) -> None:
        self._instance = instance
        self._data = data
        self._path = path

    def get(self, key: str | int) -> Any:
        """An attribute or the blocks of a type."""
        found = self._data.get(str(key))
        if found is None:
            return self._instance.computed((*self._path, key))
        return self._instance.readable(found, (*self._path, key))

    def whole(self) -> Any:
        """What the block sets, open for what the provider adds."""
        return _opened(self._instance, self._data, self._path)


def _opened(instance: ResourceInstance, item: Any, path: tuple[str | int, ...]) -> Any:
    if isinstance(item, dict):
        inner = {key: _opened(instance, one, (*path, key)) for key, one in item.items()}
        return Open(inner, lambda key: instance.computed((*path, key)))
    if isinstance(item, list) and any(isinstance(one, dict) for one in item):
        return [_opened(instance, one, (*path, at)) for at, one in enumerate(item)]
    return item
