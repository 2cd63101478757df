"""No room, or no right to write: nothing acknowledged is lost, and it goes on by itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from haechi.errors import StoreFull
from haechi.store.events.events import Events
from tests.store.events.contract import everything
from tests.store.events.cramped import append, fill
from tests.store.events.made import HOUR, NOW, NOW_NS

ROOT = Path(__file__).parents[3]


def test_files_that_may_not_grow(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "tests.store.events.cramped", str(tmp_path), str(1 << 20)]
    done = subprocess.run(
        words, capture_output=True, cwd=ROOT, timeout=120, check=True,
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
    )  # fmt: skip
    told = json.loads(done.stdout)
    assert told["acknowledged"] > 0
    assert told["full"] == "degraded"
    assert "full" in told["why"]
    assert (told["again"], told["after"], told["finally"]) == (10, "ok", "ok")
    store = Events(tmp_path, clock=lambda: NOW)
    numbers = {one.event.id for one in everything(store)}
    assert numbers == {f"id-{n}" for n in range(told["acknowledged"] + 10)}
    assert store.check() == []
    store.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 6 MiB."""
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("mounting a small file system needs root")
    words = [mount, "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(tmp_path)]
    if subprocess.run(words, capture_output=True).returncode != 0:
        pytest.skip("mounting is not allowed here")
    yield tmp_path
    subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def test_a_full_disk(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(3 << 20))
    store = Events(small_disk, clock=lambda: NOW)
    acknowledged, _ = fill(store)
    assert acknowledged > 0
    assert store.figures()["state"] == "degraded"
    assert len(everything(store)) == acknowledged
    with pytest.raises(StoreFull):
        store.seal(NOW_NS + HOUR)
    ballast.unlink()
    assert append(store, acknowledged, acknowledged + 10) == 10
    assert store.figures()["state"] == "degraded"  # sealing has not been tried again yet
    store.retain(NOW, days=30, max_bytes=10**12)
    assert len(everything(store)) == acknowledged + 10
    assert store.check() == []
    store.close()


def test_a_read_only_disk(small_disk: Path) -> None:
    store = Events(small_disk, clock=lambda: NOW)
    append(store, 0, 10)
    store.close()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(StoreFull) as caught:
        Events(small_disk, clock=lambda: NOW)
    assert "read-only" in caught.value.explain().lower()
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    store = Events(small_disk, clock=lambda: NOW)
    assert len(everything(store)) == 10
    store.close()
