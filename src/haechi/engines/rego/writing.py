"""Lines of Python, and the blocks and tables around them.

Nothing of a policy's text stands in the lines: texts are entries of a table (``K3``), variables
are numbered (``v7``), numbers too are of the table. So there is no text that a
policy could have written to run as code.

Failing means going on with the next round of the innermost loop: ``continue`` in a ``for``,
``break`` out of the ``while True`` that holds a body, ``return`` at the top of a function. Python
allows 20 nested loops, so a deep nest goes on in a function within.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from haechi.engines.rego.builtins.builtin import Builtin
from haechi.engines.rego.documents import Documents
from haechi.engines.rego.flat import Function, fault
from haechi.engines.rego.runtime import Run, measured
from haechi.engines.rego.tree import Place
from haechi.engines.rego.values import UNDEFINED, BuiltinError, Value

_BLOCKS = 14
_INDENT = 90


class Tables:
    """What all functions of a program share: constants, and the names of what they call."""

    def __init__(self, documents: Documents, builtins: Mapping[str, Builtin]) -> None:
        self.documents = documents
        self.builtins = builtins
        self.space: dict[str, Any] = {}
        self.numbers = 0
        self.known: dict[tuple[type, Any], str] = {}
        self.mockable: frozenset[Function] = frozenset()
        self.coverable: frozenset[tuple[str, ...]] = frozenset()

    def fresh(self, prefix: str) -> str:
        self.numbers += 1
        return f"{prefix}{self.numbers}"

    def constant(self, value: Any) -> str:
        """Python text for a constant: null and the truth values as such, else an entry's name."""
        if value is None or value is True or value is False:
            return repr(value)
        at = (type(value), value) if type(value) in (str, float, int, tuple) else (Any, id(value))
        name = self.known.get(at)
        if name is None:
            name = self.known[at] = self.fresh("K")
            self.space[name] = value
        return name

    def builtin(self, name: str) -> str:
        alias = self.known.get((Tables, name))
        if alias is None:
            alias = self.known[Tables, name] = self.fresh("B")
            self.space[alias] = self.builtins[name].call
        return alias


def plain(builtin: Builtin) -> Callable[..., Value]:
    """A builtin as a function of the run, undefined where it errs."""

    def call(run: Run, *given: Value) -> Value:
        try:
            if builtin.contextual:
                return measured(run, builtin.call(run.context(), *given))
            return measured(run, builtin.call(*given))
        except BuiltinError:
            return UNDEFINED

    return call


class Frame:
    """An open block. ``base`` ones hold a body; ``flag`` is set once the body has succeeded."""

    __slots__ = ("base", "blocks", "flag", "kind", "name", "sorted")

    def __init__(
        self,
        kind: Literal["function", "loop", "while", "split"],
        *,
        base: bool = False,
        flag: str = "",
        name: str = "",
        blocks: int = 0,
        in_order: bool = False,
    ) -> None:
        self.kind = kind
        self.base = base
        self.flag = flag
        self.name = name
        self.blocks = blocks
        self.sorted = in_order


class Writer:
    """One function of the generated source."""

    def __init__(self, tables: Tables, file: str) -> None:
        self.tables = tables
        self.file = file
        self.lines: list[str] = []
        self.indent = 1
        self.frames: list[Frame] = []
        self.env: dict[str, str] = {}
        self.run = "c"
        self.assigned: list[str] = []
        self.used: set[Function] = set()
        self.place = Place(line=0, column=0)

    def emit(self, line: str) -> None:
        self.lines.append(" " * self.indent + line)

    def temp(self) -> str:
        return self.tables.fresh("v")

    def fault(self, code: str, what: str) -> Exception:
        return fault(code, what, self.file, self.place)

    # -- blocks -------------------------------------------------------------------------------

    def deeper(self) -> None:
        self.indent += 1
        if self.indent > _INDENT:
            raise self.fault("rego_compile_error", "nested too deeply")

    def fail(self) -> str:
        """The statement by which the rest of this body is given up."""
        frame = self.frames[-1]
        return {"loop": "continue", "while": "break"}.get(frame.kind, "return")

    def leave(self) -> str:
        """The statement that ends the innermost block."""
        return "return" if self.frames[-1].kind in ("function", "split") else "break"

    def fail_if(self, condition: str) -> None:
        self.emit(f"if {condition}: {self.fail()}")

    def open_loop(self, head: str) -> None:
        base = self.body_frame()
        blocks = self.frames[-1].blocks
        if blocks >= _BLOCKS:
            self.open_split()
            blocks = 0
        self.emit(f"for {head}:")
        self.deeper()
        self.frames.append(Frame("loop", flag=base.flag, blocks=blocks + 1, in_order=base.sorted))

    def open_split(self) -> None:
        """Go on in a function within; what it sets outside is named first."""
        base = self.body_frame()
        name = self.tables.fresh("q")
        self.emit(f"def {name}():")
        self.deeper()
        self.name_outer()
        self.frames.append(Frame("split", flag=base.flag, name=name, in_order=base.sorted))

    def name_outer(self) -> None:
        names = sorted({frame.flag for frame in self.frames if frame.flag} | set(self.assigned))
        if names:
            self.emit(f"nonlocal {', '.join(names)}")

    def open_body(self, *, flag: str = "", in_order: bool = False) -> int:
        """Begin a body of which failing leads to what follows it. Gives what closes it."""
        depth = len(self.frames)
        blocks = self.frames[-1].blocks if self.frames else 0
        if blocks >= _BLOCKS:
            name = self.tables.fresh("q")
            self.emit(f"def {name}():")
            self.deeper()
            frame = Frame("split", base=True, flag=flag, name=name, in_order=in_order)
            self.frames.append(frame)
            self.name_outer()
        else:
            self.emit("while True:")
            self.deeper()
            frame = Frame("while", base=True, flag=flag, blocks=blocks + 1, in_order=in_order)
            self.frames.append(frame)
        return depth

    def close(self, depth: int) -> None:
        """End the blocks above ``depth``. A body that has succeeded leaves all of its loops."""
        while len(self.frames) > depth:
            frame = self.frames.pop()
            if frame.kind == "while":
                self.emit("break")
            if not self.lines[-1].startswith(" " * self.indent):
                self.emit("pass")
            self.indent -= 1
            if frame.kind == "split":
                self.emit(f"{frame.name}()")
            if frame.flag and not frame.base:
                self.emit(f"if {frame.flag}: {self.leave()}")

    def body_frame(self) -> Frame:
        for frame in reversed(self.frames):
            if frame.base:
                return frame
        return self.frames[0]

    def succeed(self) -> None:
        """The body holds: once is enough."""
        flag = self.frames[-1].flag
        if flag:
            self.emit(f"{flag} = True")
            self.emit(self.leave())
