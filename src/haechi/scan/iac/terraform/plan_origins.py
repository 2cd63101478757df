"""Where the unknown values of a plan come from, by the configuration that is in it.

A plan is hostile input: a million values may be unknown by one expression, and references lead
through modules, each of which may name many. Every expression is read once, every name followed
once, and so many at most.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from haechi.checks.terraform.addresses import bare
from haechi.model.location import AttrPath, format_path
from haechi.model.unknown import Reference, Unknown

_MAX_REFERENCES = 200
"""Of one value; the first are enough to say where it comes from."""
_MAX_ASKED = 2_000
"""Names that are followed for one value."""


class Origin:
    """Where the unknown values of one resource come from, by the configuration in the plan."""

    def __init__(
        self, root: Mapping[str, Any], address: str, indexes: dict[int, Mapping[str, Any]]
    ) -> None:
        self._address = address
        steps = bare(address).split(".")
        self._modules: list[Mapping[str, Any]] = [root]
        self._calls: list[Mapping[str, Any]] = []
        at = 0
        while at + 1 < len(steps) and steps[at] == "module":
            calls = self._modules[-1].get("module_calls")
            call = calls.get(steps[at + 1]) if isinstance(calls, dict) else None
            call = call if isinstance(call, dict) else {}
            inner = call.get("module")
            self._calls.append(call)
            self._modules.append(inner if isinstance(inner, dict) else {})
            at += 2
        self._names = steps[1:at:2]
        module = self._modules[-1]
        if id(module) not in indexes:
            indexes[id(module)] = _expressions(module)
        self._expressions = indexes[id(module)].get(".".join(steps[at:]))
        self._found: dict[int, tuple[Reference, ...]] = {}

    def unknown(self, path: AttrPath) -> Unknown:
        """The value at a path."""
        refs = self._references(path)
        cause = f"{self._address}.{format_path(path)}"
        if refs:
            first = refs[0]
            cause = ".".join((first.address, *map(str, first.path)))
        return Unknown(f"{cause} is known after apply", cause=cause, refs=refs, given=True)

    def _references(self, path: AttrPath) -> tuple[Reference, ...]:
        node: Any = self._expressions
        for step in path:
            if isinstance(node, list):
                node = node[step] if isinstance(step, int) and step < len(node) else None
            elif isinstance(node, dict) and "references" not in node:
                node = node.get(step) if isinstance(step, str) else node
        if not isinstance(node, dict):
            return ()
        if id(node) not in self._found:
            found = self._resolved(_most(node.get("references")), len(self._calls), set())
            self._found[id(node)] = tuple(dict.fromkeys(islice(found, _MAX_REFERENCES)))
        return self._found[id(node)]

    def _resolved(
        self, names: Sequence[str], level: int, asked: set[tuple[str, int]]
    ) -> Iterator[Reference]:
        """References of the module at a level as addresses of resources, each asked once."""
        for name in names:
            if (name, level) in asked or len(asked) >= _MAX_ASKED:
                continue
            asked.add((name, level))
            steps = bare(name).split(".")
            if steps[0] == "var" and level > 0 and len(steps) > 1:
                expressions = self._calls[level - 1].get("expressions")
                told = expressions.get(steps[1]) if isinstance(expressions, dict) else None
                inner = told.get("references") if isinstance(told, dict) else None
                yield from self._resolved(_most(inner), level - 1, asked)
            elif steps[0] == "module" and len(steps) > 2:
                yield from self._output(steps, level)
            elif steps[0] not in ("var", "local", "each", "count", "path", "terraform", "module"):
                size = 3 if steps[0] == "data" else 2
                if len(steps) >= size:
                    address = ".".join((*self._prefix(level), *steps[:size]))
                    yield Reference(address, tuple(steps[size:]))

    def _output(self, steps: list[str], level: int) -> Iterator[Reference]:
        calls = self._modules[level].get("module_calls")
        call = calls.get(steps[1]) if isinstance(calls, dict) else None
        module = call.get("module") if isinstance(call, dict) else None
        outputs = module.get("outputs") if isinstance(module, dict) else None
        output = outputs.get(steps[2]) if isinstance(outputs, dict) else None
        told = output.get("expression") if isinstance(output, dict) else None
        names = told.get("references") if isinstance(told, dict) else None
        for name in _most(names):
            parts = bare(name).split(".")
            size = 3 if parts[0] == "data" else 2
            if parts[0] not in ("var", "local", "module") and len(parts) >= size:
                prefix = (*self._prefix(level), "module", steps[1])
                yield Reference(".".join((*prefix, *parts[:size])), tuple(parts[size:]))

    def _prefix(self, level: int) -> tuple[str, ...]:
        return tuple(part for name in self._names[:level] for part in ("module", name))


def _expressions(module: Mapping[str, Any]) -> dict[str, Any]:
    """What the blocks of a module say, by address; the first where one is there twice."""
    out: dict[str, Any] = {}
    for one in _list(module.get("resources")):
        if isinstance(one, dict) and isinstance(one.get("address"), str):
            out.setdefault(one["address"], one.get("expressions"))
    return out


def _most(names: Any) -> list[str]:
    """References without those that are only the beginning of another one."""
    listed = [name for name in _list(names)[:_MAX_REFERENCES] if isinstance(name, str)]
    ordered = sorted(listed)
    return [name for name in listed if not _begins_another(name, ordered)]


def _begins_another(name: str, ordered: Sequence[str]) -> bool:
    for start in (f"{name}.", f"{name}["):
        at = bisect_left(ordered, start)
        if at < len(ordered) and ordered[at].startswith(start):
            return True
    return False


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
