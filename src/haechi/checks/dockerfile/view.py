"""A Dockerfile as the judges see it: steps with the state they meet, stages with their ancestry.

Only what the final stage keeps (itself and the stages it builds on) ends up in the image; what
other stages do matters for the build alone. ``StageView.kept`` tells the two apart. The view is
built once per review and kept in its memo.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

import msgspec

from haechi.engines.dockerfile.shell import SHELLS, Command, command_of, split, walk
from haechi.engines.dockerfile.syntax import Dockerfile, Instruction, Stage
from haechi.engines.dockerfile.words import expand
from haechi.engines.image_ref import ImageRef, parse_image
from haechi.errors import NotEvaluated
from haechi.model.location import AttrPath
from haechi.model.review import Hit, Review

Environment = Mapping[str, str | None]
_DEFAULT_SHELL = ("/bin/sh", "-c")
_WINDOWS = ("mcr.microsoft.com/windows*", "mcr.microsoft.com/*nanoserver*", "microsoft/windows*")
_WINDOWS_TAGS = ("nanoserver", "windowsservercore", "ltsc20")
_WINDOWS_SHELLS = ("powershell", "pwsh", "cmd")


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One instruction of a stage. ``env`` and ``shell`` are those it meets.

    For ONBUILD, ``what`` is the instruction it carries. ``scripts`` are RUN's top-level
    commands, ``commands`` those and everything nested; both empty where no POSIX shell runs.
    """

    instruction: Instruction
    what: Instruction
    stage: int
    env: Environment
    shell: tuple[str, ...]
    scripts: tuple[Command, ...] = ()
    commands: tuple[Command, ...] = ()

    @property
    def path(self) -> AttrPath:
        return ("instructions", self.instruction.index)

    @property
    def name(self) -> str:
        return self.what.name

    @property
    def onbuild(self) -> bool:
        return self.what is not self.instruction

    @property
    def text(self) -> str:
        """The instruction's words with its inline documents."""
        return "\n".join((self.what.value, *(doc.content for doc in self.what.heredocs)))

    def expanded(self, text: str) -> str | None:
        """The text after substitution, or None when a variable in it is not known."""
        result = expand(text, self.env)
        return None if result.unresolved else result.text

    def mounts(self) -> Iterator[Mapping[str, str]]:
        """The options of each ``--mount``."""
        for value in self.what.all_flags("mount"):
            pairs = (item.partition("=") for item in value.split(","))
            yield {name.strip().lower(): text for name, _, text in pairs}

    def has_cache_at(self, *targets: str) -> bool:
        """True when a cache or tmpfs mount covers one of the places."""
        for mount in self.mounts():
            if mount.get("type") in ("cache", "tmpfs"):
                place = mount.get("target") or mount.get("dst") or mount.get("destination") or ""
                if any(place.startswith(target) for target in targets):
                    return True
        return False

    def hit(self, message: str) -> Hit:
        return Hit(message, self.path)


