"""Code for calls: of rules, of builtins, and of what a ``with`` may have put in their place.

The builtins that policies use most are written out in place, where Python has the same operation
for the usual types; for all other types the builtin itself is asked, also for its errors.
"""

from __future__ import annotations

from haechi.engines.rego.compile_match import MatchWriter
from haechi.engines.rego.flat import Const, Function, Invoke, Term, show_path
from haechi.engines.rego.tree import RuleKind
from haechi.engines.rego.writing import plain

_ORDER = {"lt": "<", "lte": "<=", "gt": ">", "gte": ">="}
_TESTS = {
    "is_string": "type({0}) is str",
    "is_boolean": "type({0}) is bool",
    "is_array": "type({0}) is list",
    "is_null": "{0} is None",
    "is_set": "type({0}) is RegoSet",
    "is_object": "type({0}) is dict or type({0}) is RegoObject",
    "is_number": "type({0}) is int or type({0}) is float",
}
_TEXT_TESTS = {"startswith": "startswith", "endswith": "endswith"}
_HARMLESS = frozenset(
    {
        *(
            "abs",
            "all",
            "any",
            "array.slice",
            "cast_array",
            "ceil",
            "contains",
            "count",
            "div",
        ),
        *(
            "endswith",
            "equal",
            "floor",
            "glob.match",
            "internal.member_2",
            "internal.member_3",
        ),
        *(
            "is_array",
            "is_boolean",
            "is_null",
            "is_number",
            "is_object",
            "is_set",
            "is_string",
        ),
        *(
            "json.unmarshal",
            "lower",
            "max",
            "min",
            "minus",
            "neq",
            "net.cidr_contains",
        ),
        *(
            "object.filter",
            "object.get",
            "object.keys",
            "object.remove",
            "plus",
            "regex.match",
        ),
        *(
            "rem",
            "round",
            "semver.compare",
            "semver.is_valid",
            "sort",
            "startswith",
            "substring",
        ),
        *(
            "sum",
            "time.now_ns",
            "time.parse_rfc3339_ns",
            "to_number",
            "trim",
            "trim_left",
        ),
        *(
            "trim_prefix",
            "trim_right",
            "trim_space",
            "trim_suffix",
            "type_name",
            "units.parse",
        ),
        *(
            "units.parse_bytes",
            "upper",
        ),
    }
) | frozenset(_ORDER)
"""Builtins whose results are never larger than what they were given."""


