"""What the container starts, listens on and reports: CMD, ENTRYPOINT, EXPOSE, HEALTHCHECK."""

from __future__ import annotations

import re
from collections.abc import Iterator

from haechi.checks.dockerfile.view import StageView, Step, View, is_posix, view_of
from haechi.engines.dockerfile.shell import split, walk
from haechi.engines.dockerfile.words import expand
from haechi.model.review import Hit, Review
from haechi.rules.tables import image_table, matches

_PORT = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?(?:/\w+)?\Z")
_DOCKER_PORTS = frozenset({2375, 2376, 2377})
_DEBUG_VARIABLES = {
    "FLASK_DEBUG": ("1", "true", "on"),
    "FLASK_ENV": ("development",),
    "DJANGO_DEBUG": ("1", "true", "on"),
    "DEBUG": ("1", "true", "on", "yes"),
    "APP_DEBUG": ("1", "true"),
    "NODE_ENV": ("development", "dev"),
    "RAILS_ENV": ("development",),
    "RACK_ENV": ("development",),
    "ASPNETCORE_ENVIRONMENT": ("development",),
    "DOTNET_ENVIRONMENT": ("development",),
    "APP_ENV": ("dev", "development", "local"),
    "QUARKUS_LAUNCH_DEVMODE": ("true",),
}
_DEBUGGER = re.compile(
    r"--inspect(?:-brk|-wait)?[= ](?:0\.0\.0\.0|\[?::\]?)"
    r"|jdwp\S{0,80}address=(?:\*|0\.0\.0\.0):"
    r"|dlv\b.{0,120}--listen[= ](?::|0\.0\.0\.0:)"
    r"|debugpy\b.{0,80}--listen[= ]0\.0\.0\.0"
    r"|rdbg\b.{0,80}--host[= ]0\.0\.0\.0"
)
_DEVELOPMENT_SERVER = re.compile(
    r"\bflask\b.{0,80}\b(?:run|--debug)\b|manage\.py\s+runserver|\bartisan\s+serve\b|\bnodemon\b"
    r"|\b(?:npm|yarn|pnpm)\s+(?:run\s+)?(?:dev|develop|serve:dev|start:dev)\b|\bng\s+serve\b"
    r"|\bwebpack-dev-server\b|\bwebpack\s+serve\b|\buvicorn\b.{0,120}--reload\b|\bphp\s+-S\b"
    r"|\bgunicorn\b.{0,120}--reload\b|\bvite(?:\s+dev)?\Z|\bnext\s+dev\b|\bdotnet\s+watch\b"
    r"|\breact-scripts\s+start\b|\bfastapi\s+dev\b"
)


def _line(step: Step) -> str:
    """A command instruction as one line, whatever its form."""
    return " ".join(step.what.args)


def _exposed(view: View) -> Iterator[tuple[Step, str]]:
    for step in view.kept_steps("EXPOSE"):
        for word in step.what.args:
            yield step, step.expanded(word) or ""


def expose_ssh(review: Review) -> Iterator[Hit]:
    """Port 22 is announced."""
    for step, port in _exposed(view_of(review)):
        match = _PORT.match(port)
        if match and int(match.group(1)) <= 22 <= int(match.group(2) or match.group(1)):
            yield step.hit(f"EXPOSE {port} announces the SSH port")


def expose_out_of_range(review: Review) -> Iterator[Hit]:
    """No such port exists."""
    for step, port in _exposed(view_of(review)):
        match = _PORT.match(port)
        numbers = [int(number) for number in match.groups() if number] if match else []
        if any(not 0 < number <= 65535 for number in numbers):
            yield step.hit(f"EXPOSE {port[:40]} is outside of 1 to 65535")


