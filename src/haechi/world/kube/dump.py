"""A cluster out of a folder: manifests, or what ``kubectl get -A -o yaml`` wrote.

For those who may not, or do not want to, let haechi ask the server. Files are read by the same
parser as a repository's; what cannot be read is a gap with its reason, nothing more. Links are
not followed, and bounds on files, bytes and objects keep a strange folder from taking the machine.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from haechi.engines.documents import Fault, parse_documents
from haechi.engines.values import Limits
from haechi.errors import ConfigError, InputError
from haechi.world.kube.cluster import Frozen, Kept, kept_of

SUFFIXES = (".yaml", ".yml", ".json")
MOST_FILES, MOST_BYTES, MOST_OBJECTS, MOST_GAPS = 5_000, 512 << 20, 200_000, 100
_LIMITS = Limits(size=32 << 20, documents=50_000, values=3_000_000, depth=100)
MOST_JSON = 256 << 20
"""YAML needs much more memory than its size while it is read; JSON does not."""
_DEEPEST = 5
_CHART = "Chart.yaml"
_TOOLS = ("kustomize.config.k8s.io/", "skaffold/", "kind.x-k8s.io/", "helmfile/")
"""API versions of files that tools read, not clusters."""
_OTHERS = frozenset({"node_modules", "vendor", "__pycache__", "target", "venv"})
"""Folders that hold other people's files by the thousand."""


def read_dump(folder: Path, name: str) -> Frozen:
    """The folder as the cluster ``name``. Of an object that is there twice the newest file's
    counts. Raises ConfigError when there is no such folder."""
    if not folder.is_dir():
        raise ConfigError("there is no such folder", where=str(folder))
    gaps: list[str] = []
    found: dict[tuple[str, str, str], Kept] = {}
    newest, size = 0.0, 0
    files = sorted(_files(folder, gaps), key=lambda one: one[1])
    for path, changed, length in files:
        size += length
        if size > MOST_BYTES:
            gaps.append(f"files past {MOST_BYTES >> 20} MiB are not read")
            break
        newest = max(newest, changed)
        for kept in _objects(path, str(path.relative_to(folder)), gaps):
            found[kept.type, kept.namespace, kept.name] = kept
        if len(found) > MOST_OBJECTS:
            gaps.append(f"objects past {MOST_OBJECTS:,} are not read")
            break
    at = dt.datetime.fromtimestamp(newest, dt.UTC)
    if len(gaps) > MOST_GAPS:
        gaps = [*gaps[:MOST_GAPS], f"and {len(gaps) - MOST_GAPS} more"]
    return Frozen(name, "dump", at, found.values(), gaps=gaps)


def stamp(folder: Path) -> tuple[int, float]:
    """Changes when a file of the folder does: how many, and the newest change."""
    times = [changed for _, changed, _ in _files(folder, [])]
    return len(times), max(times, default=0.0)


def _files(folder: Path, gaps: list[str]) -> Iterator[tuple[Path, float, int]]:
    """(path, when it was changed, bytes) of the files that may hold objects."""
    number = 0
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(one for one in folders if one[0] != "." and one not in _OTHERS)
        if _CHART in names:
            shown = Path(root).relative_to(folder)
            gaps.append(f"{shown}: a chart: what it makes is not known until it is rendered")
            folders.clear()
            continue
        for name in sorted(names):
            if name.startswith(".") or not name.endswith(SUFFIXES):
                continue
            number += 1
            if number > MOST_FILES:
                gaps.append(f"files past {MOST_FILES:,} are not read")
                return
            path = Path(root) / name
            try:
                status = path.lstat()
            except OSError:
                continue
            if path.is_symlink() or not path.is_file():
                gaps.append(f"{path.relative_to(folder)}: a link, or no file: not read")
                continue
            yield path, status.st_mtime, status.st_size


def _objects(path: Path, shown: str, gaps: list[str]) -> Iterator[Kept]:
    try:
        with path.open("rb") as stream:
            data = stream.read(MOST_JSON + 1)
        whole = _json(path, data)
        if whole is not None:
            yield from _of(whole, shown, gaps, 0)
            return
        if len(data) > _LIMITS.size:
            gaps.append(f"{shown}: larger than {_LIMITS.size >> 20} MiB: write it as -o json")
            return
        for document in parse_documents(data, limits=_LIMITS):
            if isinstance(document, Fault):
                gaps.append(f"{shown}:{document.line}: {document.message}")
                continue
            document.forget()
            yield from _of(document.data, shown, gaps, 0)
    except OSError as error:
        gaps.append(f"{shown}: cannot be read: {error.strerror}")
    except InputError as error:
        gaps.append(f"{shown}: {error.what}")


def _json(path: Path, data: bytes) -> Any:
    """The value of a JSON file; None when it is none, or several one after the other."""
    if path.suffix != ".json" or len(data) > MOST_JSON:
        return None
    try:
        return msgspec.json.decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None


def _of(data: Any, shown: str, gaps: list[str], depth: int) -> Iterator[Kept]:
    if not isinstance(data, dict):
        return
    kind, items = data.get("kind"), data.get("items")
    if isinstance(kind, str) and kind.endswith("List") and isinstance(items, list):
        for item in items if depth < _DEEPEST else ():
            if isinstance(item, dict) and kind != "List":
                item.setdefault("apiVersion", data.get("apiVersion"))
                item.setdefault("kind", kind.removesuffix("List"))
            yield from _of(item, shown, gaps, depth + 1)
        return
    if "apiVersion" not in data or "kind" not in data:
        return  # YAML of something else
    if str(data["apiVersion"]).startswith(_TOOLS):
        return  # says how objects are put together, and is none
    try:
        kept = kept_of(data)
    except (TypeError, ValueError, RecursionError, UnicodeError):
        kept = None  # a number or text that JSON does not have
    if kept is None:
        gaps.append(f"{shown}: an object without metadata.name")
        return
    yield kept
