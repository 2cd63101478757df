"""Random programs in Rego v1, small enough to read when one fails.

They are made of what policies are made of (references with and without variables, comparisons,
comprehensions, negation, ``some``, ``every``, functions, partial rules, ``else``), over an input
in which half of what is asked for is missing or of another type. Nothing sees to it that a
program is safe: that is part of what is compared.
"""

from __future__ import annotations

from random import Random
from typing import Any

NAMES = ("a", "b", "c")
FIELDS = ("name", "kind", "items", "tags", "n")
TEXTS = ("x", "y", "pod", "a")


def random_input(random: Random, depth: int = 3) -> Any:
    """A document in the shape of what the programs ask for, not always kept."""
    if depth == 0 or random.random() < 0.25:
        return random.choice([None, True, False, 0, 1, 2, 3, 1.5, "x", "y", "pod", ""])
    if random.random() < 0.4:
        return [random_input(random, depth - 1) for _ in range(random.randint(0, 3))]
    fields = random.sample((*FIELDS, *NAMES), random.randint(0, 4))
    return {field: random_input(random, depth - 1) for field in fields}


class Generator:
    """One module: sets, objects, functions and complete rules that ask those before them."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.sets: list[str] = []
        self.objects: list[str] = []
        self.values: list[str] = []
        self.functions: list[str] = []

    def module(self) -> str:
        rules = [self.rule(number) for number in range(self.random.randint(2, 6))]
        return "package t\n\n" + "\n".join(rules)

    def rule(self, number: int) -> str:
        kind = self.random.choice(["set", "set", "object", "value", "value", "function"])
        name = f"{kind[0]}{number}"
        times = self.random.choice((1, 1, 2))
        text = "".join(getattr(self, f"{kind}_rule")(name) for _ in range(times))
        {"set": self.sets, "object": self.objects, "value": self.values}.get(
            kind, self.functions
        ).append(name)
        return text

    def set_rule(self, name: str) -> str:
        known = ["x"]
        body = [self.binder("x", []), *self.body(known)]
        return f"{name} contains {self.head(known)} if {{\n{self.lines(body)}}}\n"

    def object_rule(self, name: str) -> str:
        known = ["x"]
        body = [self.binder("x", []), *self.body(known)]
        key = self.random.choice(known)
        return f"{name}[{key}] := {self.head(known)} if {{\n{self.lines(body)}}}\n"

    def value_rule(self, name: str) -> str:
        known: list[str] = []
        body = self.body(known)
        value = self.random.choice(["1", "2", "true", self.head(known)])
        other = ""
        if self.random.random() < 0.3:
            other = f" else := {self.scalar()} if {{\n{self.lines(self.body([]))}}}"
        return f"{name} := {value} if {{\n{self.lines(body)}}}{other}\n"

    def function_rule(self, name: str) -> str:
        known = ["p"]
        pattern = self.random.choice(["p", "p", "p", '["x", p]', '{"n": p}'])
        body = self.body(known)
        return f"{name}({pattern}) := {self.head(known)} if {{\n{self.lines(body)}}}\n"

    def lines(self, body: list[str]) -> str:
        if self.random.random() < 0.2:
            self.random.shuffle(body)
        return "".join(f"\t{line}\n" for line in body or ["true"])

    def head(self, known: list[str]) -> str:
        if not known or self.random.random() < 0.2:
            return self.scalar()
        name = self.random.choice(known)
        form = self.random.choice(["{0}", "{0}", "[{0}, 1]", '{{"k": {0}}}', "{{{0}}}"])
        return form.format(name)

    def body(self, known: list[str]) -> list[str]:
        return [self.statement(known) for _ in range(self.random.randint(1, 4))]

    # -- statements ---------------------------------------------------------------------------

    def statement(self, known: list[str]) -> str:
        forms = [self.bind, self.bind, self.compare, self.compare, self.negate, self.truth]
        forms += [self.some_in, self.every, self.unify, self.changed]
        return self.random.choice(forms)(known)

    def bind(self, known: list[str]) -> str:
        # a comprehension stands alone: OPA refuses one beside a reference by the variable it reads
        closure = self.random.random() < 0.4
        term = self.deep("closure", known, 2) if closure else self.term(known, wild=True)
        name = self.fresh(known, term)
        known.append(name)
        return f"{name} := {term}"

    def binder(self, name: str, known: list[str]) -> str:
        return f"{name} := {self.anything(known, wild=True)}"

    def fresh(self, known: list[str], term: str = "") -> str:
        """A new name. Those with a ``d`` in front may hold anything, for all OPA knows."""
        initial = "d" if term.startswith(("input", "d")) else self.random.choice("uvw")
        return f"{initial}{len(known)}_{self.random.randint(0, 99)}"

    def anything(self, known: list[str], *, wild: bool = False) -> str:
        """A term of which OPA knows no type."""
        names = [name for name in known if name[0] in "dxp"]
        if names and self.random.random() < 0.5:
            name = self.random.choice(names)
            return name + (self.keys(known, wild) if self.random.random() < 0.5 else "")
        return "input" + self.keys(known, wild)

    def compare(self, known: list[str]) -> str:
        sign = self.random.choice(["==", "==", "!=", "<", ">="])
        return f"{self.term(known, wild=True)} {sign} {self.term(known)}"

    def unify(self, known: list[str]) -> str:
        one, other = self.fresh(known), self.fresh(known) + "z"
        known += [one, other]
        form = self.random.choice(
            [
                "[{0}, {1}] = {2}",
                "{0} = {2}; {1} = [{0}]",
                '{{"name": {0}, "n": {1}}} = {2}',
                "[{0}, 1] = [{1}, {1}]; {0} = {2}",
                "{2} = {0}; {1} = {0}",
            ]
        )
        return form.format(one, other, self.anything(known[:-2], wild=True))

    def negate(self, known: list[str]) -> str:
        return f"not {self.random.choice([self.plain_compare, self.truth_of])(known)}"

    def plain_compare(self, known: list[str]) -> str:
        sign = self.random.choice(["==", "!=", ">"])
        return f"{self.term(known)} {sign} {self.term(known)}"

    def truth_of(self, known: list[str]) -> str:
        return self.term(known)

    def truth(self, known: list[str]) -> str:
        return self.term(known, wild=True)

    def some_in(self, known: list[str]) -> str:
        name = self.fresh(known, "d")
        source = self.anything(known)
        known.append(name)
        if self.random.random() < 0.5:
            index = self.fresh(known, "d") + "k"
            known.append(index)
            return f"some {index}, {name} in {source}"
        return f"some {name} in {source}"

    def every(self, known: list[str]) -> str:
        name = self.fresh(known, "d")
        sign = self.random.choice(["==", "!=", "<"])
        inner = self.anything([*known, name])
        return f"every {name} in {self.anything(known)} {{ {name} {sign} {inner} }}"

    def changed(self, known: list[str]) -> str:
        term = self.term(known)
        name = self.fresh(known, term)
        text = f"{name} := {term} with input.{self.random.choice(NAMES)} as {self.scalar()}"
        known.append(name)
        return text

    # -- terms --------------------------------------------------------------------------------

    def scalar(self) -> str:
        return self.random.choice(
            ["1", "2", "true", "false", "null", '"x"', '"pod"', '"name"', "1.5", "0"]
        )

    def term(self, known: list[str], *, wild: bool = False, depth: int = 2) -> str:
        forms = ["scalar", "input", "input", "input"]
        if known:
            forms += ["known", "known"]
        if self.sets or self.objects or self.values:
            forms += ["rule", "rule"]
        if depth:
            forms += ["call", "container"]
            if self.functions:
                forms.append("function")
        form = self.random.choice(forms)
        if form == "scalar":
            return self.scalar()
        if form == "known":
            return self.random.choice(known)
        if form == "input":
            return self.anything(known, wild=wild)
        if form == "rule":
            return self.rule_term(known, wild)
        return self.deep(form, known, depth)

    def deep(self, form: str, known: list[str], depth: int) -> str:
        inner = self.anything(known)
        if form == "function":
            return f"{self.random.choice(self.functions)}({inner})"
        if form == "call":
            other = self.anything(known)
            return self.random.choice(
                [
                    "count({0})",
                    "is_string({0})",
                    "object.get({0}, {1}, 7)",
                    "type_name({0})",
                    'sprintf("%v", [{0}])',
                    "{0} in {1}",
                    'concat(",", {0})',
                    "({0} | {1})",
                ]
            ).format(inner, other)
        if form == "container":
            inner = self.term(known, depth=depth - 1)
            return self.random.choice(["[{0}]", '{{"n": {0}}}', "{{{0}, 1}}", '["x", {0}]']).format(
                inner
            )
        term = self.term(known, wild=True, depth=depth - 1)
        name = self.fresh(known, term) + "c"
        body = f"{name} := {term}"
        if self.random.random() < 0.4:
            body += f"; {self.plain_compare([*known, name])}"
        form = self.random.choice(
            ["[{0} | {1}]", "{{{0} | {1}}}", "{{{0}: 1 | {1}}}", "count([{0} | {1}])"]
        )
        return form.format(name, body)

    def rule_term(self, known: list[str], wild: bool) -> str:
        names = self.sets + self.objects + self.values
        name = self.random.choice(names)
        if name in self.values or self.random.random() < 0.3:
            return name
        if wild and self.random.random() < 0.5:
            return f"{name}[_]"
        return f"{name}[{self.anything(known)}]"

    def keys(self, known: list[str], wild: bool) -> str:
        text = ""
        for _ in range(self.random.randint(1, 3)):
            choice = self.random.random()
            if choice < 0.5:
                text += f".{self.random.choice(FIELDS + NAMES)}"
            elif choice < 0.8 and wild:
                text += "[_]"
            elif choice < 0.9 and any(name[0] in "dxp" for name in known):
                names = [name for name in known if name[0] in "dxp"]
                text += f"[{self.random.choice(names)}]"
            else:
                text += self.random.choice(["[0]", "[1]", '["name"]'])
        return text
