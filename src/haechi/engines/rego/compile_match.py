"""Code for unification: binding variables, taking arrays and objects apart, comparing."""

from __future__ import annotations

from haechi.engines.rego.compile_terms import TermWriter
from haechi.engines.rego.flat import Closure, Const, Items, Local, Pairs, Path, Term


class MatchWriter(TermWriter):
    def match(self, pattern: Term, atom: str) -> None:
        """Unify a pattern with a value that is known."""
        if isinstance(pattern, Local) and pattern.name not in self.env:
            self.env[pattern.name] = atom
        elif isinstance(pattern, Const):
            self.fail_if(_differs_from_constant(atom, pattern, self))
        elif self.ground(pattern):
            self.fail_if(f"not equal({atom}, {self.value(pattern)})")
        elif isinstance(pattern, Items):
            size = len(pattern.items)
            self.fail_if(f"type({atom}) is not list or len({atom}) != {size}")
            for number, item in enumerate(pattern.items):
                self.match_part(item, f"{atom}[{number}]")
        elif isinstance(pattern, Pairs):
            self.match_pairs(pattern, atom)
        else:
            self.fail_if(f"not equal({atom}, {self.value(pattern)})")

    def match_part(self, pattern: Term, expression: str) -> None:
        if isinstance(pattern, Local) and pattern.name.startswith("$"):
            return
        name = self.temp()
        self.emit(f"{name} = {expression}")
        self.match(pattern, name)

    def match_pairs(self, pattern: Pairs, atom: str) -> None:
        self.fail_if(f"not is_object({atom}, {len(pattern.pairs)})")
        for key, value in pattern.pairs:
            name = self.temp()
            self.emit(f"{name} = lookup({atom}, {self.value(key)})")
            self.fail_if(f"{name} is U")
            self.match(value, name)

    def unify(self, left: Term, right: Term) -> None:
        waiting = [(left, right)]
        while waiting:
            later: list[tuple[Term, Term]] = []
            for one, other in waiting:
                self.unify_pair(one, other, later)
            if later == waiting:
                self.value(Local(self.unbound(*later[0])))  # raises: it is unsafe
                return
            waiting = later

    def unify_pair(self, left: Term, right: Term, later: list[tuple[Term, Term]]) -> None:
        if isinstance(left, Path | Closure):
            self.unify_found(left, right)
        elif isinstance(right, Path | Closure):
            self.unify_found(right, left)
        elif self.ground(left):
            self.unify_known(left, right)
        elif self.ground(right):
            self.unify_known(right, left)
        elif isinstance(left, Items) and isinstance(right, Items):
            if len(left.items) != len(right.items):
                self.emit(self.fail_always())
            else:
                later.extend(zip(left.items, right.items, strict=True))
        elif isinstance(left, Pairs) and isinstance(right, Pairs):
            self.unify_objects(left, right, later)
        else:
            later.append((left, right))

    def unify_found(self, found: Path | Closure, other: Term) -> None:
        if isinstance(other, Path | Closure):
            atom = self.value(found)
            self.fail_if(f"not equal({atom}, {self.value(other)})")
        else:
            self.match(other, self.value(found))

    def unify_known(self, known: Term, other: Term) -> None:
        if isinstance(other, Const) and isinstance(known, Const):
            self.match(other, self.value(known))
        elif isinstance(known, Const) and self.ground(other):
            self.match(known, self.value(other))
        else:
            self.match(other, self.value(known))

    def unify_objects(self, left: Pairs, right: Pairs, later: list[tuple[Term, Term]]) -> None:
        others = dict(right.pairs)
        if len(left.pairs) != len(others) or any(key not in others for key, _ in left.pairs):
            self.emit(self.fail_always())
            return
        later.extend((value, others[key]) for key, value in left.pairs)

    def fail_always(self) -> str:
        """Python refuses code after ``continue`` nowhere, but variables stay to be bound."""
        return f"if U is U: {self.fail()}"

    def unbound(self, *terms: Term) -> str:
        for term in terms:
            if isinstance(term, Local) and term.name not in self.env:
                return term.name
        return "_"


def _differs_from_constant(atom: str, pattern: Const, writer: TermWriter) -> str:
    value = pattern.value
    text = writer.tables.constant(value)
    if value is None or value is True or value is False:
        return f"{atom} is not {text}"
    if type(value) is str or value not in (0, 1):
        return f"{atom} != {text}"
    forbidden = "True" if value == 1 else "False"
    return f"{atom} != {text} or {atom} is {forbidden}"
