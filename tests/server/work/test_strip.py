"""The coverage strip: what is not seen, and the exact command for it."""

from __future__ import annotations

import shlex

import pytest

from haechi.server.work.strip import connect_command, coverage_lines, scan_command, unseen
from haechi.store.records import SourceStatus
from tests.server.work.stored import gap

URL = "http://127.0.0.1:8420"


def source(id_: str, kind: str = "repository") -> SourceStatus:
    return SourceStatus(id=id_, kind=kind, name=id_, state="fresh", last_seen=None, gaps=0)


@pytest.mark.parametrize(
    ("id_", "command"),
    [
        ("repo:dir:shop", f"haechi scan . --push {URL}"),
        (
            "repo:https://github.com/acme/shop.git",
            f"git clone https://github.com/acme/shop.git shop && haechi scan shop --push {URL}",
        ),
        (
            "repo:https://x/$(reboot)",
            f"git clone 'https://x/$(reboot)' '$(reboot)' && haechi scan '$(reboot)' --push {URL}",
        ),
        (
            "repo:https://x/-rf",
            f"git clone -- https://x/-rf -rf && haechi scan ./-rf --push {URL}",
        ),
        (
            "repo:--config=a://b",
            f"git clone -- --config=a://b b && haechi scan ./b --push {URL}",
        ),
        (
            "repo:https://x/..",
            f"git clone https://x/.. repository && haechi scan repository --push {URL}",
        ),
    ],
)
def test_command_scans_again_and_can_be_typed_as_it_is(id_: str, command: str) -> None:
    assert scan_command(source(id_), URL) == command


def test_command_for_events_is_one_command() -> None:
    words = shlex.split(connect_command(URL))
    assert words[0] == "curl"
    assert words[-1] == f"{URL}/api/v1/events"


def test_gaps_are_told_by_kind_with_their_first_open_case() -> None:
    accepted = {**gap("syntax", "a.yaml", "bad"), "accepted": True}
    told = unseen({"gaps": [gap("link", "x"), accepted, gap("syntax", "b.yaml", "worse"), 5]})
    assert [(one.kind, one.count, one.example, one.reason) for one in told] == [
        ("syntax", 2, "b.yaml", "worse"),
        ("link", 1, "x", ""),
    ]
    assert "accepted" in unseen({"gaps": [accepted]})[0].reason


def test_what_is_not_connected_is_named_and_what_cannot_be_has_no_command() -> None:
    lines = {line.source.id: line for line in coverage_lines([source("repo:a")], [], URL)}
    assert lines["events"].command
    assert [id_ for id_, line in lines.items() if not line.command] == [
        "image",
        "cluster",
        "kubernetes-audit",
    ]
    assert all(lines[id_].source.state == "never" for id_ in ("events", "image", "cluster"))


def test_events_that_were_heard_take_the_place_of_the_offer() -> None:
    lines = coverage_lines([source("falco", "events")], [], URL)
    assert [line.source.id for line in lines][:2] == ["falco", "image"]
