"""Run an ecosystem's own tool (uv, npm, cargo …) on a copy of a project, for its lock file.

These tools read what the project says about registries and caches, and they ask the network: that
is what they are for. So they run only when somebody asked for it, in a copy, as argument lists,
with an empty home and an environment without tokens, with scripts of packages off by option and by
environment, with a deadline for the whole family of processes. What they wrote is taken from the
copy by name; nothing else of it comes back.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from haechi.errors import InputError
from haechi.world.programs import program, search_path

DEADLINE = 300.0
"""Seconds for one command: a cold cache and a slow registry."""
MAX_BYTES = 1024 * 1024 * 1024
MAX_FILES = 200_000
_DATA_KIB = 8 * 1024 * 1024
_WRITTEN = 2 * 1024 * 1024 * 1024
_SAID = 64 * 1024
_LONGEST = 600
_LEFT_OUT = frozenset(
    {".git", "node_modules", ".venv", "venv", "target", "__pycache__", ".tox", ".mypy_cache"}
) | {
    *(".python-version", ".python-versions", ".pdm-python", ".tool-versions"),
    *("rust-toolchain", "rust-toolchain.toml"),
    *(".pdm-plugins", ".pnpmfile.cjs", ".pnpmfile.mjs"),
}
"""What tools install, and by what a project names a program that its tools would start."""
_PASSED = (
    *("LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"),
    *("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT", "npm_config_cafile"),
    *("CARGO_HTTP_CAINFO", "BUNDLE_SSL_CA_CERT", "YARN_HTTPS_CA_FILE_PATH", "GIT_SSL_CAINFO"),
)
"""What says no secret: words, and where certificates of a proxy lie."""
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
_QUIET = {
    "CI": "1",
    "NO_COLOR": "1",
    "npm_config_ignore_scripts": "true",
    "npm_config_audit": "false",
    "npm_config_fund": "false",
    "npm_config_update_notifier": "false",
    "YARN_ENABLE_SCRIPTS": "false",
    "YARN_ENABLE_TELEMETRY": "0",
    "YARN_IGNORE_PATH": "1",
    "COREPACK_ENABLE_PROJECT_SPEC": "0",
    "npm_config_git": "git",
    "npm_config_manage_package_manager_versions": "false",
    "PIPENV_DONT_LOAD_ENV": "1",
    "YARN_ENABLE_IMMUTABLE_INSTALLS": "false",
    "COMPOSER_NO_INTERACTION": "1",
    "GOTOOLCHAIN": "local",
    "GOFLAGS": "-mod=mod",
    "UV_PYTHON_DOWNLOADS": "never",
    "UV_NO_PROGRESS": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_INPUT": "1",
    "PIP_ONLY_BINARY": ":all:",
    "PDM_ONLY_BINARY": ":all:",
    "PDM_CHECK_UPDATE": "0",
    "UV_NO_BUILD": "1",
    "DOTNET_CLI_TELEMETRY_OPTOUT": "1",
    "GIT_TERMINAL_PROMPT": "0",
}


class Failed(InputError):
    """A tool that did not do it; ``what`` is its last word."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One command: the argument list and the folder it runs in, relative to the project."""

    argv: tuple[str, ...]
    folder: str = ""


def tool_path(name: str, tree: Path) -> str | None:
    """Where a tool is, outside of the tree, or None."""
    return program(name, tree)


class Workshop:
    """A copy of a project in which tools run."""

    def __init__(self, tree: Path, copy: Path, home: Path, *, whole_environment: bool) -> None:
        self._tree = tree
        self.copy = copy
        self._environment = _environment(tree, home, whole=whole_environment)

    def put(self, files: Mapping[str, bytes]) -> None:
        """Write contents by path."""
        for path, data in files.items():
            target = self.copy / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.is_symlink():
                target.unlink()
            target.write_bytes(data)

    def take(self, paths: Iterable[str], *, limit: int) -> dict[str, bytes]:
        """What regular files of the copy hold now; those that are not there are left out."""
        found = {}
        for path in paths:
            target = self.copy / path
            if target.is_symlink() or not target.is_file():
                continue
            if not target.resolve().is_relative_to(self.copy.resolve()):
                continue
            if target.stat().st_size > limit:
                raise Failed(f"the tool wrote more than {limit:,} bytes", where=path)
            found[path] = target.read_bytes()
        return found

    def run(self, run: Run, *, deadline: float = DEADLINE) -> None:
        """Run one command. Raises Failed with what the tool said last."""
        name = run.argv[0]
        found = tool_path(name, self._tree)
        if found is None:
            raise Failed(f"{name} is not installed here")
        with tempfile.TemporaryFile() as said:
            try:
                process = subprocess.Popen(
                    _limited([found, *run.argv[1:]]),
                    cwd=self.copy / run.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=said,
                    env=self._environment,
                    start_new_session=True,
                )
            except OSError as error:
                raise Failed(f"{name} cannot be run: {error.strerror}") from error
            code = _wait(process, deadline)
            if code is None:
                raise Failed(f"{name} took longer than {deadline:.0f} s")
            if code != 0:
                said.seek(max(said.seek(0, os.SEEK_END) - _SAID, 0))
                raise Failed(f"{name}: {_last_words(said.read().decode('utf-8', 'replace'))}")


