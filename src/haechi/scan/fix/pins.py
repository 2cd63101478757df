"""Which commit an action's tag stands for: from a file of the project, or from its git host.

A hash is never guessed. ``haechi.actions.yaml`` holds what somebody checked, one line an action
(``actions/checkout@v4: <commit>``), and serves where no host can be reached; it comes first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Protocol

from haechi.checks.workflows.uses import Uses
from haechi.engines.typed import Misfit, config_error, read_single, shown
from haechi.engines.values import Limits
from haechi.errors import InputError
from haechi.scan.fix.changes import Refused
from haechi.world.git_host import Commit

FILE = "haechi.actions.yaml"
LIMITS = Limits(size=4 * 1024 * 1024, documents=5, values=100_000, depth=5)
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(?:/[\w.-]+)+@[\w./+-]+\Z")
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")


class Host(Protocol):
    """A git host that can be asked."""

    def commit_of(self, repository: str, ref: str) -> Commit:
        """The commit of a tag or branch of ``owner/repo``. Raises InputError."""


class Pins:
    """Answers which commit to pin to. ``table`` comes first, then the host, if there is one."""

    def __init__(self, table: Mapping[str, str], host: Host | None = None) -> None:
        self._table = {_key(name): commit for name, commit in table.items()}
        self._host = host

    def __bool__(self) -> bool:
        return bool(self._table) or self._host is not None

    def commit_of(self, uses: Uses, *, branches: bool) -> str:
        """The commit that ``uses`` resolves to; that of a branch only if asked for.

        Raises Refused with the reason when it is not known.
        """
        repository = f"{uses.owner}/{uses.repo}"
        for name in (uses.name, repository):
            known = self._table.get(_key(f"{name}@{uses.ref}"))
            if known:
                return known
        if self._host is None:
            raise Refused(f"{FILE} holds no hash for {repository}@{uses.ref}")
        try:
            found = self._host.commit_of(repository, uses.ref)
        except InputError as error:
            raise Refused(error.what) from error
        if not found.tag and not branches:
            raise Refused(f"{uses.ref} is a branch of {repository}; name the rule to pin it")
        return found.id


def read_pins(data: bytes, name: str = FILE) -> Mapping[str, str]:
    """The file's table. Raises one ConfigError that names every fault."""
    document = read_single(data, name, limits=LIMITS)
    if document is None or document.data is None:
        return {}
    if not isinstance(document.data, dict):
        fault = Misfit(path=(), message="the file is a table: owner/repo@tag: commit")
        raise config_error(name, document, [fault])
    faults = []
    for key, value in document.data.items():
        if not _NAME.match(key):
            faults.append(Misfit(path=(key,), message=f"{shown(key)} is not owner/repo@tag"))
        elif not isinstance(value, str) or not _COMMIT.match(value):
            message = f"{shown(value)} is not a full commit id of 40 hexadecimal digits"
            faults.append(Misfit(path=(key,), message=message))
    if faults:
        raise config_error(name, document, faults)
    return dict(document.data)


def _key(name: str) -> str:
    """GitHub does not tell upper from lower case in names; git does in tags."""
    action, _, ref = name.partition("@")
    return f"{action.lower()}@{ref.removeprefix('refs/tags/')}"
