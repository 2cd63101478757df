"""Advisories of a real server: imported in a child, SBOMs judged again, killed in the middle."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from haechi.cli.pipeline import Options, run
from haechi.server.settings import Advisories, Listen, Settings
from haechi.server.work import advisories_child
from haechi.server.work.advisories import Advising
from haechi.server.work.advisories_child import Child
from haechi.store.dependency_records import ImportState
from haechi.store.records import Life
from tests.server.advised import exploited, imported, record, repository, written
from tests.server.api.rig import Rig, pushed, rig
from tests.server.serving import Running, by_word, real_world, serving

CVE1 = "CVE-2026-0001"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    with (
        real_world(tmp_path / "store") as world,
        serving(world, authenticate=by_word(), jobs=None) as running,
    ):
        yield running


def _push(client: httpx.Client, root: Path, monkeypatch: pytest.MonkeyPatch, database: Path) -> Any:
    monkeypatch.setenv("HAECHI_DB", str(database))
    push = pushed(run(Options(path=root, only=("deps",), history=False)))
    answer = client.post(
        "/api/v1/scans",
        content=msgspec.json.encode(push),
        headers={"content-type": "application/json"},
    )
    assert answer.status_code == 201, answer.text
    return answer.json()["scan"]["changes"]


class _Listening:
    """The live stream, until enough was heard."""

    def __init__(self, client: httpx.Client) -> None:
        self.topics: set[str] = set()
        self.ready = threading.Event()
        self.news = threading.Condition()
        self._client = client
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self.ready.wait(10)

    def _run(self) -> None:
        with self._client.stream("GET", "/api/v1/stream", timeout=60) as answer:
            self.ready.set()
            for line in answer.iter_lines():
                if line.startswith("event: "):
                    with self.news:
                        self.topics.add(line.removeprefix("event: "))
                        self.news.notify_all()
                    if {"finding", "proposal", "advisory"} <= self.topics:
                        return

    def heard(self) -> set[str]:
        self._thread.join(30)
        return self.topics


def _import(
    server: Running, *sources: Path, env: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "haechi", "db", "import", *map(str, sources)]
    return subprocess.run(
        [*command, "--server", server.url],
        env={**env, "HAECHI_TOKEN": "admin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_an_import_makes_a_finding_and_a_proposal_appear_live(
    server: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    shop = repository(tmp_path / "shop", ("left", "1.0.0"), ("right", "1.0.0"))
    known = tmp_path / "client.db"
    imported(known, written(tmp_path / "client"))
    one = tmp_path / "GHSA-aaaa-bbbb-0001.json"
    one.write_text(json.dumps(record(1, "left")))
    with server.client() as client, server.client() as other:
        _push(client, shop, monkeypatch, known)
        stream = _Listening(other)
        done = _import(server, one, env=dict(os.environ))
        assert done.returncode == 0, done.stderr
        assert "1 advisories, generation 1" in done.stdout
        assert {"finding", "proposal", "advisory"} <= stream.heard()
        (found,) = client.get("/api/v1/findings?domain=deps").json()["items"]
        (proposal,) = client.get("/api/v1/proposals").json()["items"]
        assert (found["rule"], proposal["target"]) == (CVE1, "2.0.0")
        metrics = client.get("/metrics").text
        assert "\nvulnerability_scan_critical_total 1.0" in metrics
        assert 'haechi_advisory_imports_total{outcome="done"} 1.0' in metrics
        changes = _push(client, shop, monkeypatch, server.world.store.folder.advisories_db)
        assert (changes["new"], changes["fixed"], changes["unchanged"]) == (0, 0, 1)
        assert _after_kev(server, client, tmp_path) == ["exploited"]
        gone = record(1, "left", modified="2026-11-20T00:00:00Z", withdrawn=True)
        one.write_text(json.dumps(gone))
        listening = server.world.store.state.generation
        assert _import(server, one, env=dict(os.environ)).returncode == 0
        _until_judged(server)
        assert client.get("/api/v1/findings?domain=deps").json()["items"] == []
        assert client.get("/api/v1/proposals").json()["items"] == []
        assert server.world.store.state.generation > listening
        assert list(server.world.store.folder.incoming.iterdir()) == []


def _after_kev(server: Running, client: httpx.Client, tmp_path: Path) -> list[str]:
    """Tags of the one finding that an import of CISA's catalogue brought, told to listeners."""
    import os

    heard: list[str] = []
    stop = server.world.store.subscribe(lambda notice: heard.append(notice.topic))
    (before,) = client.get("/api/v1/findings?domain=deps").json()["items"]
    catalogue = tmp_path / "known_exploited_vulnerabilities.json"
    catalogue.write_bytes(exploited(CVE1))
    assert _import(server, catalogue, env=dict(os.environ)).returncode == 0
    _until_judged(server)
    stop()
    assert "finding" in heard
    (after,) = client.get("/api/v1/findings?domain=deps").json()["items"]
    assert after["id"] == before["id"]
    return [tag for tag in after["tags"] if tag not in before["tags"]]