class StageView(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A stage with its steps. ``kept``: its layers are part of the final image."""

    stage: Stage
    steps: tuple[Step, ...]
    by_name: Mapping[str, Sequence[Step]]
    parent: StageView | None
    kept: bool
    env: Environment

    @property
    def label(self) -> str:
        """How a message calls it."""
        return f'stage "{self.stage.name}"' if self.stage.name else f"stage {self.stage.index}"

    @property
    def lineage(self) -> tuple[StageView, ...]:
        """The stages it consists of, oldest first, itself last."""
        stages: list[StageView] = []
        current: StageView | None = self
        while current is not None:
            stages.append(current)
            current = current.parent
        return tuple(reversed(stages))

    @property
    def history(self) -> tuple[Step, ...]:
        """The steps of the whole lineage in order."""
        return tuple(step for stage in self.lineage for step in stage.steps)

    @property
    def source(self) -> Step:
        """The FROM."""
        return self.steps[0]

    @property
    def base(self) -> ImageRef | None:
        """The image at the root of the lineage; None for scratch or when an argument hides it."""
        root = self.lineage[0].stage
        if root.unresolved or root.image.lower() == "scratch" or not root.image:
            return None
        return parse_image(root.image)

    @property
    def from_scratch(self) -> bool:
        return self.lineage[0].stage.image.lower() == "scratch"

    @property
    def base_unknown(self) -> bool:
        """True when the base is only known at build time."""
        return bool(self.lineage[0].stage.unresolved)

    def last(self, name: str) -> Step | None:
        """The instruction of that name which is in force at the end."""
        for stage in reversed(self.lineage):
            for step in reversed(stage.by_name.get(name, ())):
                if not step.onbuild:
                    return step
        return None

    def of(self, *names: str) -> Iterator[Step]:
        """This stage's own steps of those names, ONBUILD triggers included."""
        if len(names) == 1:
            return iter(self.by_name.get(names[0], ()))
        return (step for step in self.steps if step.name in names)


class View(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The whole file."""

    dockerfile: Dockerfile
    stages: tuple[StageView, ...]

    @property
    def final(self) -> StageView:
        """The last stage. Raises ``NotEvaluated`` when there is none."""
        if not self.stages:
            raise NotEvaluated("the Dockerfile has no stage")
        return self.stages[-1]

    @property
    def kept(self) -> tuple[StageView, ...]:
        """The stages whose layers the final image holds, oldest first."""
        return tuple(stage for stage in self.stages if stage.kept)

    def steps(self, *names: str) -> Iterator[Step]:
        """Steps of all stages, of the given names."""
        return (step for stage in self.stages for step in stage.of(*names))

    def kept_steps(self, *names: str) -> Iterator[Step]:
        """Steps of the given names whose result the final image holds."""
        return (step for stage in self.kept for step in stage.of(*names))

    def stage_named(self, reference: str, before: int) -> StageView | None:
        """The stage that ``--from`` means for stage ``before``: a name or a number."""
        wanted = reference.lower()
        for stage in reversed(self.stages[:before]):
            if stage.stage.name and stage.stage.name == wanted:
                return stage
        if wanted.isdecimal() and len(wanted) < 6 and int(wanted) < before:
            return self.stages[int(wanted)]
        return None


def view_of(review: Review) -> View:
    """The view of the reviewed Dockerfile."""
    view = review.memo.get("dockerfile")
    if view is None:
        data = review.resource.data
        if not isinstance(data, Dockerfile):
            raise NotEvaluated("the resource is no Dockerfile")
        view = review.memo["dockerfile"] = _build(data)
    assert isinstance(view, View)
    return view


def _build(dockerfile: Dockerfile) -> View:
    kept = _kept(dockerfile)
    global_args = {pair.name: pair.value for pair in dockerfile.global_args}
    stages: list[StageView] = []
    for stage in dockerfile.stages:
        parent = stages[stage.parent] if stage.parent is not None else None
        steps, env = _steps(stage, parent, global_args, dockerfile.escape)
        by_name: dict[str, list[Step]] = {}
        for step in steps:
            by_name.setdefault(step.name, []).append(step)
        stages.append(
            StageView(
                stage=stage,
                steps=steps,
                by_name=by_name,
                parent=parent,
                kept=stage.index in kept,
                env=env,
            )
        )
    return View(dockerfile=dockerfile, stages=tuple(stages))


def _kept(dockerfile: Dockerfile) -> set[int]:
    kept: set[int] = set()
    current = dockerfile.final
    while current is not None:
        kept.add(current.index)
        current = dockerfile.stages[current.parent] if current.parent is not None else None
    return kept


def _steps(
    stage: Stage, parent: StageView | None, global_args: Environment, escape: str
) -> tuple[tuple[Step, ...], Environment]:
    env: dict[str, str | None] = dict(parent.env) if parent else {}
    shell = parent.steps[-1].shell if parent else _first_shell(stage, escape)
    steps: list[Step] = []
    for instruction in stage.instructions:
        what = instruction
        while what.trigger is not None:
            what = what.trigger
        if instruction.name == "SHELL" and instruction.exec_form and instruction.args:
            shell = instruction.args
        scripts = _scripts(what, shell) if what.name == "RUN" else ()
        steps.append(
            Step(
                instruction=instruction,
                what=what,
                stage=stage.index,
                env=env,
                shell=shell,
                scripts=scripts,
                commands=tuple(walk(scripts)),
            )
        )
        if instruction.name in ("ENV", "ARG"):
            env = _declared(instruction, env, global_args, escape)
    return tuple(steps), env


def _declared(
    instruction: Instruction, before: Environment, global_args: Environment, escape: str
) -> dict[str, str | None]:
    """The environment behind an ENV or ARG; a line's values see only what stood before it."""
    env = dict(before)
    for pair in instruction.pairs:
        if pair.value is None:
            env[pair.name] = global_args.get(pair.name, before.get(pair.name))
        elif instruction.name == "ENV" or before.get(pair.name) is None:
            value = expand(pair.value, before, escape)
            env[pair.name] = None if value.unresolved else value.text
    return env


def _first_shell(stage: Stage, escape: str) -> tuple[str, ...]:
    image = parse_image(stage.image)
    tag = image.tag or ""
    windows = any(fnmatchcase(image.short_name, pattern) for pattern in _WINDOWS)
    if windows or escape == "`" or any(mark in tag for mark in _WINDOWS_TAGS):
        return ("cmd", "/S", "/C")
    return _DEFAULT_SHELL


def is_posix(shell: tuple[str, ...]) -> bool:
    """True unless the shell is one of Windows."""
    name = shell[0].replace("\\", "/").rpartition("/")[2].lower().removesuffix(".exe")
    return name not in _WINDOWS_SHELLS


def _scripts(run: Instruction, shell: tuple[str, ...]) -> tuple[Command, ...]:
    if run.exec_form:
        return (command_of(run.args),)
    if not is_posix(shell):
        return ()
    commands = list(split(run.value))
    bodies = {doc.name: doc.content for doc in run.heredocs}
    for command in tuple(commands):
        for operator, target in command.redirects:
            if operator in ("<<", "<<-") and target in bodies and _reads_script(command):
                commands.extend(_body(bodies[target]))
    return tuple(commands)


def _reads_script(command: Command) -> bool:
    """True when a heredoc on this command is a shell script."""
    return not command.argv or (command.name in SHELLS and not command.has("-c"))


def _body(content: str) -> tuple[Command, ...]:
    """The commands of an inline script, unless its first line names another interpreter."""
    first = content.partition("\n")[0]
    if first.startswith("#!"):
        words = first[2:].replace("/", " ").split()
        if not any(word in SHELLS for word in words):
            return ()
    return split(content)
