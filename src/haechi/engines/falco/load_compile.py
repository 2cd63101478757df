"""What was collected becomes rules: conditions parsed, names resolved, types checked.

After Falco's ``rule_loader_compiler.cpp``. A rule, macro or list that is wrong is told and left
out; the others are compiled all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from haechi.engines.falco import bound, check, messages
from haechi.engines.falco.exceptions import condition_of, exclusion
from haechi.engines.falco.load_collect import Collector, MacroInfo, RuleInfo
from haechi.engines.falco.load_yaml import LoadError, Written
from haechi.engines.falco.resolve import Lists, Macros, parse_with_lists
from haechi.engines.falco.ruleset import At, ItemList, Macro, Problem, Rule
from haechi.engines.falco.syntax import And, Node, Not, Or
from haechi.engines.falco.syntax import Macro as MacroName
from haechi.errors import ConditionError

_INFO = "%container.info"
_INFO_GONE = (
    "%container.info is deprecated and says nothing any more: name %container.id and "
    "%container.name"
)
_SYSCALL = "syscall"


class _Part(msgspec.Struct, frozen=True):
    """A condition as it is written: parsed, and with the items of its lists."""

    parsed: Node
    tree: Node
    at: Callable[[int], At]


class _Verdict(msgspec.Struct, frozen=True):
    """What checking the text of a macro for a source came to."""

    cautions: tuple[check.Caution, ...] = ()
    fault: ConditionError | None = None


class Compiler:
    """Compiles all of a collector's items; ``tell`` receives the problems."""

    def __init__(
        self,
        collected: Collector,
        lists: Lists,
        macros: Macros,
        tell: Callable[[Problem], None],
    ) -> None:
        self.skipped: list[str] = []
        self._collected = collected
        self._lists = lists
        self._macros = macros
        self._tell = tell
        self._parts: dict[str, _Part] = {}
        self._faults: dict[tuple[str, str], LoadError | None] = {}
        self._cautioned: set[tuple[str, check.Caution]] = set()

    def rules(self) -> tuple[Rule, ...]:
        """Every rule that is right, in the order of first definition."""
        self._read_macros()
        found: list[Rule] = []
        for info in self._collected.rules.values():
            if info.unknown_source:
                continue
            try:
                rule = self._rule(info)
            except LoadError as error:
                self._report(error, f"rule {info.name}")
            else:
                if rule is not None:
                    found.append(rule)
        return tuple(found)

    def lists(self) -> tuple[ItemList, ...]:
        """Every list, flattened. To be asked after ``rules``, which find out what is used."""
        found: list[ItemList] = []
        for info in self._collected.lists.values():
            try:
                items = self._lists.flat(info.name)
            except ConditionError as error:
                items = ()
                self._report(LoadError(messages.VALIDATE, error.what, info.at), f"list {info.name}")
            found.append(ItemList(name=info.name, items=items, at=info.at))
        return tuple(self._marked(found, self._lists.used, "list", messages.UNUSED_LIST))

    def macros(self) -> tuple[Macro, ...]:
        """Every macro that could be parsed. To be asked after ``rules``."""
        found = [
            Macro(
                name=info.name,
                text=info.condition.text,
                condition=self._parts[info.name].parsed,
                at=info.at,
            )
            for info in self._collected.macros.values()
            if info.name in self._parts
        ]
        return tuple(self._marked(found, self._macros.used, "macro", messages.UNUSED_MACRO))

    def _marked(self, items: list, used: set[str], kind: str, code: str) -> Iterator:  # type: ignore[type-arg]
        for item in items:
            if item.name in used:
                yield msgspec.structs.replace(item, used=True)
                continue
            what = messages.UNUSED.format(kind=kind.capitalize())
            self._warn(code, what, item.at, f"{kind} {item.name}")
            yield item

    # -- macros -------------------------------------------------------------------------------

    def _read_macros(self) -> None:
        for info in self._collected.macros.values():
            try:
                self._parts[info.name] = part = self._parse(info.condition)
            except LoadError as error:
                self._macros.failed.add(info.name)
                self._report(error, f"macro {info.name}")
            else:
                self._macros.trees[info.name] = part.tree
        for info in self._collected.macros.values():
            if info.name in self._parts:
                self._expand_macro(info)

    def _expand_macro(self, info: MacroInfo) -> None:
        def visible(name: str) -> bool:
            other = self._collected.macros.get(name)
            return other is not None and other.index < info.visibility

        part = self._parts[info.name]
        try:
            tree = self._macros.expand(part.tree, visible)
        except ConditionError as error:
            self._macros.failed.add(info.name)
            self._macros.trees.pop(info.name, None)
            fault = LoadError(messages.VALIDATE, error.what, _at(part, error))
            self._report(fault, f"macro {info.name}")
        else:
            self._macros.settle(info.name, tree)

    def _parse(self, written: Written) -> _Part:
        try:
            parsed, tree = parse_with_lists(written.text, self._lists)
        except ConditionError as error:
            index = error.place.index if error.place is not None else 0
            what = f"{error.what}; {error.do}" if error.do else error.what
            raise LoadError(messages.COMPILE_CONDITION, what, written.at(index)) from None
        return _Part(parsed, tree, written.at)

    # -- rules --------------------------------------------------------------------------------

    def _rule(self, info: RuleInfo) -> Rule | None:
        who = f"rule {info.name}"
        output = self._output(info, who)
        part = self._parse(info.condition)
        bare = self._expanded(part)
        excluded = [self._exception(info, number) for number in range(len(info.exceptions))]
        without = [(piece, self._expanded(piece)) for piece in excluded if piece is not None]
        fault = _output_fault(output, info)
        for piece in (part, *(piece for piece, _ in without)):
            fault = fault or self._check(piece, info.source, who)
        if fault is not None:
            if not (info.skip_if_unknown_filter and messages.is_unknown(fault.what)):
                raise fault
            self._warn(messages.UNKNOWN_FILTER, fault.what, fault.at, who)
            self.skipped.append(info.name)
            return None
        condition = bare
        if without:
            parts = (bare, *(Not(part=tree) for _, tree in without))
            condition = And(parts=parts)
        return self._made(info, output, condition, bare, part)

    def _made(self, info: RuleInfo, output: str, condition: Node, bare: Node, part: _Part) -> Rule:
        try:
            types = bound.types_of(condition)
        except ConditionError as error:
            raise LoadError(messages.COMPILE_CONDITION, error.what, _at(part, error)) from None
        if info.source == _SYSCALL and info.warn_evttypes and types.codes > bound.MANY:
            who = f"rule {info.name}"
            self._warn(messages.NO_EVTTYPE, messages.TOO_MANY_TYPES, info.at, who)
        return Rule(
            name=info.name,
            condition=condition,
            bare=bare,
            text=info.condition.text,
            output=output,
            priority=info.priority,
            at=info.at,
            desc=info.desc,
            source=info.source,
            enabled=info.enabled,
            tags=info.tags,
            exceptions=tuple(exclusion(exception) for exception in info.exceptions),
            warn_evttypes=info.warn_evttypes,
            skip_if_unknown_filter=info.skip_if_unknown_filter,
            event_types=types.bounded,
        )

    def _output(self, info: RuleInfo, who: str) -> str:
        output, at = info.output.text, info.output.at()
        for name in check.DEPRECATED:
            if name in output:
                what = messages.deprecated_field(name)
                self._warn(messages.DEPRECATED_ITEM, what, at, who)
        if _INFO in output:
            self._warn(messages.DEPRECATED_ITEM, _INFO_GONE, at, who)
            output = output.replace(_INFO, "")
        return output

    def _exception(self, info: RuleInfo, number: int) -> _Part | None:
        exception = info.exceptions[number]
        text = condition_of(exception)
        if not text:
            return None
        try:
            parsed, tree = parse_with_lists(text, self._lists)
        except ConditionError as error:
            what = f"exception '{exception.name}': {error.what}"
            raise LoadError(messages.COMPILE_CONDITION, what, exception.at) from None
        return _Part(parsed, tree, lambda _: exception.at)

    def _expanded(self, part: _Part) -> Node:
        try:
            tree = self._macros.expand(part.tree, self._collected.macros.__contains__)
            self._macros.spend(tree)
            return tree
        except ConditionError as error:
            raise LoadError(messages.VALIDATE, error.what, _at(part, error)) from None

    # -- checking -----------------------------------------------------------------------------

    def _check(self, part: _Part, source: str, who: str) -> LoadError | None:
        """The first fault of a condition or of a macro that it uses."""
        verdict = _judged(part.tree, source)
        self._caution(verdict, part, who)
        if verdict.fault is not None:
            at = _at(part, verdict.fault)
            return LoadError(messages.COMPILE_CONDITION, verdict.fault.what, at)
        for name in _names(part.tree):
            fault = self._macro_fault(name, source)
            if fault is not None:
                return fault
        return None

    def _macro_fault(self, name: str, source: str) -> LoadError | None:
        """The first fault of a macro or of those that it uses; each is checked once a source."""
        key = (name, source)
        if key in self._faults:
            return self._faults[key]
        found: set[str] = set()
        waiting = [name]
        fault: LoadError | None = None
        while waiting and fault is None:
            other = waiting.pop()
            if other in found or other not in self._parts:
                continue
            found.add(other)
            if (other, source) in self._faults:
                fault = self._faults[(other, source)]
                continue
            fault = self._own_fault(other, source)
            waiting.extend(_names(self._parts[other].tree))
        if fault is None:
            self._faults.update({(other, source): None for other in found})
        self._faults[key] = fault
        return fault

    def _own_fault(self, name: str, source: str) -> LoadError | None:
        part = self._parts[name]
        verdict = _judged(part.tree, source)
        self._caution(verdict, part, f"macro {name}")
        if verdict.fault is None:
            return None
        what = f"{verdict.fault.what} (in macro '{name}')"
        return LoadError(messages.COMPILE_CONDITION, what, _at(part, verdict.fault))

    def _caution(self, verdict: _Verdict, part: _Part, who: str) -> None:
        for caution in verdict.cautions:
            if (who, caution) not in self._cautioned:
                self._cautioned.add((who, caution))
                self._warn(caution.code, caution.message, part.at(caution.place.index), who)

    # -- telling ------------------------------------------------------------------------------

    def _warn(self, code: str, message: str, at: At, item: str) -> None:
        self._tell(Problem(error=False, code=code, message=message, at=at, item=item))

    def _report(self, error: LoadError, item: str) -> None:
        self._tell(Problem(error=True, code=error.code, message=error.what, at=error.at, item=item))


def _output_fault(output: str, info: RuleInfo) -> LoadError | None:
    try:
        check.check_output(output, info.source)
    except ConditionError as error:
        index = error.place.index if error.place is not None else 0
        return LoadError(messages.COMPILE_OUTPUT, error.what, info.output.at(index))
    return None


def _judged(tree: Node, source: str) -> _Verdict:
    try:
        return _Verdict(tuple(check.check_condition(tree, source)))
    except ConditionError as error:
        return _Verdict(fault=error)


def _names(tree: Node) -> Iterator[str]:
    match tree:
        case MacroName():
            yield tree.name
        case Not():
            yield from _names(tree.part)
        case And() | Or():
            for part in tree.parts:
                yield from _names(part)
        case _:
            return


def _at(part: _Part, error: ConditionError) -> At:
    return part.at(error.place.index if error.place is not None else 0)