def _until_judged(server: Running) -> None:
    """An import is done before SBOMs are judged by it."""
    judged = threading.Event()

    def heard(notice: Any) -> None:
        if "reevaluated" in notice.data:
            judged.set()

    stop = server.world.store.subscribe(heard)
    try:
        with server.client() as client:
            while client.get("/api/v1/advisories/status").json()["pending"]:
                judged.wait(0.2)
    finally:
        stop()


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (b"PK\x03\x04 and no more", "PyPI/all.zip", "archive"),
        (b"<html>no</html>", "all.zip", "a web page"),
        (b"\x00" * 100, "x.json", ""),
        (b'{"a":' * 5000, "x.json", ""),
    ],
)
def test_what_is_no_advisory_is_refused_with_its_reason(
    server: Running, content: bytes, name: str, words: str
) -> None:
    with server.client() as client:
        headers = {"content-type": "application/octet-stream"}
        path = f"/api/v1/advisories/import?name={name}"
        begun = client.post(path, content=content, headers=headers).json()
        one = begun
        while one["state"] in ("waiting", "running"):
            one = client.get(f"/api/v1/advisories/imports/{begun['id']}").json()
        assert one["state"] == "refused" or (one["state"], one["records"]) == ("incomplete", 0)
        assert words in one["error"]
        assert str(server.world.store.folder.path) not in one["error"]


@pytest.mark.parametrize("name", ["", "../x.json", "a/../../b.json", "a\x00b", "." * 10])
def test_names_of_files_stay_in_their_folder(server: Running, name: str) -> None:
    with server.client() as client:
        answer = client.post(
            "/api/v1/advisories/import",
            params={"name": name},
            content=b"{}",
            headers={"content-type": "application/octet-stream"},
        )
        if answer.status_code == 202:
            assert ".." not in answer.json()["place"]
        else:
            assert answer.status_code in (400, 422)


def test_an_upload_over_the_limit_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    settings = Settings(listen=Listen(port=0), advisories=Advisories(max_bytes=1 << 20))
    with (
        real_world(tmp_path / "store", settings) as world,
        serving(world, authenticate=by_word()) as running,
        running.client() as client,
    ):
        answer = client.post(
            "/api/v1/advisories/import?name=x.json",
            content=b" " * (1 << 20) + b"xx",
            headers={"content-type": "application/octet-stream"},
        )
        assert answer.status_code in (413, 422), answer.text
        assert list(world.store.folder.incoming.iterdir()) == []


def test_a_source_that_does_not_answer_is_a_state_and_never_clean(tmp_path: Path) -> None:
    gone = str(tmp_path / "nothing-here")
    settings = Settings(listen=Listen(port=0), advisories=Advisories(sources=[gone]))
    with real_world(tmp_path / "store", settings) as world:
        advising = Advising()
        world.store.state.advisories.configured([gone])
        advising.round(world)
        (source,) = world.store.state.advisories.sources()
        assert (source.state, source.place) == ("failed", gone)
        assert "no file" in source.error
        assert advising.fault == ""


def test_a_configured_source_is_imported(tmp_path: Path) -> None:
    folder = written(tmp_path / "own", record(1, "left"))
    settings = Settings(listen=Listen(port=0), advisories=Advisories(sources=[str(folder)]))
    with real_world(tmp_path / "store", settings) as world:
        advising = Advising()
        advising.round(world)
        (source,) = world.store.state.advisories.sources()
        (one,) = world.store.state.advisories.imports()
        assert (source.state, one.state, one.records) == ("ok", ImportState.DONE, 2)
        advising.round(world)
        assert len(world.store.state.advisories.imports()) == 1


def test_a_child_that_is_killed_is_told_as_refused(tmp_path: Path) -> None:
    child = Child(tmp_path / "a.db", str(tmp_path))
    child.kill()
    assert child.run().state is ImportState.REFUSED


def test_a_child_that_runs_out_of_memory_says_so_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = tmp_path / "a.db"
    imported(database, written(tmp_path / "old", record(1, "left")))
    before = database.read_bytes()
    monkeypatch.setattr(advisories_child, "_MEMORY", 20 << 20)
    told = Child(database, str(written(tmp_path / "new", record(2, "left")))).run()
    assert told.state is ImportState.REFUSED
    assert told.error.endswith("GiB of memory that an import has")
    assert database.read_bytes() == before


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from haechi.server.settings import Settings
    from haechi.server.run import made_world
    from haechi.server.work import advisories_reevaluated as work, advisories_writing as writing
    from haechi.store.store import Store

    work.READ, writing.FIRST, writing.LEAST, writing.MOST = 3, 2, 2, 2
    store = Store.open(Path(sys.argv[1]))
    world = made_world(store, Settings())
    pieces = []
    real = writing.rejudge

    def rejudge(*args, **more):
        done = real(*args, **more)
        pieces.append(done)
        if len(pieces) == 9:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    writing.rejudge = rejudge
    world.advising.reevaluate(world)
"""


def test_killed_in_the_middle_it_goes_on_and_does_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = tmp_path / "client.db"
    imported(known, written(tmp_path / "client"))
    root = repository(tmp_path / "shop", ("left", "1.0.0"))
    monkeypatch.setenv("HAECHI_DB", str(known))
    count = 12
    with rig(tmp_path / "store") as made:
        push = pushed(run(Options(path=root, only=("deps",), history=False)))
        for number in range(count):
            where = msgspec.structs.replace(
                push.origin, repository=f"https://git.example/r{number}"
            )
            made.push(msgspec.structs.replace(push, origin=where))
        imported(
            made.world.store.folder.advisories_db, written(tmp_path / "new", record(1, "left"))
        )
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path / "store")],
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    with rig(tmp_path / "store") as made:
        half = len(made.findings(Life.OPEN))
        assert 0 < half < count
        made.world.advising.reevaluate(made.world)
        assert len(made.findings(Life.OPEN)) == count
        assert _once(made)
        last = made.world.store.state.advisories.last()
        assert last is not None
        assert last.finished is not None
        assert (last.opened, last.sboms) == (count, count)
        assert made.world.advising.reevaluate(made.world) == {}


def _once(made: Rig) -> bool:
    histories = [
        made.call("findings.show", params={"id": one.id}).history for one in made.findings()
    ]
    return all([step.what for step in history] == ["seen"] for history in histories)