@contextmanager
def workshop(tree: Path, *, whole_environment: bool = False) -> Iterator[Workshop]:
    """Copy a project and clean up after. ``whole_environment`` passes on the caller's variables
    and home, for registries that need a token. Raises Failed when it is too large to copy."""
    with tempfile.TemporaryDirectory(prefix="haechi-tools-") as name:
        base = Path(name)
        copy, home = base / "project", base / "home"
        home.mkdir()
        _copy(tree, copy)
        yield Workshop(tree, copy, home, whole_environment=whole_environment)


def _copy(tree: Path, copy: Path) -> None:
    """Files and folders; links only where they stay inside. What tools install is left out."""
    count = size = 0
    root = tree.resolve()
    copy.mkdir()
    pending = [(root, copy)]
    while pending:
        source, target = pending.pop()
        with os.scandir(source) as entries:
            for entry in entries:
                if entry.name in _LEFT_OUT:
                    continue
                there = target / entry.name
                if entry.is_symlink():
                    _copy_link(root, Path(entry.path), there)
                elif entry.is_dir(follow_symlinks=False):
                    there.mkdir()
                    pending.append((Path(entry.path), there))
                elif entry.is_file(follow_symlinks=False):
                    count += 1
                    size += entry.stat().st_size
                    if count > MAX_FILES or size > MAX_BYTES:
                        raise Failed(
                            "the project is too large to be copied",
                            do="run the commands yourself",
                        )
                    with contextlib.suppress(PermissionError):
                        shutil.copyfile(entry.path, there)


def _copy_link(root: Path, link: Path, there: Path) -> None:
    try:
        inside = link.resolve().is_relative_to(root)
        aim = link.readlink()
    except (OSError, RuntimeError):
        return
    if inside and not aim.is_absolute():
        there.symlink_to(aim)


def _environment(tree: Path, home: Path, *, whole: bool) -> dict[str, str]:
    own = {
        **_QUIET,
        "PATH": search_path(tree),
        "TMPDIR": str(home),
    }
    if whole:
        return {**os.environ, **own}
    passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
    for name in _PROXIES:  # a proxy may carry a password, which is nobody's business here
        if (value := os.environ.get(name)) and "@" not in value:
            passed[name] = value
    rustup = Path(os.environ.get("RUSTUP_HOME") or Path.home() / ".rustup")
    if rustup.is_dir():
        passed["RUSTUP_HOME"] = str(rustup)
    places = {
        "HOME": "",
        "XDG_CONFIG_HOME": "config",
        "XDG_CACHE_HOME": "cache",
        "XDG_DATA_HOME": "data",
        "CARGO_HOME": "cargo",
        "COMPOSER_HOME": "composer",
        "GOPATH": "go",
        "npm_config_cache": "npm",
    }
    return {**passed, **own, **{name: str(home / place) for name, place in places.items()}}


def _limited(command: list[str]) -> list[str]:
    """Behind a shell that limits what is written and allocated. Not the address space: Node and
    Go reserve far more of it than they use."""
    if os.name != "posix" or not Path("/bin/sh").exists():
        return command
    script = f'ulimit -f {_WRITTEN // 512}; ulimit -d {_DATA_KIB} 2>/dev/null; exec "$@"'
    return ["/bin/sh", "-c", script, "sh", *command]


def _wait(process: subprocess.Popen[bytes], deadline: float) -> int | None:
    """The code, or None after the deadline; nothing of the family stays."""
    try:
        return process.wait(timeout=deadline)
    except subprocess.TimeoutExpired:
        return None
    finally:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _last_words(text: str) -> str:
    """The last lines that say something, within bounds."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    kept: list[str] = []
    for line in reversed(lines[-12:]):
        if kept and len(" ".join((line, *kept))) > _LONGEST:
            break
        kept.insert(0, line)
    return " ".join(kept)[:_LONGEST] or "it failed and said nothing"
