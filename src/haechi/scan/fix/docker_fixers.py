"""Fixes of Dockerfiles by name: what a rule's ``fixer:`` line may call.

They work on the instruction's text as written, continuation lines and comments included, by
patterns of the command at hand. A pattern that misses is no danger: the rules judge the result.
Shell text is never re-written as a whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import msgspec

from haechi.engines.dockerfile import Dockerfile, Instruction
from haechi.engines.image_ref import parse_image
from haechi.scan.fix.changes import Refused
from haechi.scan.fix.docker_text import DockerChange, Insert, Remove, Rewrite

DockerFixer = Callable[[Dockerfile, Instruction, str], Sequence[DockerChange]]

_GAP = r"(?:[ \t]|\\\r?\n(?:[ \t]*(?:\#[^\n]*)?\n)*)+"
"""White space between words of a RUN, across continuation lines and the comments in them."""
_REST = re.compile(r"(?:\\\n|[^;&|\n])*")
_START = r"(?<![\w.=-])"
_COMMENT = re.compile(r"(?:^|\s)#")
_SINGLE_QUOTED = re.compile(r"\[\s*'[^'\"\\]*'(?:\s*,\s*'[^'\"\\]*')*\s*\]\Z")
_SCRIPT = re.compile(r"<<-?(['\"]?)\w+\1\Z")
_SIMPLE_WORDS = re.compile(r"[A-Za-z0-9_./][\w@%+=:,./-]*(?: +[\w@%+=:,./-]+)*\Z")
_ARCHIVE = re.compile(r"\.(?:tar|tgz|tbz2?|txz|tlz|gz|bz2|xz|zst|lzma|Z)(?:\.\w+)?\Z")


class _Option(msgspec.Struct, frozen=True):
    """An option that belongs behind some subcommands of a program, and what says the same."""

    programs: str
    subcommands: str
    option: str
    same: str


_OPTIONS: Mapping[str, _Option] = {
    "apt-yes": _Option(
        "apt-get|apt|aptitude",
        "install|upgrade|dist-upgrade|full-upgrade|remove|purge|autoremove|build-dep",
        "-y",
        r"-[a-zA-Z]*y[a-zA-Z]*|--yes|--assume-yes|-q=2|-[a-zA-Z]*qq[a-zA-Z]*",
    ),
    "apt-no-recommends": _Option(
        "apt-get|apt|aptitude",
        "install",
        "--no-install-recommends",
        r"--no-install-recommends|--without-recommends|APT::Install-Recommends=\S+",
    ),
    "apk-no-cache": _Option("apk", "add", "--no-cache", r"--no-cache"),
    "pip-no-cache": _Option(
        r"pip[\d.]*|python[\d.]* -m pip", "install", "--no-cache-dir", r"--no-cache-dir"
    ),
    "rpm-yes": _Option(
        "yum|dnf|microdnf|tdnf|zypper",
        "install|in|upgrade|update|up|dup|localinstall|groupinstall|reinstall|remove|rm|erase",
        "-y",
        r"-[a-zA-Z]*y[a-zA-Z]*|--assumeyes|--no-confirm|--non-interactive|-n",
    ),
}

_RPM_CLEANUPS = ("microdnf", "tdnf", "dnf", "yum", "zypper")


def _add_option(
    option: _Option, dockerfile: Dockerfile, instruction: Instruction, argument: str
) -> Sequence[DockerChange]:
    """Put the option behind each subcommand that lacks it."""
    del argument
    _only_shell(dockerfile, instruction)
    programs = option.programs.replace(" ", _GAP)
    words = rf"{_START}(?:{programs})"
    if option.subcommands:
        words += rf"(?:{_GAP}(?:-o{_GAP}\S+|-\S+))*{_GAP}(?:{option.subcommands})"
    pattern = re.compile(rf"{words}(?=\s|\\)")
    same = re.compile(rf"(?:^|\s)(?:{option.same})(?=\s|\Z)")
    raw = instruction.raw
    out = []
    at = 0
    for found in pattern.finditer(raw):
        rest = _REST.match(raw, found.end())
        command = found.group() + (rest.group() if rest else "")
        if same.search(re.sub(_GAP, " ", command)):
            continue
        out += [raw[at : found.end()], f" {option.option}"]
        at = found.end()
    return [Rewrite(instruction.index, "".join([*out, raw[at:]]))] if out else []


def _clean_up(
    dockerfile: Dockerfile, instruction: Instruction, argument: str
) -> Sequence[DockerChange]:
    """Run a command behind the last one of the same layer; by default that of the rpm tool used."""
    _only_shell(dockerfile, instruction)
    command = argument or _rpm_cleanup(instruction)
    lines = instruction.raw.split("\n")
    if (instruction.trigger or instruction).heredocs:
        indent = lines[-2][: len(lines[-2]) - len(lines[-2].lstrip())]
        return [Rewrite(instruction.index, "\n".join([*lines[:-1], indent + command, lines[-1]]))]
    if _COMMENT.search(lines[-1]) or lines[-1].rstrip().endswith(("\\", "&", ";", "|")):
        raise Refused("the command's end cannot be told")
    last = lines[-1].rstrip(" \t")
    if len(lines) == 1:
        return [Rewrite(instruction.index, f"{last} && {command}")]
    indent = last[: len(last) - len(last.lstrip(" \t"))]
    return [
        Rewrite(instruction.index, "\n".join([*lines[:-1], f"{last} \\", f"{indent}&& {command}"]))
    ]


def _rpm_cleanup(instruction: Instruction) -> str:
    for tool in _RPM_CLEANUPS:
        if re.search(rf"{_START}{tool}(?=\s)", instruction.raw):
            return f"{tool} clean {'--all' if tool == 'zypper' else 'all'}"
    raise Refused("no package tool of the rpm family is called")


def _maintainer(_: Dockerfile, instruction: Instruction, argument: str) -> Sequence[DockerChange]:
    """``MAINTAINER x`` → the label that image tools read."""
    del argument
    name = instruction.value.strip()
    if len(name) > 1 and name[0] == name[-1] and name[0] in "\"'":
        name = name[1:-1]
    written = re.sub(r'(["\\$])', r"\\\1", name)
    return [Rewrite(instruction.index, f'LABEL org.opencontainers.image.authors="{written}"')]


def _copy(_: Dockerfile, instruction: Instruction, argument: str) -> Sequence[DockerChange]:
    """``ADD`` → ``COPY`` where nothing is fetched or unpacked."""
    del argument
    what = instruction.trigger or instruction
    if any(flag.name in ("checksum", "keep-git-dir", "unpack", "exclude") for flag in what.flags):
        raise Refused("it uses options that COPY does not have")
    for source in what.args[:-1]:
        bare = source.strip("\"'")
        if "$" in bare or bare.endswith("*") or _ARCHIVE.search(bare) or "://" in bare:
            raise Refused(f"ADD may unpack or fetch {bare}")
    raw = re.sub(
        r"(?i)\A((?:\s*ONBUILD(?=\s))*\s*)(ADD)\b",
        lambda m: m[1] + ("copy" if m[2].islower() else "COPY"),
        instruction.raw,
    )
    return [Rewrite(instruction.index, raw)]


def _equals(
    dockerfile: Dockerfile, instruction: Instruction, argument: str
) -> Sequence[DockerChange]:
    """``ENV name value`` → ``ENV name=value``."""
    del argument
    if not instruction.legacy_pairs or "\n" in instruction.raw:
        raise Refused("the pair spans lines")
    pair = instruction.pairs[0]
    value = pair.value or ""
    if re.search(r"\s", value):
        if re.fullmatch(r'"[^"\\]*"', value) or re.fullmatch(r"'[^']*'", value):
            pass
        elif re.search(r"[\"'\\`]", value):
            raise Refused("quotes within the value would mean something else")
        else:
            value = f'"{value}"'
    head = instruction.raw[: instruction.raw.index(instruction.keyword) + len(instruction.keyword)]
    return [Rewrite(instruction.index, f"{head} {pair.name}={value}")]


def _apt_get(
    dockerfile: Dockerfile, instruction: Instruction, argument: str
) -> Sequence[DockerChange]:
    """``apt install`` → ``apt-get install``, for the subcommands that both have."""
    del argument
    _only_shell(dockerfile, instruction)
    subcommands = "install|update|upgrade|remove|purge|autoremove|clean|autoclean|dist-upgrade"
    pattern = rf"{_START}apt(?=(?:{_GAP}-\S+)*{_GAP}(?:{subcommands})(?![\w-]))"
    return _rewritten(instruction, re.sub(pattern, "apt-get", instruction.raw))


def _exec_form(
    dockerfile: Dockerfile, instruction: Instruction, argument: str
) -> Sequence[DockerChange]:
    """A command of plain words as a JSON array, so that it gets the signals itself."""
    del argument
    if _SINGLE_QUOTED.match(instruction.value) and "\n" not in instruction.raw:
        return [Rewrite(instruction.index, instruction.raw.replace("'", '"'))]
    value = instruction.value.removeprefix("exec ").strip()
    words = [i.name for s in dockerfile.stages[-1:] for i in s.instructions]
    if instruction.name == "ENTRYPOINT" and "CMD" in words:
        raise Refused("CMD, which is ignored now, would become its arguments")
    if instruction.exec_form or not _SIMPLE_WORDS.match(value) or "=" in value.split()[0]:
        raise Refused("the command needs a shell")
    if value.split()[0] in ("cd", "source", ".", "set", "export", "ulimit", "umask"):
        raise Refused("the command needs a shell")
    head = instruction.raw[: instruction.raw.index(instruction.keyword) + len(instruction.keyword)]
    if "\n" in instruction.raw or instruction.name not in ("CMD", "ENTRYPOINT"):
        raise Refused("the command spans lines")
    return [Rewrite(instruction.index, f"{head} {json.dumps(value.split(), ensure_ascii=False)}")]


def _slash(_: Dockerfile, instruction: Instruction, argument: str) -> Sequence[DockerChange]:
    """The destination of several sources ends with a slash."""
    del argument
    raw = instruction.raw.rstrip()
    what = instruction.trigger or instruction
    if what.heredocs or not what.args:
        raise Refused("the destination's end cannot be told")
    if what.exec_form:
        match = re.search(r'"(\s*\]\s*)\Z', raw)
        if match is None:
            raise Refused("the destination's end cannot be told")
        return [Rewrite(instruction.index, f'{raw[: match.start()]}/"{match[1]}')]
    quote = raw[-1] if raw[-1] in "\"'" else ""
    return [Rewrite(instruction.index, f"{raw.removesuffix(quote)}/{quote}")]


def _remove(_: Dockerfile, instruction: Instruction, argument: str) -> Sequence[DockerChange]:
    """Take the instruction away."""
    del argument
    return [Remove(instruction.index)]


def _sudo(
    dockerfile: Dockerfile, instruction: Instruction, argument: str
) -> Sequence[DockerChange]:
    """``sudo x`` → ``x``."""
    del argument
    _only_shell(dockerfile, instruction)
    pattern = rf"{_START}sudo[ \t]+(?:-E[ \t]+)?(?![-\w]+=)(?=[A-Za-z/])"
    return _rewritten(instruction, re.sub(pattern, "", instruction.raw))


def _drop_option(
    dockerfile: Dockerfile, instruction: Instruction, argument: str
) -> Sequence[DockerChange]:
    """Take the named options away, with ``=value`` or, for ``--x:``, with the next word."""
    _only_shell(dockerfile, instruction)
    raw = instruction.raw
    for option in argument.split():
        name, takes_value = option.removesuffix(":"), option.endswith(":")
        value = rf"(?:=\S+|{_GAP}[^\s-]\S*)" if takes_value else r"(?:=\S+)?"
        raw = re.sub(rf"[ \t]+{re.escape(name)}{value}(?=[\s;&|]|\Z)", "", raw)
    return _rewritten(instruction, raw)


def _verify_downloads(
    dockerfile: Dockerfile, instruction: Instruction, argument: str
) -> Sequence[DockerChange]:
    """curl and wget check certificates again."""
    del argument
    _only_shell(dockerfile, instruction)
    raw = re.sub(r"[ \t]+(?:--insecure|--no-check-certificate)(?=\s|\Z)", "", instruction.raw)
    command = rf"{_START}curl\b(?:\\\n|[^;&|\n])*?"
    raw = re.sub(rf"({command})[ \t]+-k(?=\s|\Z)", r"\1", raw)
    raw = re.sub(rf"({command}\s-[A-Za-jl-z]*)k([A-Za-jl-z]*(?=\s|\Z))", r"\1\2", raw)
    return _rewritten(instruction, raw)


def _all_dependencies(
    dockerfile: Dockerfile, instruction: Instruction, argument: str
) -> Sequence[DockerChange]:
    """Install development dependencies, too, in the stages that are thrown away."""
    final = dockerfile.final
    kept = final.instructions if final else ()
    changes: list[DockerChange] = []
    for run in dockerfile.instructions[: instruction.index + 1]:
        if run.name == "RUN" and run not in kept and re.search(r"\b(?:npm|yarn|pnpm)\b", run.raw):
            changes += _drop_option(dockerfile, run, argument)
    return changes


def _declare(
    dockerfile: Dockerfile, instruction: Instruction, argument: str
) -> Sequence[DockerChange]:
    """``ARG name`` in the stage, for a global argument that the instruction uses."""
    del argument
    names = {pair.name for pair in dockerfile.global_args}
    used = [n for n in re.findall(r"\$\{?([A-Za-z_]\w*)", instruction.raw) if n in names]
    stage = next((s for s in dockerfile.stages if instruction in s.instructions), None)
    own = stage.instructions if stage else ()
    known = {pair.name for i in own if i.index < instruction.index for pair in i.pairs}
    missing = [name for name in dict.fromkeys(used) if name not in known]
    return (
        [Insert(instruction.index, "\n".join(f"ARG {name}" for name in missing))] if missing else []
    )


def _pipefail(
    dockerfile: Dockerfile, instruction: Instruction, argument: str
) -> Sequence[DockerChange]:
    """A shell that fails when any command of a pipe does, before the first RUN that pipes."""
    del argument
    stage = next((s for s in dockerfile.stages if instruction in s.instructions), None)
    if stage is None or any(i.name == "SHELL" for i in stage.instructions):
        raise Refused("the stage chooses its shell by itself")
    base = stage
    while base.parent is not None:
        base = dockerfile.stages[base.parent]
    image = parse_image(base.image)
    alpine = "alpine" in image.short_name or "alpine" in (image.tag or "")
    words = (
        ["/bin/ash", "-eo", "pipefail", "-c"] if alpine else ["/bin/bash", "-o", "pipefail", "-c"]
    )
    return [Insert(instruction.index, f"SHELL {json.dumps(words)}")]


def _only_shell(dockerfile: Dockerfile, instruction: Instruction) -> None:
    what = instruction.trigger or instruction
    if what.name != "RUN" or what.exec_form:
        raise Refused("only the shell form of RUN is edited")
    if what.heredocs and not (_SCRIPT.match(what.value) and what.heredocs[0].content.strip()):
        raise Refused("only inline documents that are the script itself are edited")
    if what.heredocs and what.heredocs[0].content.startswith("#!"):
        raise Refused("the inline document names an interpreter of its own")
    if dockerfile.escape != "\\":
        raise Refused("the file uses another escape character")


def _rewritten(instruction: Instruction, raw: str) -> Sequence[DockerChange]:
    return [] if raw == instruction.raw else [Rewrite(instruction.index, raw)]


DOCKER: Mapping[str, DockerFixer] = {
    **{name: partial(_add_option, option) for name, option in _OPTIONS.items()},
    "clean-up": _clean_up,
    "declare-argument": _declare,
    "all-dependencies": _all_dependencies,
    "maintainer-label": _maintainer,
    "add-to-copy": _copy,
    "pair-equals": _equals,
    "apt-get": _apt_get,
    "exec-form": _exec_form,
    "trailing-slash": _slash,
    "remove-instruction": _remove,
    "no-sudo": _sudo,
    "drop-option": _drop_option,
    "verify-downloads": _verify_downloads,
    "pipefail-shell": _pipefail,
}
