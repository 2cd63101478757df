"""Manifests of folders: what is read, and that nothing is left out in silence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from haechi.errors import UsageError
from haechi.world.manifests import read_manifests
from tests.trees import write

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"


def test_a_mounted_config_map_is_read_through_its_links(tmp_path: Path) -> None:
    write(tmp_path, {"..2026/pod.yaml": POD})
    (tmp_path / "..data").symlink_to("..2026")
    (tmp_path / "pod.yaml").symlink_to("..data/pod.yaml")
    found = read_manifests([tmp_path])
    assert [one.name for one in found.resources] == ["a"]
    assert not found.gaps


@pytest.mark.parametrize("target", ["../out/pod.yaml", "pod.yaml", "../nothing.yaml"])
def test_a_link_that_leads_out_or_nowhere_is_told(tmp_path: Path, target: str) -> None:
    folder = write(tmp_path, {"out/pod.yaml": POD, "in/other.txt": ""}) / "in"
    (folder / "pod.yaml").symlink_to(target)
    (folder / "more").symlink_to("../out")
    found = read_manifests([folder])
    assert not found.resources
    assert sorted(Path(gap.path).name for gap in found.gaps) == ["more", "pod.yaml"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_in_a_folder_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (gap,) = read_manifests([tmp_path]).gaps
    assert "no regular file" in gap.reason


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="needs /dev/fd")
def test_a_pipe_that_was_named_is_read(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        stream.write(POD)
    try:
        found = read_manifests([Path(f"/dev/fd/{reader}")])
    finally:
        os.close(reader)
    assert [one.name for one in found.resources] == ["a"]


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no"):
        read_manifests([tmp_path / "nothing"])
