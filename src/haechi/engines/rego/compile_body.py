"""Code for bodies: statement after statement, negation, ``every``, and ``with``."""

from __future__ import annotations

from collections.abc import Sequence

from haechi.engines.rego.compile_calls import CallWriter, mock_key
from haechi.engines.rego.flat import Change, Closure, Const, Each, Equal, Invoke, Step, Test


class BodyWriter(CallWriter):
    def steps(self, steps: Sequence[Step]) -> None:
        for step in steps:
            self.place = step.place
            outer = self.run
            if step.changes:
                self.changed(step.changes)
            if step.negated:
                self.negation(step)
            else:
                self.operation(step)
            self.run = outer

    def operation(self, step: Step) -> None:
        operation = step.operation
        if isinstance(operation, Test):
            self.test(operation)
        elif isinstance(operation, Equal):
            self.unify(operation.left, operation.right)
        elif isinstance(operation, Invoke):
            self.invoke(operation)
        else:
            self.each(operation)

    def test(self, test: Test) -> None:
        if isinstance(test.term, Const):
            if test.term.value is False:
                self.emit(self.fail_always())
            return
        atom = self.value(test.term)
        if not isinstance(test.term, Closure):
            self.fail_if(f"{atom} is False")

    # -- not ----------------------------------------------------------------------------------

    def negation(self, step: Step) -> None:
        if self.negated_call(step):
            return
        flag = self.temp()
        self.emit(f"{flag} = False")
        env, run = dict(self.env), self.run
        depth = self.open_body(flag=flag)
        self.operation(step)
        self.succeed()
        self.close(depth)
        self.env, self.run = env, run
        self.fail_if(flag)

    def negated_call(self, step: Step) -> bool:
        """``not f(x)``, the usual one, without a block."""
        call = step.operation
        if not isinstance(call, Invoke) or call.out is not None:
            return False
        function = call.function
        if not isinstance(function, tuple) or function in self.tables.mockable:
            return False
        atoms = [self.value(term) for term in call.arguments]
        name = self.temp()
        self.emit(f"{name} = {self.rule_function(function)}({', '.join([self.run, *atoms])})")
        self.fail_if(f"{name} is not U and {name} is not False")
        return True

    # -- every --------------------------------------------------------------------------------

    def each(self, each: Each) -> None:
        domain = self.value(each.domain)
        self.fail_if(f"not is_collection({domain})")
        failed, held = self.temp(), self.temp()
        env, run = dict(self.env), self.run
        self.emit(f"{failed} = False")
        outer = self.open_body(flag=failed)
        index, value = self.temp(), self.temp()
        self.open_loop(f"{index}, {value} in items({self.run}, {domain})")
        self.emit(f"{held} = False")
        inner = self.open_body(flag=held)
        if each.key is not None:
            self.match(each.key, index)
        self.match(each.value, value)
        self.steps(each.steps)
        self.succeed()
        self.close(inner)
        self.emit(f"if not {held}:")
        self.indent += 1
        self.succeed()
        self.indent -= 1
        self.close(outer)
        self.env, self.run = env, run
        self.fail_if(failed)

    # -- with ---------------------------------------------------------------------------------

    def changed(self, changes: Sequence[Change]) -> None:
        values = [None if item.value is None else self.value(item.value) for item in changes]
        for change, value in zip(changes, values, strict=True):
            name = self.temp()
            if change.function is not None:
                key = self.tables.constant(mock_key(change.function))
                if change.substitute is not None:
                    value = self.callable_name(change.substitute)
                else:
                    value = f"constant_call({value})"
                self.emit(f"{name} = with_call({self.run}, {key}, {value})")
            else:
                path = self.tables.constant(change.path)
                self.emit(f"{name} = with_{change.root}({self.run}, {path}, {value})")
            self.run = name