def docker_daemon(review: Review) -> Iterator[Hit]:
    """The Docker daemon's socket or port is part of the image's interface."""
    view = view_of(review)
    for step, port in _exposed(view):
        match = _PORT.match(port)
        if match and int(match.group(1)) in _DOCKER_PORTS:
            yield step.hit(f"EXPOSE {port} announces a Docker daemon port")
    for step in view.kept_steps("VOLUME", "CMD", "ENTRYPOINT", "ENV"):
        if "docker.sock" in step.what.value:
            yield step.hit(f"{step.name} relies on the Docker daemon's socket")
        elif re.search(r"tcp://(?:0\.0\.0\.0|\[::\]):237\d", step.what.value):
            yield step.hit(f"{step.name} opens a Docker daemon on all addresses")


def _repeated(review: Review, name: str) -> Iterator[Hit]:
    for stage in view_of(review).stages:
        found = [step for step in stage.of(name) if not step.onbuild]
        for step in found[:-1]:
            yield step.hit(f"{name} is overridden by a later {name} in {stage.label}")


def several_cmd(review: Review) -> Iterator[Hit]:
    """Only the last CMD counts."""
    return _repeated(review, "CMD")


def several_entrypoint(review: Review) -> Iterator[Hit]:
    """Only the last ENTRYPOINT counts."""
    return _repeated(review, "ENTRYPOINT")


def several_healthcheck(review: Review) -> Iterator[Hit]:
    """Only the last HEALTHCHECK counts."""
    return _repeated(review, "HEALTHCHECK")


def _shell_form(step: Step | None) -> bool:
    return step is not None and not step.what.exec_form and bool(step.what.value)


def shell_form(review: Review) -> Iterator[Hit]:
    """A shell stands between the container and its process, and swallows signals."""
    final = view_of(review).final
    for name in ("ENTRYPOINT", "CMD"):
        step = final.last(name)
        if step is None or not _shell_form(step) or not is_posix(step.shell):
            continue
        if not re.match(r"exec\s", step.what.value) and final.last("SHELL") is None:
            yield step.hit(f"{name} runs under /bin/sh -c, which does not pass signals on")


def ignored_cmd(review: Review) -> Iterator[Hit]:
    """A shell-form ENTRYPOINT takes no arguments: CMD has no effect."""
    final = view_of(review).final
    entry, cmd = final.last("ENTRYPOINT"), final.last("CMD")
    if entry is None or cmd is None or not cmd.what.value or not any(cmd.what.args):
        return
    if _shell_form(entry) and is_posix(entry.shell):
        yield cmd.hit("CMD is ignored because ENTRYPOINT is in shell form")


def healthcheck_missing(review: Review) -> Iterator[Hit]:
    """Docker cannot tell a hung container from a healthy one."""
    final = view_of(review).final
    starts = final.last("CMD") or final.last("ENTRYPOINT")
    if starts and final.last("HEALTHCHECK") is None:
        yield final.source.hit(f"{final.label} has no HEALTHCHECK")


def _lacks(stage: StageView, tool: str) -> bool:
    """True only when it is certain that a base image has no such program."""
    base, table = stage.base, image_table()
    if stage.from_scratch:
        return True
    if base is None or stage.base_unknown:
        return False
    if _shell_less(stage):
        return True
    if not base.official:
        return False
    name, tag = base.short_name, base.tag or ""
    if name in table.alpine and (name == "alpine" or "alpine" in tag):
        return tool == "curl" and name != "docker"
    slim = name in table.slim_debian and "slim" in tag
    return tool in ("curl", "wget") and (name in table.bare_debian or slim)


def _shell_less(stage: StageView) -> bool:
    base = stage.base
    if stage.from_scratch:
        return True
    if base is None or "debug" in (base.tag or ""):
        return False
    return any(matches(base, pattern) for pattern in image_table().shell_less)


def _brings(stage: StageView, tool: str) -> bool:
    """True when a step names the tool or copies what could contain it."""
    for step in stage.history:
        text = step.text
        if step.name == "RUN" and (tool in text or re.search(r"\.sh\b|ansible", text)):
            return True
        if step.name in ("COPY", "ADD"):
            broad = step.what.args[-1:] and step.what.args[-1].rstrip("/") in ("", "/usr", "/bin")
            if tool in text or broad or re.search(r"/(?:usr/)?(?:local/)?bin/?\Z", text):
                return True
    return False


