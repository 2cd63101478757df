"""What to run so that a lock file follows: the ecosystem's own tool, as argument lists.

A lock file is never edited here: only its tool knows digests and what else has to move. Every
command is made so that no script of a package runs, and so that nothing but the lock file is
written. Tools that evaluate the project's own build (Gradle, Maven) are named, never run.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Sequence

import msgspec

from haechi.model.package import PackageFile
from haechi.scan.deps.fixing.choosing import series
from haechi.scan.deps.fixing.plan import Upgrade
from haechi.scan.deps.fixing.ways import Way

_SAFE_NAME = re.compile(r"@?[A-Za-z0-9_][A-Za-z0-9_./:+-]*\Z")
_SAFE_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+!_-]*\Z")
_LOCK_VERSION = re.compile(r'"lockfileVersion"\s*:\s*([123])\b')
_QUIET = ("--ignore-scripts", "--no-audit", "--no-fund")


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a tool in ``folder`` (relative to the project). ``writes`` are the files it may
    change. ``runs`` is false for what only a person should start; ``careful`` are options that
    are added when it is not a person who does. ``forgets`` are entries, as (name, version), that
    have to be taken out of the lock file before: Yarn 1 moves what others bring in by no other
    way."""

    argv: tuple[str, ...]
    careful: tuple[str, ...] = ()
    folder: str = ""
    writes: tuple[str, ...] = ()
    runs: bool = True
    forgets: tuple[tuple[str, str], ...] = ()

    @property
    def tool(self) -> str:
        """The program's name."""
        return self.argv[0]

    def __str__(self) -> str:
        import shlex

        line = shlex.join(self.argv)
        line = f"(cd {shlex.quote(self.folder)} && {line})" if self.folder else line
        if not self.forgets:
            return line
        names = ", ".join(f"{name} {version}" for name, version in self.forgets)
        return f"{line}  # after deleting the entries of {names} from yarn.lock"


class Locking(msgspec.Struct, frozen=True, kw_only=True):
    """What commands are made of: the lock file, the upgrades that it has to take, whether a
    manifest was edited for some, its text, and the names of the files beside it."""

    file: PackageFile
    upgrades: tuple[Upgrade, ...]
    text: str = ""
    beside: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        return posixpath.basename(self.file.path)

    @property
    def edited(self) -> tuple[Upgrade, ...]:
        """Those that a manifest asks for."""
        return tuple(one for one in self.upgrades if one.way is Way.MANIFEST)

    @property
    def inner(self) -> tuple[Upgrade, ...]:
        """Those for which the lock file alone moves."""
        return tuple(one for one in self.upgrades if one.way is not Way.MANIFEST)


Argv = Sequence[str]


def commands_of(locking: Locking) -> tuple[Command, ...]:
    """What to run, in order; nothing where no lock file has to follow."""
    make = _TOOLS.get(_kind(locking))
    fit = [one for one in locking.upgrades if _is_safe(one)]
    if make is None or not fit:
        return ()
    locking = msgspec.structs.replace(locking, upgrades=tuple(fit))
    folder = posixpath.dirname(locking.file.path)
    writes = [locking.file.path]
    if locking.file.format == "go.mod":
        writes.append(posixpath.join(folder, "go.sum"))
    return tuple(
        Command(
            argv=tuple(argv),
            folder=folder,
            careful=_CAREFUL.get(argv[0], ()),
            writes=tuple(writes),
            runs=argv[0] not in _NEVER_RUN,
            forgets=_forgotten(locking),
        )
        for argv in make(locking)
    )


_NEVER_RUN = frozenset({"gradle", "bundle", "dotnet"})
"""Their manifests are programs: to read one is to run it."""
_CAREFUL = {
    "uv": ("--no-build",),
    "pnpm": ("--ignore-pnpmfile",),
    "pdm": ("--skip", ":all"),
    "poetry": ("--no-plugins",),
}
"""Building a package to learn what it needs runs its code, and so do hooks and plug-ins of the
project."""


def _forgotten(locking: Locking) -> tuple[tuple[str, str], ...]:
    if _kind(locking) != "yarn.lock":
        return ()
    return tuple(
        dict.fromkeys(
            (one.name, one.version) for one in locking.inner if _SAFE_VERSION.match(one.version)
        )
    )


def _kind(locking: Locking) -> str:
    if locking.file.format == "yarn.lock" and "__metadata:" in locking.text:
        return "yarn.lock 2"
    if locking.file.format == "requirements.txt":
        source = posixpath.splitext(locking.name)[0] + ".in"
        return "requirements.in" if source in locking.beside else ""
    return locking.file.format


def _is_safe(upgrade: Upgrade) -> bool:
    """Names come from files of the project; none may look like an option."""
    return bool(_SAFE_NAME.match(upgrade.name) and _SAFE_VERSION.match(upgrade.to))


def _python(upgrade: Upgrade) -> str:
    """At least the fixed version; within the same major version where that is enough."""
    upper = ""
    if not upgrade.major:
        (first,) = series("PyPI", upgrade.to)
        upper = f",<{int(first) + 1}" if first.isdigit() and "!" not in upgrade.to else ""
    return f"{upgrade.name}>={upgrade.to}{upper}"