class CallWriter(MatchWriter):
    def invoke(self, call: Invoke) -> None:
        atoms = [self.value(term) for term in call.arguments]
        function = call.function
        if function in self.tables.mockable:
            self.mocked_call(call, atoms)
        elif isinstance(function, tuple):
            self.rule_call(function, atoms, call.out)
        elif not self.inline(function, call, atoms):
            self.builtin_call(function, atoms, call.out)

    def result(self, name: str, out: Term | None) -> None:
        """What becomes of a call's value, which is defined."""
        if out is None:
            self.fail_if(f"{name} is False")
        else:
            self.match(out, name)

    def rule_call(self, path: tuple[str, ...], atoms: list[str], out: Term | None) -> None:
        name = self.temp()
        self.emit(f"{name} = {self.rule_function(path)}({', '.join([self.run, *atoms])})")
        if out is None:
            self.fail_if(f"{name} is U or {name} is False")
        else:
            self.fail_if(f"{name} is U")
            self.match(out, name)

    def rule_function(self, path: tuple[str, ...]) -> str:
        node = self.tables.documents.by_path.get(path)
        if node is None or node.kind is not RuleKind.FUNCTION:
            raise self.fault("rego_type_error", f"undefined function {show_path(path)}")
        self.used.add(path)
        return f"F{node.slot}"

    def builtin_call(self, function: str, atoms: list[str], out: Term | None) -> None:
        builtin = self.tables.builtins[function]
        alias = self.tables.builtin(function)
        if builtin.contextual:
            atoms = [f"{self.run}.context()", *atoms]
        called = f"{alias}({', '.join(atoms)})"
        name = self.temp()
        if builtin.relation:
            self.emit(f"try: {name} = {called}")
            self.emit(f"except BuiltinError: {self.fail()}")
            result = self.temp()
            self.open_loop(f"{result} in related({self.run}, {name})")
            self.result(result, out)
            return
        if function not in _HARMLESS:
            called = f"measured({self.run}, {called})"
        self.emit(f"try: {name} = {called}")
        self.emit(f"except BuiltinError: {self.fail()}")
        self.result(name, out)

    # -- written out --------------------------------------------------------------------------

    def inline(self, function: str, call: Invoke, atoms: list[str]) -> bool:
        """Write the builtin out in place, if it is one of those."""
        if function in _TESTS:
            self.truth(_TESTS[function].format(*atoms), call.out)
        elif function in ("neq", "equal") and len(atoms) == 2:
            self.comparison(function, call, atoms)
        elif function in _ORDER:
            self.ordering(function, atoms, call.out)
        elif function in _TEXT_TESTS:
            one, other = atoms
            checks = [
                f"type({atom}) is str"
                for atom, term in zip(atoms, call.arguments, strict=True)
                if not _is_text(term)
            ]
            condition = " and ".join(checks) or "True"
            self.quick(f"{one}.{function}({other})", condition, call, atoms)
        elif function == "count":
            kind = f"type({atoms[0]})"
            self.quick(f"len({atoms[0]})", f"{kind} is list or {kind} is str", call, atoms)
        elif function == "object.get" and _is_text(call.arguments[1]):
            self.quick(
                f"{atoms[0]}.get({atoms[1]}, {atoms[2]})", f"type({atoms[0]}) is dict", call, atoms
            )
        elif function == "internal.member_2":
            self.quick(
                f"{atoms[0]} in {atoms[1]}.members",
                f"type({atoms[0]}) is str and type({atoms[1]}) is RegoSet",
                call,
                atoms,
            )
        else:
            return False
        return True

    def truth(self, condition: str, out: Term | None) -> None:
        if out is None:
            self.fail_if(f"not ({condition})")
            return
        name = self.temp()
        self.emit(f"{name} = {condition}")
        self.match(out, name)

    def comparison(self, function: str, call: Invoke, atoms: list[str]) -> None:
        left, right = call.arguments
        one, other = atoms
        if isinstance(left, Const) and not isinstance(right, Const):
            left, right, one, other = right, left, other, one
        if isinstance(right, Const) and type(right.value) is str:
            same = f"{one} == {other}"
        else:
            same = f"equal({one}, {other})"
        self.truth(same if function == "equal" else f"not ({same})", call.out)

    def ordering(self, function: str, atoms: list[str], out: Term | None) -> None:
        one, other = atoms
        alias = self.tables.builtin(function)
        quick = f"type({one}) is int and type({other}) is int"
        sign = _ORDER[function]
        self.truth(f"{one} {sign} {other} if {quick} else {alias}({one}, {other})", out)

    def quick(self, expression: str, condition: str, call: Invoke, atoms: list[str]) -> None:
        """The expression where the condition holds, else the builtin itself."""
        name = self.temp()
        self.emit(f"if {condition}: {name} = {expression}")
        self.emit("else:")
        self.emit(f" try: {name} = {self.tables.builtin(str(call.function))}({', '.join(atoms)})")
        self.emit(f" except BuiltinError: {self.fail()}")
        self.result(name, call.out)

    # -- with ---------------------------------------------------------------------------------

    def mocked_call(self, call: Invoke, atoms: list[str]) -> None:
        function = call.function
        name, mock = self.temp(), self.temp()
        given = ", ".join([self.run, *atoms])
        self.emit(f"{mock} = {self.run}.mocks.get({self.tables.constant(mock_key(function))})")
        self.emit(f"if {mock} is not None: {name} = mocked({', '.join([mock, given])})")
        self.emit("else:")
        if isinstance(function, tuple):
            self.emit(f" {name} = {self.rule_function(function)}({given})")
        else:
            self.emit(f" {name} = {self.plain_builtin(function)}({given})")
        self.fail_if(f"{name} is U")
        self.result(name, call.out)

    def plain_builtin(self, function: str) -> str:
        """A builtin as a function of the run that gives undefined for an error."""
        alias = f"{self.tables.builtin(function)}_plain"
        builtin = self.tables.builtins[function]
        self.tables.space.setdefault(alias, plain(builtin))
        return alias

    def callable_name(self, function: Function) -> str:
        if isinstance(function, tuple):
            return self.rule_function(function)
        return self.plain_builtin(function)


def _is_text(term: Term) -> bool:
    return isinstance(term, Const) and type(term.value) is str


def mock_key(function: Function) -> tuple[str, ...]:
    return ("", function) if isinstance(function, str) else function
