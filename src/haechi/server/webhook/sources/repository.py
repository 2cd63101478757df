"""Policies from a git repository on this machine, at a revision (a branch, a tag, a commit).

Nothing is checked out and nothing of the repository runs: contents come as they are stored. Who
fetches new commits is not haechi's business (a sidecar, a cron job); each poll asks where the name
points now.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from haechi.errors import ConfigError
from haechi.server.webhook.frames import Text
from haechi.server.webhook.sources import Policies, parted
from haechi.server.webhook.sources.files import Files
from haechi.world import git
from haechi.world.objects.command import Git


class Repository:
    """A folder of a repository at a revision."""

    def __init__(self, root: Path, ref: str, *, within: str = "") -> None:
        self._root, self._ref, self._within = root, ref, within
        self._commit = ""

    def poll(self) -> Policies | None:
        """See ``Source``."""
        commit = self._resolved()
        if commit == self._commit:
            return None
        with tempfile.TemporaryDirectory(prefix="haechi-policies-") as folder:
            target = Path(folder)
            commit = git.extract(self._root, self._ref, target, within=self._within)
            found = Files([target]).poll()
            texts = (*found.texts, *found.waivers) if found is not None else ()
            named = tuple(Text(text.name.removeprefix(f"{folder}/"), text.data) for text in texts)
        self._commit = commit
        where = f"{self._root}/{self._within}".rstrip("/")
        return parted(named, f"{where} at {self._ref} ({commit[:12]})")

    def close(self) -> None:
        """Nothing is kept open."""

    def _resolved(self) -> str:
        wanted = f"{self._ref}^{{commit}}"
        found = Git(self._root).run("rev-parse", "--verify", "--quiet", "--end-of-options", wanted)
        if found.code != 0 or not found.text:
            raise ConfigError(
                f"git knows no commit {self._ref!r} in {self._root}",
                do="name a repository on this machine and a branch, tag or commit of it",
            )
        return found.text
