"""Values of Terraform beside tfparse (Trivy's evaluator): equal, known to one, different.

``./dev bench terraform_values DIR...`` evaluates every root module below each folder, ours over
all files of the folder, theirs root by root, and compares the resources that both made leaf by
leaf. Theirs marks what it does not know with null, a random UUID, ``${`` or an object with
``__attribute__``. ``--differences N`` prints the first N leaves of each kind but the equal ones.
The peer lives in an environment of its own.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from bench.measure import peer
from haechi.model.unknown import Unknown

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_SKIPPED = frozenset({"__tfmeta", "id", "count", "for_each", "depends_on", "provider", "lifecycle",
                      "provisioner", "connection", "dynamic"})  # fmt: skip
_SCRIPT = """
import json, sys, time, tfparse
start = time.process_time()
try:
    found = tfparse.load_from_path(sys.argv[1], allow_downloads=False)
except Exception as error:
    found = {"error": str(error)}
print(json.dumps({"seconds": time.process_time() - start, "found": found}))
"""
Leaf = tuple[str, ...]


def main(arguments: list[str] | None = None) -> int:
    """Print a table by folder, and differences."""
    parser = argparse.ArgumentParser(prog="bench terraform_values", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--differences", type=int, default=0, metavar="N")
    options = parser.parse_args(arguments)
    python = peer("tfparse", "tfparse==0.6.22") / "python"
    print(f"{'folder':<28}{'resources':>10}{'both':>7}{'leaves':>8}{'equal':>8}{'unknown':>9}"
          f"{'ours':>7}{'theirs':>8}{'differ':>8}{'CPU s':>8}{'peer':>7}")  # fmt: skip
    for folder in options.folders:
        _compare(folder, python, options.differences)
    return 0


def _compare(folder: Path, python: Path, shown: int) -> None:
    start = time.process_time()
    ours = _ours(folder)
    seconds = time.process_time() - start
    kinds: dict[str, list[str]] = defaultdict(list)
    both = 0
    peer_seconds = 0.0
    for root, resources in sorted(ours.items()):
        spent, theirs = _theirs(folder / root, python)
        peer_seconds += spent
        for address in sorted(resources.keys() & theirs.keys()):
            both += 1
            for kind, text in _leaves(resources[address], theirs[address], ()):
                kinds[kind].append(f"{root or '.'} {address} {text}")
    made = sum(map(len, ours.values()))
    total = sum(map(len, kinds.values()))
    counts = "".join(
        f"{len(kinds[kind]):>{width}}"
        for kind, width in (
            ("equal", 8), ("unknown", 9), ("ours", 7), ("theirs", 8), ("differ", 8),
        )
    )  # fmt: skip
    name = folder.name[:26]
    print(f"{name:<28}{made:>10}{both:>7}{total:>8}{counts}{seconds:>8.2f}{peer_seconds:>7.2f}")
    for kind in ("differ", "theirs", "ours"):
        for line in kinds[kind][:shown]:
            print(f"  {kind}: {line[:300]}")


def _ours(folder: Path) -> dict[str, dict[str, Any]]:
    from haechi.scan.iac.terraform.read import read_texts

    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.stat().st_size < 1_000_000 and ".git" not in path.parts
    }
    out: dict[str, dict[str, Any]] = defaultdict(dict)
    for resource in read_texts(files).resources:
        root, _, address = resource.key.removeprefix("tf:").partition("/")
        place = "" if root == "-" else unquote(root)
        if isinstance(resource.data, dict) and not resource.kind.startswith("tf-"):
            out[place][address] = _open(resource.data)
    return out


def _open(value: Any) -> Any:
    """Values as judges get them defend themselves against being looked at."""
    if isinstance(value, Unknown):
        return Unknown(value.reason, cause=value.cause)
    if isinstance(value, dict):
        return {key: _open(item) for key, item in value.items()}
    return [_open(item) for item in value] if isinstance(value, list) else value


def _theirs(root: Path, python: Path) -> tuple[float, dict[str, Any]]:
    command = [str(python), "-c", _SCRIPT, str(root)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except subprocess.TimeoutExpired:
        print(f"  tfparse does not come to an end on {root}")
        return 60.0, {}
    if done.returncode:
        print(f"  tfparse failed on {root}: {done.stderr.strip().splitlines()[-1:]}")
        return 0.0, {}
    answer = json.loads(done.stdout)
    out = {}
    for blocks in answer["found"].values():
        for block in blocks if isinstance(blocks, list) else ():
            meta = block.get("__tfmeta", {})
            if meta.get("type") in ("resource", "data"):
                out[meta["path"]] = block
    return answer["seconds"], out


def _leaves(ours: Any, theirs: Any, path: Leaf) -> Iterator[tuple[str, str]]:
    """Kind and text of each leaf below two values at one place."""
    if isinstance(theirs, list) and isinstance(ours, dict) and len(theirs) == 1:
        theirs = theirs[0]
    if isinstance(ours, list) and isinstance(theirs, dict) and len(ours) == 1:
        ours = ours[0]
    if isinstance(ours, dict) and isinstance(theirs, dict) and "__attribute__" not in theirs:
        keys = {key for key in (*ours, *theirs) if path or key not in _SKIPPED}
        for key in sorted(keys - {"__tfmeta", "id"}):
            yield from _leaves(ours.get(key), theirs.get(key), (*path, key))
        return
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for index, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from _leaves(one, other, (*path, str(index)))
        return
    if ours is None and theirs is None:
        return
    yield _kind(ours, theirs), f"{'.'.join(path)}: {_short(ours)} | {_short(theirs)}"


def _kind(ours: Any, theirs: Any) -> str:
    unknown, not_theirs = _is_unknown(ours), _is_unknown_to_peer(theirs)
    if _plain(ours) == _plain(theirs) and not unknown:
        return "equal"
    if unknown:
        return "unknown" if not_theirs else "theirs"
    return "ours" if not_theirs else "differ"


def _is_unknown(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_is_unknown, value.values()))
    if isinstance(value, list):
        return any(map(_is_unknown, value))
    return isinstance(value, Unknown)


def _is_unknown_to_peer(value: Any) -> bool:
    if isinstance(value, dict):
        return "__attribute__" in value or any(map(_is_unknown_to_peer, value.values()))
    if isinstance(value, list):
        return any(map(_is_unknown_to_peer, value))
    return value is None or (
        isinstance(value, str) and ("${" in value or bool(_UUID.search(value)))
    )


def _plain(value: Any) -> Any:
    """Scalars as text: without a provider's schema neither side knows their types."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else text[:119] + "…"


if __name__ == "__main__":
    raise SystemExit(main())
