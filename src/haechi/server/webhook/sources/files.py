"""Policies from files and folders, looked at by their times.

Files of a mounted ConfigMap are links into a hidden folder that is exchanged as a whole; so links
are followed here, as long as they stay below the folder that was named.

Whoever writes files does not write them all at once: with ``settle`` a change counts when a second
look finds the same. A folder that holds nothing any more, or a file that was emptied, is taken for
a copy that went wrong, never for the wish to have no policies.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from haechi.errors import ConfigError
from haechi.server.webhook.frames import Text
from haechi.server.webhook.sources import Policies, parted
from haechi.world.manifests import regular_bytes

SUFFIXES = (".yaml", ".yml", ".json")
MOST_FILES, MOST_BYTES = 5_000, 48 << 20
"""What a frame to the nursery holds."""
MOST_LOOKS = 5
_Seen = tuple[str, int, int, int]


class Files:
    """Files and folders."""

    def __init__(self, paths: Sequence[Path], *, settle: bool = False) -> None:
        self._paths, self._settle = tuple(paths), settle
        self._seen: tuple[_Seen, ...] | None = None
        self._looked: tuple[Text, ...] | None = None
        self._looks = 0

    def poll(self) -> Policies | None:
        """See ``Source``."""
        files = list(self._files())
        seen = tuple(_state(file) for file in files)
        if seen == self._seen:
            return None
        if self._seen is not None:
            _require_something(self._seen, seen)
        texts = tuple(Text(str(file), _read(file)) for file in files)
        if sum(len(text.data) for text in texts) > MOST_BYTES:
            raise ConfigError(f"the policies are more than {MOST_BYTES >> 20} MiB")
        if self._seen is not None and self._settle and self._unsettled(texts):
            return None
        if tuple(_state(file) for file in files) == seen:
            self._seen = seen  # else they change right now: look again the next time
        return parted(texts, ", ".join(map(str, self._paths)))

    def close(self) -> None:
        """Nothing is kept open."""

    def _unsettled(self, texts: tuple[Text, ...]) -> bool:
        """Whether they are others than at the last look; what never rests is taken in the end."""
        if texts != self._looked and self._looks < MOST_LOOKS:
            self._looked, self._looks = texts, self._looks + 1
            return True
        self._looked, self._looks = None, 0
        return False

    def _files(self) -> Iterator[Path]:
        count = 0
        for path in self._paths:
            for file in _below(path):
                count += 1
                if count > MOST_FILES:
                    raise ConfigError(
                        f"more than {MOST_FILES:,} files of policies", where=str(path)
                    )
                yield file


def _require_something(before: tuple[_Seen, ...], now: tuple[_Seen, ...]) -> None:
    if before and not now:
        raise ConfigError(
            "the files of policies are gone",
            do="put them back; to have no policies, start the webhook anew",
        )
    sizes = {name: size for name, _, size, _ in before}
    for name, _, size, _ in now:
        if not size and sizes.get(name):
            raise ConfigError(
                "a file of policies is empty now", where=name, do="write it again, or remove it"
            )


def _below(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        if not path.exists():
            raise ConfigError(f"there is no {path}", do="name a file or a folder that exists")
        yield path
        return
    root = path.resolve()
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            file = Path(folder) / name
            if name.startswith(".") or not name.endswith(SUFFIXES):
                continue
            if not file.is_symlink() or _leads_into(file, root):
                yield file


def _leads_into(link: Path, root: Path) -> bool:
    try:
        return link.resolve().is_relative_to(root)
    except (OSError, RuntimeError):  # links in a circle
        return False


def _state(file: Path) -> _Seen:
    try:
        found = file.stat()
    except OSError:
        return (str(file), 0, 0, 0)
    return (str(file), found.st_mtime_ns, found.st_size, found.st_ino)


def _read(file: Path) -> bytes:
    try:
        return regular_bytes(file)
    except OSError as error:
        raise ConfigError(
            "a file of policies cannot be read", why=str(error.strerror), where=str(file)
        ) from error
