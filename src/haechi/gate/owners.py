"""Who has to act on a finding: an annotation, then haechi.yaml, then CODEOWNERS.

The nearest word wins: who wrote ``haechi.dev/owner`` on an object knows more than a line for a
whole folder. CODEOWNERS is read as GitHub documents it (last match wins, patterns like
gitignore's without ``!`` and ``[]``); section headings of GitLab give their default owners to
the entries below, and over all sections the last match wins, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from haechi.engines.globs import compile_glob, glob_fault

ANNOTATION = "haechi.dev/owner"
LABELS = ("owner", "team")
MAX_CHARACTERS = 3 * 1024 * 1024  # GitHub ignores a CODEOWNERS file that is larger
MAX_LINE = 4_000
_TEXT = 200
_OWNER = re.compile(r"@{1,2}[\w.-]+(?:/[\w.-]+)*\Z|[^@\s]+@[^@\s]+\Z")
_TOKEN = re.compile(r"(?:\\.|[^\s\\]|\\\Z)+")
_SECTION = re.compile(r"\^?\[[^\]\n]+\](?:\[\d+\])?(?:[ \t]+|\Z)")
_ESCAPED = re.compile(r"\\([^*?\\])")


class _Entry(msgspec.Struct, frozen=True):
    patterns: tuple[re.Pattern[str], ...]
    owners: tuple[str, ...]


class CodeOwners:
    """A parsed CODEOWNERS file."""

    def __init__(self, entries: Iterable[_Entry]) -> None:
        self._entries = tuple(entries)[::-1]

    def __len__(self) -> int:
        return len(self._entries)

    def owners_of(self, path: str) -> tuple[str, ...]:
        """Owners of a file by its path from the root; empty when nobody is named."""
        for entry in self._entries:
            if any(pattern.fullmatch(path) for pattern in entry.patterns):
                return entry.owners
        return ()

    def owner_of(self, path: str) -> str | None:
        """The owners as one text, or None."""
        return " ".join(self.owners_of(path)) or None


def parse_codeowners(text: str) -> CodeOwners:
    """Parse a CODEOWNERS file. Lines that GitHub would skip are skipped; nothing is raised."""
    entries: list[_Entry] = []
    defaults: tuple[str, ...] = ()
    if len(text) > MAX_CHARACTERS:
        return CodeOwners(())
    for line in text.removeprefix("\ufeff").splitlines():
        tokens = _tokens(line)
        if not tokens:
            continue
        heading = _SECTION.match(line.strip())
        if heading is not None:
            owners = tuple(_tokens(line.strip()[heading.end() :]))
            if all(map(_OWNER.match, owners)):
                defaults = owners
                continue
        pattern, *owners_ = tokens
        patterns = _compile(pattern)
        if patterns and all(map(_OWNER.match, owners_)):
            entries.append(_Entry(patterns, tuple(owners_) or defaults))
    return CodeOwners(entries)


def _tokens(line: str) -> list[str]:
    """Words of a line up to its comment; a backslash keeps the next character in the word."""
    words = []
    for match in _TOKEN.finditer(line[:MAX_LINE]):
        if match[0].startswith("#"):
            break
        words.append(match[0])
    return words


def _compile(pattern: str) -> tuple[re.Pattern[str], ...]:
    """The globs that a gitignore-like pattern stands for; none when GitHub would skip the line.

    GitHub knows neither negation nor character ranges. A slash at the start or inside anchors
    the pattern at the root; otherwise it applies at any depth. A name stands for the file or
    for everything beneath the folder, but ``docs/*`` only for the files directly in docs, and
    ``docs/`` only for what is beneath.
    """
    plain = _ESCAPED.sub(r"\1", pattern)
    if pattern.startswith(("!", "\\#")) or "[" in pattern or "\\" in plain:
        return ()
    body = plain.removeprefix("/").removesuffix("/")
    glob = body if "/" in plain.removesuffix("/") else f"**/{body}"
    last = body.rpartition("/")[2]
    if plain.endswith("/"):
        globs = [f"{glob}/**"]
    elif last == "**" or (last == "*" and "/" in body):
        globs = [glob]
    else:
        globs = [glob, f"{glob}/**"]
    if any(glob_fault(each) for each in globs):
        return ()
    return tuple(map(compile_glob, globs))


class Owners:
    """All three sources together. ``annotated`` maps resource keys to owners."""

    def __init__(
        self,
        *,
        annotated: Mapping[str, str] | None = None,
        configured: Mapping[str, str] | None = None,
        codeowners: CodeOwners | None = None,
    ) -> None:
        """``configured`` is ``owners`` of haechi.yaml: glob → owner, the last match wins.

        Raises InputError for a glob that ``load_config`` would have refused.
        """
        self._annotated = annotated or {}
        globs = list((configured or {}).items())
        self._configured = [(compile_glob(glob), owner) for glob, owner in reversed(globs)]
        self._codeowners = codeowners
        self._by_path: dict[str, str | None] = {}

    def owner_of(self, path: str, resource: str = "") -> str | None:
        """Owner of a finding by its file and the key of its resource."""
        annotated = self._annotated.get(resource)
        if annotated:
            return annotated
        if path not in self._by_path:
            self._by_path[path] = self._of_path(path)
        return self._by_path[path]

    def _of_path(self, path: str) -> str | None:
        for pattern, owner in self._configured:
            if pattern.fullmatch(path):
                return owner
        return self._codeowners.owner_of(path) if self._codeowners else None


def annotated_owner(data: Any) -> str | None:
    """What a Kubernetes object says of its owner: the annotation, then the labels."""
    metadata = data.get("metadata") if isinstance(data, dict) else None
    if not isinstance(metadata, dict):
        return None
    return _first(metadata.get("annotations"), (ANNOTATION,)) or _first(
        metadata.get("labels"), LABELS
    )


def _first(values: Any, names: tuple[str, ...]) -> str | None:
    for name in names if isinstance(values, dict) else ():
        value: object = values.get(name)
        if isinstance(value, str) and value.strip():
            return " ".join(value[:_TEXT].split())
    return None
