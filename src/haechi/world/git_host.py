"""Ask a git host which commit a tag stands for, by ``git ls-remote``.

Nothing but refs of one repository is asked for. git runs outside of any repository, without the
user's and the system's configuration (no credential helper, no rewriting of addresses), with no
prompt and HTTPS as its only protocol; plain HTTP is taken for this machine alone, because
whoever sits on the way could answer with a commit of their own.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from haechi.errors import InputError, UsageError
from haechi.world.programs import program, search_path

DEFAULT = "https://github.com"
EACH, IN_ALL = 20.0, 180.0
"""Seconds for one repository, and for all of them."""
_MOST = 1024 * 1024
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}/[A-Za-z0-9_.-]{1,100}\Z")
_REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+/-]{0,199}\Z")
_LINE = re.compile(r"([0-9a-f]{40}(?:[0-9a-f]{24})?)\t(refs/\S+)\Z")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_KEPT = ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR")
_KEPT_GIT = ("GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "SYSTEMROOT")


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """A commit, and whether a tag or only a branch leads to it."""

    id: str
    tag: bool


class GitHost:
    """A host of git repositories. ``tree`` is the scanned tree, whose programs are not run."""

    def __init__(self, server: str, tree: Path, *, seconds: float = IN_ALL) -> None:
        """Raises UsageError for an address that is not asked."""
        self._server = _checked(server)
        self._git = program("git", tree)
        self._path = search_path(tree)
        self._end = time.monotonic() + seconds
        self._known: dict[tuple[str, str], Commit | str] = {}

    def commit_of(self, repository: str, ref: str) -> Commit:
        """The commit of a tag or branch of ``owner/repo``. Raises InputError."""
        ref = ref.removeprefix("refs/tags/")
        key = (repository.lower(), ref)
        if key not in self._known:
            try:
                self._known[key] = self._ask(repository, ref)
            except InputError as error:
                self._known[key] = error.what
        answer = self._known[key]
        if isinstance(answer, str):
            raise InputError(answer)
        return answer

    def _ask(self, repository: str, ref: str) -> Commit:
        if not _REPOSITORY.match(repository) or not _REF.match(ref) or ".." in ref + repository:
            raise InputError(f"{repository}@{ref} is not asked for: an odd name")
        refs = self._refs(repository, ref)
        tag = refs.get(f"refs/tags/{ref}^{{}}") or refs.get(f"refs/tags/{ref}")
        branch = refs.get(f"refs/heads/{ref}")
        if tag and branch and tag != branch:
            raise InputError(f"{repository} has both a tag and a branch called {ref}")
        found = tag or branch
        if found is None:
            raise InputError(f"{repository} has neither a tag nor a branch called {ref}")
        return Commit(id=found, tag=tag is not None)

    def _refs(self, repository: str, ref: str) -> Mapping[str, str]:
        """Refs by name. An annotated tag is an object of its own; ``^{}`` is its commit."""
        wanted = [f"refs/tags/{ref}", f"refs/tags/{ref}^{{}}", f"refs/heads/{ref}"]
        out = self._run(f"{self._server}/{repository}", wanted, repository)
        lines = (_LINE.match(line) for line in out.decode("utf-8", "replace").splitlines())
        return {line[2]: line[1] for line in lines if line}

    def _run(self, address: str, wanted: list[str], repository: str) -> bytes:
        left = self._end - time.monotonic()
        if self._git is None:
            raise InputError("git is not installed")
        if left <= 0:
            raise InputError(f"asking took too long before {repository}")
        with tempfile.TemporaryDirectory(prefix="haechi-git-") as folder:
            try:
                done = subprocess.run(
                    [self._git, *_SETTINGS, "ls-remote", "--quiet", "--", address, *wanted],
                    cwd=folder,
                    env=self._environment(folder),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    timeout=min(EACH, left),
                    check=False,
                )
            except subprocess.TimeoutExpired as error:
                raise InputError(f"{self._server} does not answer about {repository}") from error
            except OSError as error:
                raise InputError(f"git cannot be run: {error.strerror}") from error
        if done.returncode != 0 or len(done.stdout) > _MOST:
            raise InputError(f"{self._server} says nothing about {repository}")
        return done.stdout

    def _environment(self, folder: str) -> dict[str, str]:
        kept = {name: os.environ[name] for name in (*_KEPT, *_KEPT_GIT) if name in os.environ}
        return kept | {
            "PATH": self._path,
            "HOME": folder,
            "XDG_CONFIG_HOME": folder,
            "GIT_CEILING_DIRECTORIES": str(Path(folder).parent),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_SYSTEM": os.devnull,
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "",
            "SSH_ASKPASS": "",
            "GIT_ALLOW_PROTOCOL": "https:http" if self._server.startswith("http:") else "https",
        }


_SETTINGS = (
    "-c",
    "credential.helper=",
    "-c",
    "core.askPass=",
    "-c",
    "http.followRedirects=initial",
    "-c",
    "http.lowSpeedLimit=100",
    "-c",
    "http.lowSpeedTime=10",
    "-c",
    "core.hooksPath=/dev/null",
)


def _checked(server: str) -> str:
    """The address without a slash at its end. Raises UsageError."""
    address = server.rstrip("/")
    parts = urlsplit(address)
    plain = bool(re.fullmatch(r"[A-Za-z0-9.:/_\[\]-]+", address)) and not parts.username
    allowed = parts.scheme == "https" or (
        parts.scheme == "http" and (parts.hostname or "") in _LOOPBACK
    )
    if not plain or not allowed or not parts.hostname:
        raise UsageError(
            f"{server[:200]!r} is no git host that haechi asks",
            do="set GITHUB_SERVER_URL to an https:// address",
        )
    return address
