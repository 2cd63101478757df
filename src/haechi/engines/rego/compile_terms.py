"""Code for values: constants, containers, and what is found along a path.

A value is evaluated into an atom, a Python name or literal; where it is undefined the body is
given up on the spot, so no atom ever is undefined. A path with a free variable opens a loop.
"""

from __future__ import annotations

from haechi.engines.rego.documents import Node
from haechi.engines.rego.flat import (
    Closure,
    Const,
    Items,
    Local,
    Members,
    Pairs,
    Path,
    Root,
    Step,
    Term,
    children,
    show_path,
)
from haechi.engines.rego.tree import RuleKind
from haechi.engines.rego.values import RegoSet, make_object
from haechi.engines.rego.writing import Writer

Names = tuple[str, ...]


class TermWriter(Writer):
    def ground(self, term: Term) -> bool:
        """Whether every variable of a value is bound here."""
        if isinstance(term, Local):
            return term.name in self.env
        if isinstance(term, Closure):
            return True
        return all(map(self.ground, children(term)))

    def value(self, term: Term) -> str:
        if isinstance(term, Const):
            return self.tables.constant(term.value)
        if isinstance(term, Local):
            atom = self.env.get(term.name)
            if atom is None:
                shown = term.name.partition("%")[0] or "_"
                raise self.fault("rego_unsafe_var_error", f"var {shown} is unsafe")
            return atom
        if isinstance(term, Path):
            return self.path(term)
        if isinstance(term, Closure):
            return self.closure(term)
        if is_constant(term):
            return self.tables.constant(constant(term))
        return self.container(term)

    def container(self, term: Term) -> str:
        name = self.temp()
        if isinstance(term, Items):
            self.emit(f"{name} = [{', '.join([self.value(item) for item in term.items])}]")
        elif isinstance(term, Members):
            atoms = ", ".join([self.value(item) for item in term.items])
            self.emit(f"{name} = make_set({self.run}, [{atoms}])")
        elif isinstance(term, Pairs):
            pairs = [(self.value(key), self.value(value)) for key, value in term.pairs]
            if all(_is_text(key) for key, _ in term.pairs):
                self.emit(f"{name} = {{{', '.join(f'{key}: {value}' for key, value in pairs)}}}")
            else:
                inner = ", ".join(f"({key}, {value})" for key, value in pairs)
                self.emit(f"{name} = make_object([{inner}])")
        if not isinstance(term, Members):
            self.emit(f"weighed({self.run}, {name})")
        return name

    # -- paths --------------------------------------------------------------------------------

    def path(self, term: Path) -> str:
        head = term.head
        if isinstance(head, Root):
            if head.name == "input":
                return self.input_path(term.keys)
            return self.data_path(term.keys)
        return self.along(self.value(head), term.keys)

    def input_path(self, keys: tuple[Term, ...]) -> str:
        fixed = _fixed(keys)
        name = self.temp()
        if not fixed:
            self.emit(f"{name} = {self.run}.input")
            self.fail_if(f"{name} is U")
        else:
            self.fetch_path(name, "input", fixed)
        return self.along(name, keys[len(fixed) :])

    def fetch_path(self, name: str, root: str, fixed: Names) -> None:
        slot = self.tables.documents.slot_of(root, fixed)
        path = self.tables.constant(fixed)
        self.emit(f"{name} = {self.run}.memo[{slot}]")
        self.emit(f"if {name} is P: {name} = {root}_at({self.run}, {slot}, {path})")
        self.fail_if(f"{name} is U")

    def data_path(self, keys: tuple[Term, ...]) -> str:
        fixed = _fixed(keys)
        node = self.tables.documents.root
        if any(fixed[: len(path)] == path[: len(fixed)] for path in self.tables.coverable):
            return self.covered_path(fixed, keys)
        for number, part in enumerate(fixed):
            child = node.children.get(part)
            if child is None:
                if not self.tables.documents.root.children or number == 0:
                    return self.base_path(fixed, keys)
                return self.base_path(fixed, keys)
            node = child
            if node.kind is not None:
                return self.rule_path(node, keys[number + 1 :])
        return self.package_path(node, keys[len(fixed) :])

    def covered_path(self, fixed: Names, keys: tuple[Term, ...]) -> str:
        """A ``with`` somewhere in the program may cover this place: look it up."""
        self.depend(keys)
        name = self.temp()
        self.emit(f"{name} = data_lookup({self.run}, {self.tables.constant(fixed)})")
        self.fail_if(f"{name} is U")
        return self.along(name, keys[len(fixed) :])

    def base_path(self, fixed: Names, keys: tuple[Term, ...]) -> str:
        name = self.temp()
        self.fetch_path(name, "data", fixed)
        return self.along(name, keys[len(fixed) :])

    def rule_path(self, node: Node, keys: tuple[Term, ...]) -> str:
        self.used.add(node.path)
        name = self.temp()
        if node.kind is RuleKind.FUNCTION:
            if keys:
                return self.package_path(node, keys)
            what = f"function {show_path(node.path)} used as reference, not called"
            raise self.fault("rego_type_error", what)
        run = self.run
        unordered = node.kind is RuleKind.PARTIAL_SET and not self.body_frame().sorted
        if unordered and keys and not self.ground(keys[0]):
            return self.along(self.members(node, keys[0]), keys[1:])
        self.emit(f"{name} = {run}.memo[{node.slot}]")
        self.emit(f"if {name} is P: {name} = {run}.memo[{node.slot}] = R{node.slot}({run})")
        if node.kind is RuleKind.COMPLETE:
            self.fail_if(f"{name} is U")
        return self.along(name, keys)

    def members(self, node: Node, key: Term) -> str:
        """A loop over a partial set as it was collected: where neither order nor repetition tells,
        it need not become a set, for which whole containers would be hashed."""
        run, found, name = self.run, self.temp(), self.temp()
        slot = self.tables.documents.slot_of("members", node.path)
        self.emit(f"{found} = {run}.memo[{slot}]")
        self.emit(f"if {found} is P: {found} = L{node.slot}({run})")
        self.open_loop(f"{name} in values({run}, {found})")
        self.match(key, name)
        return name

    def package_path(self, node: Node, keys: tuple[Term, ...]) -> str:
        """A path through packages that is not known before it is walked: only what it comes
        to is evaluated, so that a rule may ask its neighbours."""
        self.depend((*map(Const, node.path), *keys))
        name = self.temp()
        if not keys:
            self.emit(f"{name} = data_document({self.run}, {self.tables.constant(node.path)})")
            self.fail_if(f"{name} is U")
            return name
        steps = keys[: node.depth()]
        place = "".join(f"{self.tables.constant(part)}, " for part in node.path)
        for key in steps:
            if self.ground(key):
                place += f"{self.value(key)}, "
            else:
                index = self.temp()
                self.open_loop(f"{index} in data_names({self.run}, ({place}))")
                self.match(key, index)
                place += f"{index}, "
        self.emit(f"{name} = data_lookup({self.run}, ({place}))")
        self.fail_if(f"{name} is U")
        return self.along(name, keys[len(steps) :])

    def depend(self, keys: tuple[Term, ...]) -> None:
        """Note all rules that a lookup may ask; a key that is not known may be any."""
        nodes = [self.tables.documents.root]
        for key in keys:
            below: list[Node] = []
            for node in nodes:
                if node.is_value:
                    below.append(node)
                elif not isinstance(key, Const):
                    below += node.children.values()
                elif key.value in node.children:
                    below.append(node.children[key.value])
            nodes = below
        for node in nodes:
            self.used.update(inner.path for inner in node.nodes() if inner.is_value)

    def along(self, atom: str, keys: tuple[Term, ...]) -> str:
        for key in keys:
            if isinstance(key, Const) and type(key.value) is str:
                name = self.temp()
                text = self.tables.constant(key.value)
                self.emit(
                    f"{name} = {atom}.get({text}, U) if type({atom}) is dict"
                    f" else lookup({atom}, {text})"
                )
                self.fail_if(f"{name} is U")
            elif self.ground(key):
                name = self.temp()
                self.emit(f"{name} = lookup({atom}, {self.value(key)})")
                self.fail_if(f"{name} is U")
            else:
                name = self.enumerate(atom, key)
            atom = name
        return atom

    def enumerate(self, atom: str, key: Term) -> str:
        """A loop over a collection that binds what is free in ``key``."""
        name = self.temp()
        order = "sorted_" if self.body_frame().sorted else ""
        if isinstance(key, Local) and key.name.startswith("$"):
            self.open_loop(f"{name} in {order}values({self.run}, {atom})")
            return name
        index = self.temp()
        self.open_loop(f"{index}, {name} in {order}items({self.run}, {atom})")
        self.match(key, index)
        return name

    # -- in other parts -----------------------------------------------------------------------

    def match(self, pattern: Term, atom: str) -> None:
        raise NotImplementedError

    def steps(self, steps: tuple[Step, ...]) -> None:
        raise NotImplementedError

    # -- comprehensions -----------------------------------------------------------------------

    def closure(self, term: Closure) -> str:
        name = self.temp()
        run, env, place = self.run, dict(self.env), self.place
        self.emit(f"{name} = []")
        depth = self.open_body(in_order=term.kind == "array")
        self.steps(term.steps)
        self.place = term.place
        value = self.value(term.value)
        if term.key is not None:
            value = f"({self.value(term.key)}, {value})"
        self.emit(f"{name}.append({value})")
        self.close(depth)
        self.run, self.env, self.place = run, env, place
        if term.kind == "set":
            self.emit(f"{name} = make_set({run}, {name})")
        elif term.kind == "array":
            self.emit(f"weighed({run}, {name})")
        else:
            file = self.tables.constant(self.file)
            self.emit(f"{name} = checked_object({run}, {name}, {file}, {term.place.line})")
        return name


def _fixed(keys: tuple[Term, ...]) -> Names:
    """The leading keys that are text."""
    found: list[str] = []
    for key in keys:
        if not (isinstance(key, Const) and type(key.value) is str):
            break
        found.append(key.value)
    return tuple(found)


def _is_text(term: Term) -> bool:
    return isinstance(term, Const) and type(term.value) is str


def is_constant(term: Term) -> bool:
    if isinstance(term, Const):
        return True
    if isinstance(term, Items | Members | Pairs):
        return all(map(is_constant, children(term)))
    return False


def constant(term: Term) -> object:
    """The value of a term without variables."""
    if isinstance(term, Const):
        return term.value
    if isinstance(term, Items):
        return [constant(item) for item in term.items]
    if isinstance(term, Members):
        return RegoSet.of([constant(item) for item in term.items])
    if isinstance(term, Pairs):
        return make_object([(constant(name), constant(value)) for name, value in term.pairs])
    raise TypeError(f"{type(term).__name__} is no constant")