def healthcheck_cannot_run(review: Review) -> Iterator[Hit]:
    """HEALTHCHECK calls a program that the image does not have: always unhealthy."""
    final = view_of(review).final
    step = final.last("HEALTHCHECK")
    if step is None or step.what.args[:1] in ((), ("NONE",)):
        return
    if step.what.exec_form:
        names = [step.what.args[0].rpartition("/")[2]]
    else:
        if _shell_less(final) and not _brings(final, "/sh"):
            yield step.hit("HEALTHCHECK needs a shell, which the base image does not have")
            return
        names = [command.name for command in walk(split(step.what.args[0]))]
    for name in ("curl", "wget"):
        if name in names and _lacks(final, name) and not _brings(final, name):
            base = final.base or "scratch"
            yield step.hit(f"HEALTHCHECK calls {name}, which {base} lacks and no step installs")
            return


def no_shell(review: Review) -> Iterator[Hit]:
    """A shell form on a base without a shell cannot start."""
    for stage in view_of(review).stages:
        if not _shell_less(stage) or _brings(stage, "/sh") or _brings(stage, "busybox"):
            continue
        for step in stage.of("RUN", "CMD", "ENTRYPOINT"):
            if not step.what.exec_form and step.what.value and not step.what.all_flags("mount"):
                base = stage.base or "scratch"
                yield step.hit(f"{step.name} in shell form needs a shell, which {base} lacks")


def debug_mode(review: Review) -> Iterator[Hit]:
    """A framework's debug or development mode is on in the final image."""
    view = view_of(review)
    latest: dict[str, tuple[Step, str]] = {}
    for step in view.kept_steps("ENV"):
        for pair in step.what.pairs:
            value = expand(pair.value or "", step.env)
            latest[pair.name.upper()] = (step, "" if value.unresolved else value.text)
    for name, (step, text) in latest.items():
        if text.lower() in _DEBUG_VARIABLES.get(name, ()):
            yield step.hit(f"ENV {name}={text} switches the development mode on")


def debugger(review: Review) -> Iterator[Hit]:
    """A debugger listens on all addresses: whoever reaches it runs code."""
    view = view_of(review)
    final = [final for name in ("ENTRYPOINT", "CMD") if (final := view.final.last(name))]
    for step in (*view.kept_steps("ENV"), *final):
        text = _line(step) if step.what.args else step.what.value
        if _DEBUGGER.search(text):
            yield step.hit(f"{step.name} opens a debugger on all addresses")


def development_server(review: Review) -> Iterator[Hit]:
    """The final image starts a server that is made for development."""
    final = view_of(review).final
    for name in ("ENTRYPOINT", "CMD"):
        step = final.last(name)
        match = _DEVELOPMENT_SERVER.search(_line(step)) if step else None
        if step and match:
            yield step.hit(f"{name} starts a development server ({match.group()[:60]})")


def stop_signal(review: Review) -> Iterator[Hit]:
    """SIGKILL leaves no time to finish."""
    step = view_of(review).final.last("STOPSIGNAL")
    if step and step.what.value.upper().removeprefix("SIG") in ("KILL", "9"):
        yield step.hit(f"STOPSIGNAL {step.what.value} kills the process without warning")


def package_manager_starts(review: Review) -> Iterator[Hit]:
    """npm or yarn as the first process does not pass signals on."""
    final = view_of(review).final
    step = final.last("ENTRYPOINT") or final.last("CMD")
    line = _line(step) if step else ""
    if step and re.match(r"(?:\S*/)?(?:npm|yarn|pnpm)\s+(?:run\s+)?(?:start|serve)\b", line):
        yield step.hit(f"{step.name} starts the service through {line.split()[0]}")
