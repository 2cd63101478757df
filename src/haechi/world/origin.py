"""Which repository, branch and commit a scan looks at: from the CI server's words, or git's.

The address is written one way however it was cloned (``git@host:a/b.git`` and
``https://user:token@host/a/b`` are both ``https://host/a/b``), so that a repository has one name
in the store. Credentials in an address are dropped, never sent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from haechi.model.push import Origin
from haechi.world.git import top_level
from haechi.world.objects.command import Git

_SCP = re.compile(r"(?:[\w.+-]+@)?(?P<host>[\w.-]+):(?!:|//)(?P<path>[^\\]+)\Z")
_TRUNKS = frozenset({"main", "master", "trunk"})
_LONGEST = 500
_EVENT_BYTES = 4 << 20


def origin_of(root: Path, environ: Mapping[str, str], *, cluster: str = "-") -> Origin:
    """Where ``root`` comes from. A folder without a remote is ``dir:<its name>``; a project in a
    folder of a repository is ``<repository>//<folder>``, for its findings are its own."""
    top = top_level(root)
    inner = ""
    if top is not None and root.resolve() != top.resolve():
        inner = f"//{root.resolve().relative_to(top.resolve()).as_posix()}"
    origin = _by_ci(root, environ) or _by_git(root, top or root)
    return msgspec.structs.replace(
        origin, repository=f"{origin.repository}{inner}", cluster=cluster
    )


def _by_ci(root: Path, environ: Mapping[str, str]) -> Origin | None:
    for workspace, told in (("GITHUB_WORKSPACE", _github), ("CI_PROJECT_DIR", _gitlab)):
        if _inside(root, environ.get(workspace, "")):
            return told(environ)
    return None


def address(url: str) -> str | None:
    """``https://host/path`` without credentials, ``.git`` and query; None for a local path."""
    text = url.strip()[:_LONGEST]
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme in ("https", "http", "ssh", "git") and host:
        path = parts.path
        shown = f"{host}:{port}" if port and parts.scheme in ("https", "http") else host
    elif scp := _SCP.match(text):
        shown, path = scp["host"].lower(), scp["path"]
        if len(shown) == 1:  # C:\\work
            return None
    else:
        return None
    path = path.strip("/").removesuffix(".git")
    return f"https://{shown}/{path}" if path else None


def _inside(root: Path, workspace: str) -> bool:
    if not workspace:
        return False
    try:
        return root.resolve().is_relative_to(Path(workspace).resolve())
    except OSError:
        return False


def _github(env: Mapping[str, str]) -> Origin | None:
    server, name = env.get("GITHUB_SERVER_URL", ""), env.get("GITHUB_REPOSITORY", "")
    repository = address(f"{server}/{name}") if server and name else None
    if repository is None:
        return None
    head = env.get("GITHUB_HEAD_REF", "")
    ref = head or env.get("GITHUB_REF_NAME", "")
    default = _github_default(env.get("GITHUB_EVENT_PATH", ""))
    on_branch = env.get("GITHUB_REF_TYPE", "branch") == "branch"
    return Origin(
        repository=repository,
        ref=ref,
        commit=env.get("GITHUB_SHA", ""),
        default=not head and on_branch and (ref == default if default else ref in _TRUNKS),
        pipeline=f"{server}/{name}/actions/runs/{env.get('GITHUB_RUN_ID', '')}",
    )


def _github_default(event: str) -> str:
    """The default branch out of the event's document, or "" where it is not told."""
    if not event:
        return ""
    try:
        with Path(event).open("rb") as stream:
            document = msgspec.json.decode(stream.read(_EVENT_BYTES))
        return str(document["repository"]["default_branch"])
    except (OSError, msgspec.DecodeError, KeyError, TypeError):
        return ""


def _gitlab(env: Mapping[str, str]) -> Origin | None:
    repository = address(env.get("CI_PROJECT_URL", ""))
    if repository is None:
        return None
    ref = env.get("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME") or env.get("CI_COMMIT_REF_NAME", "")
    merging = bool(env.get("CI_MERGE_REQUEST_IID") or env.get("CI_COMMIT_TAG"))
    return Origin(
        repository=repository,
        ref=ref,
        commit=env.get("CI_COMMIT_SHA", ""),
        default=not merging and ref == env.get("CI_DEFAULT_BRANCH", ""),
        pipeline=env.get("CI_PIPELINE_URL", ""),
    )


def _by_git(root: Path, top: Path) -> Origin:
    git = Git(root)
    remote = address(_said(git, "config", "--get", "remote.origin.url"))
    ref = _said(git, "symbolic-ref", "--quiet", "--short", "HEAD")
    commit = _said(git, "rev-parse", "--verify", "--quiet", "HEAD")
    trunk = _said(git, "symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD")
    trunk = trunk.removeprefix("origin/")
    if remote is None:
        return Origin(repository=f"dir:{top.resolve().name or '-'}", ref=ref, commit=commit)
    default = ref == trunk if trunk else ref in _TRUNKS
    return Origin(repository=remote, ref=ref, commit=commit, default=default)


def _said(git: Git, *arguments: str) -> str:
    answer = git.run(*arguments)
    return answer.text[:_LONGEST] if answer.code == 0 else ""
