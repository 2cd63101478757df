"""Following a kind over everything that breaks: what is told is what a plain list would show."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.errors import KubeError, KubeForbidden, KubeNotFound
from haechi.world.kube.client import KubernetesClient
from haechi.world.kube.names import POD
from haechi.world.kube.watching import Change, ChangeType, Watch
from tests.world.kube.raw import (
    STREAM,
    Asked,
    access_to,
    bookmark,
    client_of,
    event,
    page,
    refusal,
    serving,
    thing,
)

Answers = bytes | Iterable[bytes]


def scripted(lists: list[Answers], watches: list[Answers]) -> Callable[[Asked], Answers]:
    """Lists and watches in their order; a watch beyond the last waits."""

    def script(asked: Asked) -> Answers:
        answers = watches if asked.watches else lists
        if answers:
            return answers.pop(0)
        assert asked.watches, "listed once too often"
        return waiting(asked)

    return script


def waiting(asked: Asked, *lines: bytes) -> Iterator[bytes]:
    yield STREAM + b"".join(lines)
    asked.stopped.wait(30)


def stream(*lines: bytes) -> Iterator[bytes]:
    yield STREAM
    yield from lines


def told(client: KubernetesClient, number: int, **options: Any) -> list[tuple[str, str, str]]:
    """The first changes: (type, name, version)."""
    watch = Watch(client, POD, pause=0.0, **options)
    found = list(itertools.islice(watch.changes(), number))
    return [shown(change) for change in found]


def shown(change: Change) -> tuple[str, str, str]:
    metadata = change.body.get("metadata", {})
    return change.type.value, metadata.get("name", ""), metadata.get("resourceVersion", "")


SYNCED = ("synced", "", "")


def test_first_what_there_is_then_every_change() -> None:
    watch = stream(
        event("ADDED", thing("b", 6)),
        event("MODIFIED", thing("a", 7)),
        event("DELETED", thing("b", 8)),
    )
    with client_of(scripted([page([thing("a", 4)], 5)], [watch])) as (client, raw):
        assert told(client, 5) == [
            ("added", "a", "4"),
            SYNCED,
            ("added", "b", "6"),
            ("modified", "a", "7"),
            ("deleted", "b", "8"),
        ]
    query = raw.asked[1].query
    assert (query["resourceVersion"], query["allowWatchBookmarks"]) == ("5", "true")
    assert 240 <= int(query["timeoutSeconds"]) <= 360


def test_objects_come_without_their_bookkeeping_and_with_their_kind() -> None:
    with client_of(scripted([page([thing("a", 4)], 5)], [])) as (client, _):
        change = next(client.watch(POD))
    assert "managedFields" not in change.body["metadata"]
    assert (change.body["apiVersion"], change.body["kind"]) == ("v1", "Pod")


def test_a_watch_that_ends_goes_on_from_the_last_word() -> None:
    watches: list[Answers] = [
        stream(event("MODIFIED", thing("a", 7))),
        stream(bookmark(9)),
        stream(event("MODIFIED", thing("a", 10))),
    ]
    with client_of(scripted([page([thing("a", 4)], 5)], watches)) as (client, raw):
        assert told(client, 4)[2:] == [("modified", "a", "7"), ("modified", "a", "10")]
    assert [one.query["resourceVersion"] for one in raw.asked[1:4]] == ["5", "7", "9"]


def test_half_a_line_is_told_by_the_next_watch() -> None:
    line = event("MODIFIED", thing("a", 7))
    watches: list[Answers] = [stream(line[:20], line[20:-9]), stream(line)]
    with client_of(scripted([page([thing("a", 4)], 5)], watches)) as (client, _):
        assert told(client, 3)[2:] == [("modified", "a", "7")]


def test_lines_come_in_any_pieces() -> None:
    lines = b"".join(event("MODIFIED", thing("a", n)) for n in (7, 8, 9)) + b"\n\r\n"
    watch = stream(*(lines[n : n + 3] for n in range(0, len(lines), 3)))
    with client_of(scripted([page([], 5)], [watch])) as (client, _):
        assert [one[2] for one in told(client, 4)[1:]] == ["7", "8", "9"]


def test_what_was_told_is_not_told_again() -> None:
    again = [event("ADDED", thing("a", 4)), event("MODIFIED", thing("a", 4))]
    watch = stream(*again, event("MODIFIED", thing("a", 6)))
    with client_of(scripted([page([thing("a", 4)], 5)], [watch])) as (client, _):
        assert told(client, 3)[2:] == [("modified", "a", "6")]


GONE = event("ERROR", {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"})


@pytest.mark.parametrize("gone", [GONE, None], ids=["event", "answer"])
def test_after_a_forgotten_version_the_difference_is_told(gone: bytes | None) -> None:
    first = page([thing("a", 1), thing("b", 2), thing("c", 3), thing("d", 3)], 5)
    later = page([thing("a", 1), thing("b", 6), thing("d", 7, uid="another"), thing("e", 8)], 9)
    watches: list[Answers] = [stream(gone) if gone else refusal(410, "Expired")]
    with client_of(scripted([first, later], watches)) as (client, raw):
        found = told(client, 11)
    assert found[4] == SYNCED
    assert sorted(found[5:]) == sorted(
        [
            ("modified", "b", "6"),
            ("deleted", "d", ""),
            ("added", "d", "7"),
            ("added", "e", "8"),
            ("deleted", "c", ""),
            SYNCED,
        ]
    )
    assert raw.asked[-1].query.get("resourceVersion") in (None, "9")


def test_a_list_that_breaks_off_forgets_nothing() -> None:
    """The second list fails after its first page, the third is whole: nothing is told twice."""
    first = page([thing("a", 1), thing("b", 2)], 5)
    half = page([thing("a", 1)], 6, token="next")
    lists: list[Answers] = [first, half, refusal(418, "X"), page([thing("b", 2)], 7)]
    with client_of(scripted(lists, [stream(GONE)])) as (client, _):
        assert told(client, 5)[3:] == [("deleted", "a", ""), SYNCED]


def test_pages_of_a_moment_are_read_again_when_they_expire() -> None:
    lists: list[Answers] = [
        page([thing("a", 1)], 5, token="next"),
        refusal(410, "Expired", continue_="go-on"),
        page([thing("a", 1), thing("b", 6)], 7),
    ]
    with client_of(scripted(lists, [])) as (client, raw):
        assert told(client, 3) == [("added", "a", "1"), ("added", "b", "6"), SYNCED]
    assert "continue" not in raw.asked[2].query and "limit" not in raw.asked[2].query


@pytest.mark.parametrize(
    "bad",
    [
        b'{"type": "ADDED"}\n',
        b'{"type": "ADDED", "object": {"metadata": {}}}\n',
        b'{"type": "SOMETHING", "object": {"metadata": {"name": "a"}}}\n',
        b"no json\n",
        b'{"type": "ERROR", "object": {"code": 500, "message": "etcd"}}\n',
        b'{"type": "MODIFIED", "object": {"metadata": {"name": 5}}}\n',
        b"[" * 50_000 + b"\n",
        b"\xff\n",
    ],
)
def test_a_broken_event_ends_the_watch_and_not_the_following(bad: bytes) -> None:
    heard: list[KubeError | None] = []
    watches: list[Answers] = [stream(bad), stream(event("MODIFIED", thing("a", 7)))]
    with client_of(scripted([page([thing("a", 4)], 5)], watches)) as (client, _):
        assert told(client, 3, heard=heard.append)[2:] == [("modified", "a", "7")]
    assert any(isinstance(one, KubeError) for one in heard)
    assert heard[-1] is None


def test_a_line_without_end_is_cut() -> None:
    def endless() -> Iterator[bytes]:
        yield STREAM
        yield from itertools.repeat(b"x" * (1 << 20), 20)

    heard: list[KubeError | None] = []
    with client_of(scripted([page([], 5)], [endless(), stream(event("ADDED", thing("a", 6)))])) as (
        client,
        _,
    ):
        assert told(client, 2, heard=heard.append)[1] == ("added", "a", "6")
    assert any(one is not None and "larger than 16 MiB" in one.what for one in heard)


def test_a_silent_server_is_asked_again() -> None:
    def script(asked: Asked) -> Answers:
        if not asked.watches:
            return page([], 5)
        asks.append(asked)
        if len(asks) == 1:
            return waiting(asked)
        return waiting(asked, event("ADDED", thing("a", 6)))

    asks: list[Asked] = []
    with client_of(script) as (client, _):
        assert told(client, 2, silent=0.1)[1] == ("added", "a", "6")
    assert len(asks) == 2


@pytest.mark.parametrize(
    ("status", "error"), [(401, KubeForbidden), (403, KubeForbidden), (404, KubeNotFound)]
)
def test_what_is_refused_for_good_is_raised(status: int, error: type[KubeError]) -> None:
    with (
        client_of(lambda _: refusal(status, "X")) as (client, _),
        pytest.raises(error),
    ):
        next(client.watch(POD))


def test_faults_that_pass_are_waited_out() -> None:
    watches: list[Answers] = [
        refusal(500, "InternalError"),
        refusal(429, "TooManyRequests"),
        iter([b""]),
        stream(event("ADDED", thing("a", 6))),
    ]
    with client_of(scripted([page([], 5)], watches)) as (client, raw):
        assert told(client, 2)[1] == ("added", "a", "6")
    assert len(raw.asked) == 5


def test_a_closed_client_ends_a_watch_that_waits() -> None:
    import threading

    with serving(scripted([page([], 5)], [])) as raw:
        client = KubernetesClient(access_to(raw))
        found: list[ChangeType] = []
        ended = threading.Event()

        def follow() -> None:
            try:
                for change in client.watch(POD):
                    found.append(change.type)
                    synced.set()
            except KubeError:
                ended.set()

        synced = threading.Event()
        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        assert synced.wait(10)
        client.close()
        assert ended.wait(10)
        thread.join(10)
    assert found == [ChangeType.SYNCED]


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=12),
    st.integers(1, 40),
    st.integers(0, 12),
)
@settings(deadline=None, max_examples=25)
def test_however_the_pieces_fall_the_end_is_the_same(
    steps: list[tuple[str, bool]], size: int, cut: int
) -> None:
    """Events in pieces of any size, the first stream broken off anywhere: what is told adds up
    to what is there."""
    there: dict[str, str] = {}
    lines: list[tuple[int, bytes]] = []
    for version, (name, gone) in enumerate(steps, 10):
        if gone and name not in there:
            continue
        type_ = "DELETED" if gone else "MODIFIED" if name in there else "ADDED"
        there = {k: v for k, v in there.items() if k != name}
        there |= {} if gone else {name: str(version)}
        lines.append((version, event(type_, thing(name, version))))
    lines.append((99, bookmark(99)))
    lines.append((100, event("ADDED", thing("end", 100))))

    def script(asked: Asked) -> Answers:
        if not asked.watches:
            return page([], 1)
        since = int(asked.query["resourceVersion"])
        data = b"".join(line for version, line in lines if version > since)
        if len(tries) == 0:
            data = data[: cut * 60]
        tries.append(since)
        return stream(*(data[n : n + size] for n in range(0, len(data), size)))

    tries: list[int] = []
    found: dict[str, str] = {}
    with client_of(script) as (client, _):
        for change in Watch(client, POD, pause=0.0).changes():
            type_, name, now = shown(change)
            if name == "end":
                break
            if type_ in ("added", "modified"):
                assert (name in found) is (type_ == "modified")
                found[name] = now
            elif type_ == "deleted":
                del found[name]
    assert found == there
