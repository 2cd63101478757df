"""Stages that cannot build, and results that do not fit where they are copied."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import Enum

from haechi.checks.dockerfile.languages import node_call
from haechi.checks.dockerfile.view import StageView, Step, View, view_of
from haechi.engines.dockerfile.shell import Command
from haechi.model.review import Hit, Review

_NODE_BUILDERS = frozenset({
    "tsc", "webpack", "vite", "next", "ng", "nuxt", "rollup", "esbuild", "parcel", "gulp", "grunt",
    "nest", "turbo", "nx", "vue-cli-service", "react-scripts", "babel", "jest", "eslint", "swc",
})  # fmt: skip
_BUILD_SCRIPT = re.compile(r"(?:build|compile|bundle|dist|test|lint|tsc|typecheck)(?:[:\-]\S+)?\Z")
_SITE_PACKAGES = re.compile(r"/python(\d\.\d+)(?:/|\Z)")
_VENV = re.compile(r"(?:\A|/)\.?venv/?\Z|(?:\A|/)virtualenv/?\Z|/site-packages/?\Z")
_LIBC_BOUND = re.compile(r"node_modules/?\Z|site-packages/?\Z|(?:\A|/)\.?venv/?\Z")


class _Dependencies(Enum):
    """What node_modules holds: everything, or only what production needs."""

    FULL = "full"
    PRODUCTION = "production"


def missing_dev_dependencies(review: Review) -> Iterator[Hit]:
    """A stage builds with node_modules that lack the build tools."""
    view = view_of(review)
    ends: dict[int, _Dependencies | None] = {}  # what each stage's node_modules hold at its end
    for stage in view.stages:
        held = ends.get(stage.parent.stage.index) if stage.parent else None
        reported = False
        for step in stage.steps:
            held = _combined(held, _supplied(view, step, ends))
            line = _node_build(step) if held is _Dependencies.PRODUCTION and not reported else ""
            if line:
                reported = True
                yield step.hit(
                    f"{stage.label} runs {line} with production dependencies only,"
                    " so the build tools among the devDependencies are missing"
                )
        ends[stage.stage.index] = held


def _combined(held: _Dependencies | None, more: _Dependencies | None) -> _Dependencies | None:
    """One full installation settles it, since a later production one may only add."""
    return _Dependencies.FULL if _Dependencies.FULL in (held, more) else more or held


def _node_build(step: Step) -> str:
    """The build command of a step as a message shows it; empty when it builds nothing."""
    for command in step.commands:
        operands = command.operands
        if command.name in ("npm", "yarn", "pnpm"):
            words = operands[1:] if operands[:1] in (("run",), ("run-script",)) else operands
            scripted = len(words) < len(operands) or command.name != "npm"
            if words and scripted and _BUILD_SCRIPT.match(words[0]):
                return f"{command.name} {' '.join(operands[:2])}"
        elif command.name in ("npx", "pnpx") and operands and operands[0] in _NODE_BUILDERS:
            return f"{command.name} {operands[0]}"
        elif command.name in _NODE_BUILDERS and "build" in operands:
            return f"{command.name} build"
    return ""


def _supplied(
    view: View, step: Step, ends: Mapping[int, _Dependencies | None]
) -> _Dependencies | None:
    """What a step brings into node_modules; None when nothing."""
    if step.name == "COPY":
        wanted = step.what.flag("from")
        if wanted is None or "node_modules" not in step.what.value:
            return None
        other = view.stage_named(wanted, step.stage)
        return ends.get(other.stage.index) if other is not None else _Dependencies.FULL
    if step.name != "RUN":
        return None
    states = [_installs(step, command) for command in step.commands]
    if _Dependencies.FULL in states:
        return _Dependencies.FULL
    return _Dependencies.PRODUCTION if _Dependencies.PRODUCTION in states else None


def _installs(step: Step, command: Command) -> _Dependencies | None:
    call = node_call(command)
    if call is None:
        return None
    args = " ".join(command.args)
    if call[1] or re.search(r"include[= ]dev|--production=false|--prod=false|-D\b|save-dev", args):
        return _Dependencies.FULL
    omits = re.search(
        r"--omit[= ]dev|--only[= ]prod(?:uction)?\b|--production\b|--prod\b|(?:\A|\s)-P\b", args
    )
    variables = dict(command.assignments)
    environment = variables.get("NODE_ENV", step.env.get("NODE_ENV")) == "production"
    environment = environment or step.env.get("NPM_CONFIG_PRODUCTION") == "true"
    environment = environment or step.env.get("NPM_CONFIG_OMIT") == "dev"
    return _Dependencies.PRODUCTION if omits or environment else _Dependencies.FULL


def _copies_between(view: View) -> Iterator[tuple[Step, StageView, StageView]]:
    """COPY --from=<stage> with the stages it connects."""
    for stage in view.stages:
        for step in stage.of("COPY"):
            wanted = step.what.flag("from")
            other = view.stage_named(wanted, stage.stage.index) if wanted else None
            if other is not None:
                yield step, other, stage


def _python(stage: StageView) -> str:
    """The minor version of a Python base image: ``3.12``."""
    base = stage.base
    if base is None or base.short_name != "python":
        return ""
    match = re.match(r"(\d\.\d+)", base.tag or "")
    return match.group(1) if match else ""


def other_python(review: Review) -> Iterator[Hit]:
    """Packages installed for one Python are copied to another, which does not see them."""
    view = view_of(review)
    for step, source, target in _copies_between(view):
        here = _python(target)
        for path in step.what.args[:-1]:
            match = _SITE_PACKAGES.search(path)
            there = match.group(1) if match else _python(source) if _VENV.search(path) else ""
            if here and there and here != there:
                yield step.hit(
                    f"{path[:80]} holds packages of Python {there}, but {target.label} runs {here}"
                )


def _libc(stage: StageView) -> str:
    """``musl``, ``glibc`` or ``none``; empty when not known."""
    base = stage.base
    if stage.from_scratch:
        return "none"
    if base is None:
        return ""
    name, tag = base.short_name, base.tag or ""
    if name == "alpine" or (base.official and "alpine" in tag):
        return "musl"
    if name.startswith("gcr.io/distroless/static"):
        return "none"
    if name in ("debian", "ubuntu") or name.startswith("gcr.io/distroless/"):
        return "glibc"
    known = name in ("golang", "node", "python", "rust") and "windows" not in tag
    return "glibc" if known and base.official and tag else ""


def other_libc(review: Review) -> Iterator[Hit]:
    """What was built against one C library does not start on another."""
    view = view_of(review)
    for step, source, target in _copies_between(view):
        built, runs = _libc(source), _libc(target)
        if not built or not runs or built == runs:
            continue
        go_binary = built == "glibc" and _is_cgo_binary(source, step.what.args[:-1])
        native = runs != "none" and any(_LIBC_BOUND.search(path) for path in step.what.args[:-1])
        if go_binary or native:
            what = "a Go program with cgo" if go_binary else step.what.args[0][:80]
            where = "no C library" if runs == "none" else runs
            yield step.hit(
                f"{what} from {source.label} is linked against {built},"
                f" but {target.label} has {where}"
            )


def _is_cgo_binary(stage: StageView, paths: tuple[str, ...]) -> bool:
    """True when a copied path is the output of a go build that may use cgo: not switched off,
    not static, not crossed."""
    names = {path.rstrip("/").rpartition("/")[2] for path in paths} - {""}
    for step in stage.history:
        for command in step.commands:
            if command.name != "go" or command.operands[:1] != ("build",):
                continue
            variables = {**step.env, **dict(command.assignments)}
            safe = re.search(r"CGO_ENABLED=0|-static\b|netgo|GOARCH|GOOS=", step.text)
            crossed = "GOARCH" in variables or variables.get("CGO_ENABLED") == "0"
            outputs = {arg.rstrip("/").rpartition("/")[2] for arg in command.args}
            if not safe and not crossed and names & outputs:
                return True
    return False
