"""Read haechi.yaml: strictly, with all faults at once and the line of each.

A key that is misspelt or a glob that can match nothing would switch a protection off without
a word, so nothing is tolerated here: the run ends with exit code 2 and says what to write.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from haechi.engines.globs import glob_fault
from haechi.engines.typed import Misfit, config_error, misfits, nearest, read_single, shown
from haechi.engines.values import Limits
from haechi.errors import ConfigError, InputError
from haechi.model.config import CONFIG_FILES, DUE_DAYS, INLINE_POLICIES, Config
from haechi.model.location import AttrPath
from haechi.model.severity import Severity
from haechi.world.files import Tree

LIMITS = Limits(size=1024 * 1024, documents=10, values=50_000, depth=20)
_KIND = re.compile(r"(?:[a-z0-9]([a-z0-9.-]*[a-z0-9])?)/[A-Z][A-Za-z0-9]*\Z")
_VERSION = re.compile(r"1\.[1-9][0-9]?\Z")
_WORD = re.compile(r"\S+\Z")
_DAYS = 3650


def load_config(root: Path) -> Config:
    """The configuration of the tree at ``root``; the defaults when it has none.

    Raises ConfigError naming the file, the line of each fault, and what is allowed there.
    """
    found = [name for name in CONFIG_FILES if (root / name).is_symlink() or (root / name).exists()]
    if len(found) > 1:
        why = "which of the two holds would be a guess"
        raise ConfigError(
            "two configuration files", why=why, do="keep one", where=" and ".join(found)
        )
    if not found:
        return Config()
    return parse_config(_read(root, found[0]), found[0])


def parse_config(data: bytes, name: str) -> Config:
    """Decode the bytes of a configuration file; ``name`` is for messages."""
    document = read_single(data, name, limits=LIMITS)
    if document is None or document.data is None:
        return Config()
    wrong = list(misfits(document.data, Config))
    if not wrong:
        config = msgspec.convert(document.data, Config)
        wrong = list(_semantic(config))
        if not wrong:
            return _with_default_days(config)
    raise config_error(name, document, wrong)


def _read(root: Path, name: str) -> bytes:
    """A symbolic link is read when it stays inside the tree, as the scan itself does."""
    target = root / name
    try:
        if target.is_symlink():
            real = target.resolve(strict=True)
            if not real.is_relative_to(root.resolve()):
                raise ConfigError("a link that leads out of the scanned folder", where=name)
            return Tree(real.parent).read(real.name, limit=LIMITS.size)
        return Tree(root).read(name, limit=LIMITS.size)
    except InputError as error:
        raise ConfigError(f"cannot be read: {error.what}", where=name) from error
    except (OSError, RuntimeError) as error:
        raise ConfigError("a link that leads nowhere", where=name) from error


def _with_default_days(config: Config) -> Config:
    """Severities that the file does not mention keep their default number of days."""
    gate = msgspec.structs.replace(config.gate, due_days={**DUE_DAYS, **config.gate.due_days})
    return msgspec.structs.replace(config, gate=gate)


def _semantic(config: Config) -> Iterator[Misfit]:
    """What the types alone do not say."""
    for index, glob in enumerate(config.exclude):
        yield from _glob(glob, ("exclude", index))
    for key in ("rules", "disable"):
        for index, text in enumerate(getattr(config, key)):
            if not text.strip():
                yield Misfit(path=(key, index), message=f"`{key}[{index}]` is empty")
    yield from _rule_ids(config)
    yield from _pod_templates(config)
    for glob, owner in config.owners.items():
        yield from _glob(glob, ("owners", glob))
        if not owner.strip():
            yield Misfit(path=("owners", glob), message=f"`owners` names nobody for {shown(glob)}")
    if not _VERSION.match(config.kubernetes_version):
        message = f"`kubernetes_version` is {shown(config.kubernetes_version)}"
        do = 'write a minor version in quotes, such as "1.33"'
        yield Misfit(path=("kubernetes_version",), message=message, do=do)
    yield from _gate(config)
    yield from _deps(config)
    for index, gap in enumerate(config.coverage.accept):
        at: AttrPath = ("coverage", "accept", index)
        yield from _glob(gap.path, (*at, "path"))
        for key in ("kind", "reason"):
            if not getattr(gap, key).strip():
                message = f"`coverage.accept[{index}].{key}` is empty"
                yield Misfit(path=(*at, key), message=message)


def _glob(glob: str, path: AttrPath) -> Iterator[Misfit]:
    fault = glob_fault(glob)
    if fault is not None:
        yield Misfit(path=path, message=f"the glob {shown(glob)} {fault}")


def _rule_ids(config: Config) -> Iterator[Misfit]:
    ids: list[tuple[AttrPath, str]] = [
        (("disable", index), text) for index, text in enumerate(config.disable) if text.strip()
    ]
    ids += [(("severity", text), text) for text in config.severity]
    for path, text in ids:
        if not _WORD.match(text) or "*" in text:
            yield Misfit(
                path=path, message=f"{shown(text)} is not a rule id; name rules one by one"
            )


def _pod_templates(config: Config) -> Iterator[Misfit]:
    for index, template in enumerate(config.pod_templates):
        at: AttrPath = ("pod_templates", index)
        if not _KIND.match(template.kind):
            message = f"`pod_templates[{index}].kind` is {shown(template.kind)}"
            do = "write group/Kind, such as argoproj.io/Rollout"
            yield Misfit(path=(*at, "kind"), message=message, do=do)
        if not template.steps:
            message = f"`pod_templates[{index}].path` is {shown(template.path)}"
            do = "write the keys that lead to the template, such as spec.template"
            yield Misfit(path=(*at, "path"), message=message, do=do)


def _deps(config: Config) -> Iterator[Misfit]:
    for index, text in enumerate(config.deps.advisories):
        if not text.strip():
            message = f"`deps.advisories[{index}]` is empty"
            yield Misfit(path=("deps", "advisories", index), message=message)
    yield from _licences(config)
    days = config.deps.max_age_days
    if not 0 < days <= _DAYS:
        message = f"`deps.max_age_days` must be 1 to {_DAYS} days, not {days}"
        yield Misfit(path=("deps", "max_age_days"), message=message)


def _licences(config: Config) -> Iterator[Misfit]:
    from haechi.engines.spdx.policy import satisfies
    from haechi.errors import InputError

    for key in ("allow", "deny"):
        for index, entry in enumerate(getattr(config.deps.licences, key)):
            try:
                satisfies("MIT", (entry,))
            except InputError as error:
                where: AttrPath = ("deps", "licences", key, index)
                message = f"`deps.licences.{key}[{index}]`: {error.what}"
                yield Misfit(path=where, message=message, do=error.do or "")


def _gate(config: Config) -> Iterator[Misfit]:
    for key in ("inline_waivers", "vex"):
        policy = getattr(config.gate, key)
        if policy not in INLINE_POLICIES:
            message = f"`gate.{key}` is {shown(policy)}"
            close = nearest(policy, INLINE_POLICIES)
            allowed = f"allowed: {', '.join(INLINE_POLICIES)}"
            do = f"{close} {allowed}".strip()
            yield Misfit(path=("gate", key), message=message, do=do)
    for word, days in config.gate.due_days.items():
        path: AttrPath = ("gate", "due_days", word)
        if word not in list(Severity):
            do = nearest(word, Severity) or f"allowed: {', '.join(Severity)}"
            yield Misfit(path=path, message=f"`gate.due_days` names {shown(word)}", do=do)
        if not 0 < days <= _DAYS:
            message = (
                f"`gate.due_days.{shown(word).strip('`')}` must be 1 to {_DAYS} days, not {days}"
            )
            yield Misfit(path=path, message=message)