def _names(upgrades: Sequence[Upgrade]) -> list[str]:
    return list(dict.fromkeys(one.name for one in upgrades))


def _uv(locking: Locking) -> list[Argv]:
    wanted = [word for one in locking.upgrades for word in ("--upgrade-package", _python(one))]
    return [["uv", "lock", *wanted]]


def _compiled(locking: Locking) -> list[Argv]:
    wanted = [word for one in locking.upgrades for word in ("--upgrade-package", _python(one))]
    if "--hash" in locking.text:
        wanted.append("--generate-hashes")
    source = posixpath.splitext(locking.name)[0] + ".in"
    if "uv pip compile" in locking.text[:2_000]:
        return [["uv", "pip", "compile", *wanted, source, "--output-file", locking.name]]
    return [["pip-compile", *wanted, "--output-file", locking.name, source]]


def _poetry(locking: Locking) -> list[Argv]:
    return [["poetry", "update", "--lock", "--no-interaction", *_names(locking.upgrades)]]


def _pdm(locking: Locking) -> list[Argv]:
    return [["pdm", "update", "--no-sync", "--update-reuse", *_names(locking.upgrades)]]


def _pipenv(locking: Locking) -> list[Argv]:
    wanted = [_python(one) for one in locking.inner]
    made: list[Argv] = [["pipenv", "lock"]] if locking.edited else []
    return [*made, ["pipenv", "upgrade", "--lock-only", *wanted]] if wanted else made


def _npm(locking: Locking) -> list[Argv]:
    made: list[Argv] = []
    told = _LOCK_VERSION.search(locking.text)
    quiet = (*_QUIET, *(("--lockfile-version", told[1]) if told else ()))
    if locking.edited:
        made.append(["npm", "install", "--package-lock-only", *quiet])
    if inner := _names(locking.inner):
        made.append(["npm", "update", "--package-lock-only", "--no-save", *quiet, *inner])
    return made


def _yarn(_: Locking) -> list[Argv]:
    return [["yarn", "install", "--ignore-scripts", "--non-interactive"]]


def _berry(locking: Locking) -> list[Argv]:
    made: list[Argv] = []
    if locking.edited:
        made.append(["yarn", "install", "--mode=update-lockfile"])
    if inner := _names(locking.inner):
        made.append(["yarn", "up", "--recursive", "--mode=update-lockfile", *inner])
    return made


def _pnpm(locking: Locking) -> list[Argv]:
    made: list[Argv] = []
    quiet = ("--lockfile-only", "--ignore-scripts")
    if locking.edited:
        made.append(["pnpm", "install", "--no-frozen-lockfile", *quiet])
    if inner := _names(locking.inner):
        made.append(["pnpm", "update", "--depth", "Infinity", "--no-save", *quiet, *inner])
    return made


def _bun(locking: Locking) -> list[Argv]:
    made: list[Argv] = []
    if locking.edited:
        made.append(["bun", "install", "--lockfile-only", "--ignore-scripts"])
    if inner := _names(locking.inner):
        made.append(["bun", "update", "--lockfile-only", "--ignore-scripts", *inner])
    return made


def _go(locking: Locking) -> list[Argv]:
    modules = [
        f"{one.name}@v{one.to.removeprefix('v')}"
        for one in locking.upgrades
        if one.name != "stdlib"
    ]
    return [["go", "get", *modules], ["go", "mod", "tidy"]] if modules else []


def _cargo(locking: Locking) -> list[Argv]:
    return [
        ["cargo", "update", "--package", f"{one.name}@{one.version}", "--precise", one.to]
        for one in locking.upgrades
    ]


def _bundler(locking: Locking) -> list[Argv]:
    return [["bundle", "lock", "--conservative", "--update", *_names(locking.upgrades)]]


def _composer(locking: Locking) -> list[Argv]:
    wanted = [word for one in locking.upgrades for word in ("--with", f"{one.name}:>={one.to}")]
    quiet = ("--no-install", "--no-scripts", "--no-plugins", "--no-interaction")
    return [["composer", "update", *quiet, *wanted, *_names(locking.upgrades)]]


def _nuget(_: Locking) -> list[Argv]:
    return [["dotnet", "restore", "--force-evaluate"]]


def _gradle(locking: Locking) -> list[Argv]:
    return [["gradle", "dependencies", "--update-locks", ",".join(_names(locking.upgrades))]]


_TOOLS: dict[str, Callable[[Locking], list[Argv]]] = {
    "uv.lock": _uv,
    "requirements.in": _compiled,
    "poetry.lock": _poetry,
    "pdm.lock": _pdm,
    "Pipfile.lock": _pipenv,
    "package-lock.json": _npm,
    "npm-shrinkwrap.json": _npm,
    "yarn.lock": _yarn,
    "yarn.lock 2": _berry,
    "pnpm-lock.yaml": _pnpm,
    "bun.lock": _bun,
    "bun.lockb": _bun,
    "go.mod": _go,
    "Cargo.lock": _cargo,
    "Gemfile.lock": _bundler,
    "gems.locked": _bundler,
    "composer.lock": _composer,
    "packages.lock.json": _nuget,
    "gradle.lockfile": _gradle,
}
