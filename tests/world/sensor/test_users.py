"""Names of users: this machine's own, never those that a container's files claim."""

from __future__ import annotations

import os
from pathlib import Path

from haechi.world.sensor.users import Users


def test_names_come_from_the_files_and_follow_their_changes(tmp_path: Path) -> None:
    now = [0.0]
    (tmp_path / "passwd").write_text("root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/:/bin/sh\nbad\n")
    (tmp_path / "group").write_text("wheel:x:10:ann\n")
    users = Users(tmp_path, clock=lambda: now[0])
    assert (users.user(1000), users.user(7), users.group(10)) == ("ann", "", "wheel")
    (tmp_path / "passwd").write_text("bob:x:1000:1000::/:/bin/sh\n")
    os.utime(tmp_path / "passwd", ns=(1, 1))
    assert users.user(1000) == "ann"
    now[0] = 2.0
    assert users.user(1000) == "bob"


def test_users_of_containers_keep_their_number(tmp_path: Path) -> None:
    (tmp_path / "passwd").write_text("ann:x:1000:1000::/:/bin/sh\n")
    users = Users(tmp_path)
    assert (users.user(1000, contained=True), users.user(0, contained=True)) == ("", "root")


def test_a_missing_file_names_nobody(tmp_path: Path) -> None:
    assert Users(tmp_path / "none").user(0) == ""
