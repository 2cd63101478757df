"""``haechi sensor``: what rules ask for, batches to a server, the spool, recordings, exit codes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest

from haechi.cli.sensor_delivery import BATCH, Delivery
from haechi.cli.sensor_queue import FRAME, Queue, lines
from haechi.cli.sensor_rules import ENVIRONMENT, known, of_rows, wants
from haechi.cli.sensor_shedding import Matters
from haechi.cli.sensor_sinks import Judge, Recorder, Sender
from haechi.cli.sensor_spool import Spool
from haechi.client.http import Client
from haechi.engines.falco.engine import Engine
from haechi.engines.falco.watch import MOST
from haechi.errors import UsageError
from haechi.model.event import Event
from haechi.server.bodies import unpack
from tests.cli.command import Haechi

RULES = """
- rule: shadow
  desc: x
  condition: >
    evt.type in (open, openat, openat2) and evt.is_open_read=true and fd.name=/opt/shadow
    and proc.env[SECRET_NAME] = x
  output: "read (%proc.name %thread.cap_effective %proc.aname[2])"
  priority: WARNING
"""


def _events(count: int, start: int = 0) -> list[Event]:
    return [
        Event(id=f"e{start + i}", ts_ns=1, source="sensor", type="execve") for i in range(count)
    ]


HANG = 0


class Server:
    """Takes batches and answers as told: each status once, then 200."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.answers: list[Any] = []
        self.hanging = threading.Event()
        self.ids: list[str] = []
        self.batches: list[int] = []
        self.rows: list[dict[str, Any]] = []
        self.most_bytes = 1 << 24
        taken = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = taken.statuses.pop(0) if taken.statuses else 200
                coding = self.headers.get("Content-Encoding", "")
                if len(unpack(body, coding, limit=1 << 24)) > taken.most_bytes:
                    status = 413
                if status == HANG:
                    taken.hanging.wait(30)
                    self.close_connection = True
                    return
                if taken.answers:
                    self.say(status, taken.answers.pop(0))
                    return
                if status == 200:
                    taken.take(body, self.headers.get("Content-Encoding", ""))
                self.say(status, {"accepted": 1, "duplicates": 0, "refused": []})

            def do_GET(self) -> None:
                self.say(200, {"items": taken.rows, "next": None})

            def say(self, status: int, value: Any) -> None:
                raw = value if isinstance(value, bytes) else json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    def take(self, body: bytes, encoding: str) -> None:
        body = unpack(body, encoding, limit=1 << 24)
        found = [json.loads(line)["id"] for line in body.split(b"\n") if line]
        self.batches.append(len(found))
        self.ids += found

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


def _until(done: Callable[[], bool]) -> None:
    ends = time.monotonic() + 15
    while not done():
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.01)


def _delivery(server: Server, **more: Any) -> Delivery:
    told: list[str] = []
    settings: dict[str, Any] = {"tell": told.append, "pauses": (0.01,), **more}
    return Delivery(Client(server.url, token="t"), **settings)


def test_events_arrive_in_order_and_in_batches(server: Server) -> None:
    delivery = _delivery(server)
    delivery.offer(_events(1200))
    counts = delivery.close()
    assert server.ids == [f"e{i}" for i in range(1200)]
    assert max(server.batches) <= BATCH
    assert (counts.sent, counts.dropped, counts.refused) == (1200, 0, 0)


@pytest.mark.parametrize("status", [503, 429, 401, 500])
def test_what_the_server_does_not_take_now_is_sent_again(server: Server, status: int) -> None:
    server.statuses = [status, status]
    told: list[str] = []
    delivery = _delivery(server, tell=told.append)
    delivery.offer(_events(3))
    _until(lambda: len(server.ids) == 3)
    counts = delivery.close()
    assert (counts.sent, counts.dropped) == (3, 0)
    assert len(told) == 2  # once that events wait, once that they go again


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"ok",
        b"\xff\xfe",
        b"[" * 100_000,
        b"[" + b"1," * 3_000_000 + b"1]",
        [],
        None,
        {},
        {"accepted": "3"},
        {"refused": 5},
    ],
    ids=["empty", "text", "bytes", "deep", "huge", "list", "null", "object", "word", "number"],
)
def test_only_an_answer_of_a_haechi_server_counts(server: Server, answer: Any) -> None:
    server.answers = [answer]
    delivery = _delivery(server)
    delivery.offer(_events(3))
    _until(lambda: len(server.ids) == 3)
    assert delivery.close().sent == 3
    assert not server.answers


def test_a_redirect_is_no_receipt(server: Server) -> None:
    server.statuses = [301]
    delivery = _delivery(server)
    delivery.offer(_events(3))
    _until(lambda: len(server.ids) == 3)
    assert delivery.close().sent == 3


@pytest.mark.parametrize("spooled", [True, False], ids=["spool", "no-spool"])
def test_what_is_under_way_to_a_server_that_hangs_is_kept_or_counted(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spooled: bool
) -> None:
    monkeypatch.setattr("haechi.cli.sensor_delivery._STOPPING_S", -2.9)
    server.statuses = [HANG]
    spool = Spool(tmp_path, 1 << 20) if spooled else None
    delivery = _delivery(server, spool=spool)
    delivery.offer(_events(3))
    _until(lambda: not server.statuses)
    counts = delivery.close()
    server.hanging.set()
    assert (counts.sent, counts.dropped) == (0, 0 if spooled else 3)
    assert len(Spool(tmp_path, 1 << 20)) == int(spooled)


def test_a_batch_that_will_never_be_taken_is_counted_and_not_repeated(server: Server) -> None:
    server.statuses = [400]
    delivery = _delivery(server)
    delivery.offer(_events(3))
    _until(lambda: delivery.counts.refused == 3)
    delivery.offer(_events(2, start=10))
    _until(lambda: server.ids == ["e10", "e11"])
    delivery.close()


def test_a_batch_that_is_too_large_is_sent_in_halves(server: Server) -> None:
    told: list[str] = []
    server.most_bytes = 3_000
    delivery = _delivery(server, tell=told.append)
    large = [
        Event(id=f"big{n}", ts_ns=1, source="sensor", type="execve", message="m" * 4_000)
        for n in range(2)
    ]
    delivery.offer([*_events(150), large[0], *_events(150, start=150), large[1]])
    _until(lambda: delivery.counts.sent + delivery.counts.refused == 302)
    counts = delivery.close()
    assert server.ids == [f"e{n}" for n in range(300)]  # each once, in order
    assert (counts.sent, counts.refused, counts.dropped) == (300, 2, 0)
    assert len([line for line in told if "refuses" in line]) == 1


def test_a_half_that_must_wait_comes_again_with_its_other_half(server: Server) -> None:
    server.statuses = [413, 200, 503]
    delivery = _delivery(server)
    delivery.offer(_events(100))
    _until(lambda: set(server.ids) == {f"e{n}" for n in range(100)})
    counts = delivery.close()
    assert server.ids == [f"e{n}" for n in (*range(50), *range(100))]
    assert (counts.refused, counts.dropped) == (0, 0)


def test_a_spooled_batch_that_is_too_large_is_sent_in_halves(
    server: Server, tmp_path: Path
) -> None:
    server.statuses = [503] * 1000
    first = _delivery(server, spool=Spool(tmp_path / "spool", 1 << 20), pauses=(30.0,))
    first.offer(_events(100))
    first.close()
    server.statuses, server.most_bytes = [], 3_000
    second = _delivery(server, spool=Spool(tmp_path / "spool", 1 << 20))
    _until(lambda: len(server.ids) == 100)
    assert second.close().refused == 0
    assert sorted(server.ids) == sorted(f"e{n}" for n in range(100))


def test_a_full_queue_takes_no_more_and_says_so(server: Server) -> None:
    server.statuses = [503] * 1000
    delivery = _delivery(server, queue=Queue(5), pauses=(30.0,))
    delivery.offer(_events(9))
    assert delivery.counts.dropped == 4
    counts = delivery.close()
    assert counts.dropped == 9  # and the rest could not be sent at the end


def test_the_spool_keeps_what_the_server_missed_over_a_restart(
    server: Server, tmp_path: Path
) -> None:
    server.statuses = [503] * 1000
    first = _delivery(server, spool=Spool(tmp_path / "spool", 1 << 20), pauses=(30.0,))
    first.offer(_events(3))
    assert first.close().dropped == 0
    assert server.ids == []
    server.statuses = []
    second = _delivery(server, spool=Spool(tmp_path / "spool", 1 << 20))
    second.offer(_events(1, start=9))
    _until(lambda: len(server.ids) == 4)
    second.close()
    assert sorted(server.ids) == ["e0", "e1", "e2", "e9"]
    assert list((tmp_path / "spool").iterdir()) == []


def test_the_spool_is_bounded_private_and_takes_the_oldest_first(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s", 10)
    assert [spool.keep(b"12345"), spool.keep(b"67890"), spool.keep(b"x")] == [True, True, False]
    assert spool.oldest() == b"12345"
    spool.sent()
    assert spool.keep(b"abcde")
    assert spool.oldest() == b"67890"
    assert {p.stat().st_mode & 0o777 for p in (tmp_path / "s").iterdir()} == {0o600}
    assert len(Spool(tmp_path / "s", 10)) == 2


def test_half_a_batch_of_a_crash_is_not_sent(tmp_path: Path) -> None:
    (tmp_path / "1.part").write_bytes(b"half")
    assert Spool(tmp_path, 10).oldest() is None
    assert list(tmp_path.iterdir()) == []


def test_a_spool_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be used"):
        Spool(tmp_path / "file", 10)


def test_past_half_a_queue_what_no_rule_holds_for_is_left_out_first(server: Server) -> None:
    server.statuses = [503] * 1000
    delivery = _delivery(
        server, queue=Queue(8), matters=lambda event: event.id in {"e7", "e8"}, pauses=(30.0,)
    )
    delivery.offer(_events(9))
    counts = delivery.counts
    assert (counts.waiting, counts.shed, counts.dropped) == (7, 2, 0)
    assert delivery.close().dropped == 7


def test_what_matters_overtakes_what_waits_when_the_server_is_behind(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("haechi.cli.sensor_queue.BEHIND", 4)
    server.statuses = [503]
    told: list[str] = []
    delivery = _delivery(server, matters=lambda event: event.id == "e9", tell=told.append)
    delivery.offer(_events(1))
    _until(lambda: bool(told))
    delivery.offer(_events(9, start=1))
    _until(lambda: len(server.ids) == 10)
    delivery.close()
    assert sorted(server.ids) == sorted(f"e{i}" for i in range(10))


def test_a_queue_gives_what_goes_first_first() -> None:
    queue = Queue()
    for number in range(FRAME + 5):
        queue.put(b"%d" % number)
    queue.put(b"now", first=True)
    queue.put(b"then", first=True)
    assert lines(queue.take(2, 1 << 20)) == b"now\nthen"
    assert [part.count for part in queue.take(FRAME, 1 << 20)] == [FRAME]
    assert lines(queue.take(FRAME, 1 << 20)) == b"\n".join(
        b"%d" % number for number in range(FRAME, FRAME + 5)
    )
    assert (len(queue), queue.take(1, 1)) == (0, [])


@pytest.mark.parametrize(
    ("waiting", "hurried", "looks"),
    [(1, False, False), (3, False, True), (3, True, False), (5, True, True)],
    ids=["keeps-up", "behind", "behind-and-hurried", "past-half"],
)
def test_events_are_looked_at_when_it_matters_which_go(
    server: Server, monkeypatch: pytest.MonkeyPatch, waiting: int, hurried: bool, looks: bool
) -> None:
    monkeypatch.setattr("haechi.cli.sensor_queue.BEHIND", 2)
    server.statuses = [503] * 1000
    told: list[str] = []
    delivery = _delivery(server, queue=Queue(8), pauses=(30.0,), tell=told.append)
    delivery.offer(_events(1))
    _until(lambda: bool(told))
    delivery.offer(_events(waiting - 1, start=1))
    assert Sender(delivery).looks(hurried=hurried) is looks
    delivery.close()


def test_shedding_judges_by_the_rules_in_force(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(RULES)
    rules = known([tmp_path / "r.yaml"], builtin=False).rules
    fields = {"fd.name": "/opt/shadow", "proc.env": {"SECRET_NAME": "x"}}
    fields |= {"evt.arg.flags": "O_RDONLY"}
    hit = Event(id="a", ts_ns=1, source="sensor", type="openat", fields={**fields, "fd.num": 3})
    other = Event(id="b", ts_ns=1, source="sensor", type="openat", fields={"fd.name": "/x"})
    status = Event(id="c", ts_ns=1, source="sensor", type="sensor.status")
    matters = Matters(rules)
    assert [matters(one) for one in (hit, other, status)] == [True, False, True]
    matters.use(())
    assert [matters(one) for one in (hit, other, status)] == [False, False, True]


def test_a_queue_is_bounded_by_what_it_keeps_and_gives_back_what_it_took() -> None:
    queue = Queue(most_events=1000, most_bytes=FRAME * 62)
    line = b'{"id":"' + b"a" * 50 + b'"}'
    taken = 0
    while queue.put(line):
        taken += 1
    assert taken > 2 * FRAME  # more lines than the bytes have room for: they are packed
    assert queue.pressed
    parts = queue.take(FRAME, 1 << 20)
    assert [part.count for part in parts] == [FRAME]
    assert lines(parts) == b"\n".join([line] * FRAME)
    queue.put_back(parts)
    assert len(queue) == taken
    assert sum(part.count for part in queue.take(1000, 1 << 20)) == taken - taken % FRAME
    assert len(queue) == taken % FRAME


def test_rules_say_what_is_watched_and_asked_for(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(RULES)
    found, open_ended = wants(known([tmp_path / "r.yaml"], builtin=False).rules, ["/srv/"])
    assert {"/opt/shadow", "/srv/", "/etc/"} <= set(found.watch)
    assert {"open", "openat", "openat2"} == found.types
    assert {"thread.cap_effective", "fd.name", "proc.aname"} <= found.fields
    assert "SECRET_NAME" in found.environment
    assert open_ended == ()


@pytest.mark.parametrize(
    ("test", "names"),
    [
        ("proc.env icontains HTTP_PROXY", {"HTTP_PROXY", "http_proxy"}),
        ('proc.env contains "LD_DEBUG=all"', {"LD_DEBUG"}),
        ('proc.env in ("A_B=1", C_D)', {"A_B", "C_D"}),
        ("proc.aenv icontains glibc_tunables", {"GLIBC_TUNABLES"}),
        ("proc.env[2] = x", set()),
    ],
    ids=["either case", "with a value", "a list", "ancestors", "by number"],
)
def test_variables_that_rules_are_about_are_kept(
    tmp_path: Path, test: str, names: set[str]
) -> None:
    condition = f"evt.type=execve and {test}"
    rule = [{"rule": "r", "desc": "x", "output": "x", "priority": "INFO", "condition": condition}]
    (tmp_path / "r.yaml").write_bytes(msgspec.json.encode(rule))
    found, _ = wants(known([tmp_path / "r.yaml"], builtin=False).rules)
    assert names <= found.environment - ENVIRONMENT
    assert names or found.environment == ENVIRONMENT


def test_the_servers_rules_are_watched_for() -> None:
    condition = "evt.type=openat and evt.is_open_read=true and fd.name startswith /srv/keys/"
    row = {"name": "a", "origin": "saved", "output": "", "condition": condition}
    macro = {**row, "name": "b", "condition": "unknown_macro and fd.name=/x"}
    found = of_rows([row, macro, {**row, "name": "c", "origin": "builtin"}])
    assert ([rule.name for rule in found.rules], found.untold) == (["a"], 1)
    assert "/srv/keys/" in wants(found.rules)[0].watch


def test_a_place_to_watch_that_is_no_path_is_refused(haechi: Haechi) -> None:
    for option in ("--watch", "--quiet"):
        done = haechi("sensor", "--no-builtin", option, "etc/", "--check")
        assert (done.code, "etc/ is not the beginning of a path" in done.err) == (2, True)


def test_rules_that_do_not_load_are_told_before_anything_runs(haechi: Haechi) -> None:
    (haechi.where / "bad.yaml").write_text("- rule: x\n  condition: a = \n")
    done = haechi("sensor", "--no-builtin", "--rules", "bad.yaml", "--check")
    assert done.code == 2
    assert "bad.yaml:1" in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--spool", "x"), "--spool keeps what a server should get"),
        (("--way", "magic"), "magic"),
        (("--server", "http://example.com"), "not encrypted"),
        (("--record", "none/such/folder"), "cannot write"),
    ],
    ids=["spool-alone", "way", "clear-text", "record"],
)
def test_wrong_use_is_told(haechi: Haechi, words: tuple[str, ...], said: str) -> None:
    done = haechi("sensor", "--no-builtin", *words)
    assert done.code == 2
    assert said in done.err


def _live() -> None:
    if os.geteuid() != 0:
        pytest.skip("the sensor needs root")
    from haechi.errors import SensorError
    from haechi.world.sensor.sensor import Sensor

    try:
        Sensor().close()
    except SensorError as error:
        pytest.skip(f"no sensor here: {error.why}")


def _started(folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "haechi", "sensor", "--no-builtin", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_recording_holds_a_tree_and_a_signal_ends_it_well(tmp_path: Path) -> None:
    _live()
    shell = subprocess.Popen(["/bin/sh"], stdin=subprocess.PIPE, text=True)
    assert shell.stdin is not None
    file = tmp_path / "rec.jsonl"
    sensor = _started(tmp_path, "--record", str(file), "--pid-tree", str(shell.pid))
    try:
        assert sensor.stderr is not None
        assert "watching by" in sensor.stderr.readline()
        shell.stdin.write("/bin/echo recorded > /dev/null\n")
        shell.stdin.flush()
        _until(lambda: file.exists() and b"recorded" in file.read_bytes())
        sensor.send_signal(signal.SIGTERM)
        _, err = sensor.communicate(timeout=20)
    finally:
        sensor.kill()
        shell.stdin.close()
        shell.wait()
    assert sensor.returncode == 0, err
    assert file.stat().st_mode & 0o777 == 0o600
    rows = [json.loads(line) for line in file.read_bytes().splitlines()]
    assert {row["source"] for row in rows} == {"sensor"}
    assert all(shell.pid in row["fields"]["proc.apid"] for row in rows)


FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full")
def test_a_full_disk_ends_the_recording_and_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    recorder = Recorder(FULL)
    recorder.take(_events(3))
    recorder.take(_events(2))
    assert recorder.told() == {"unrecorded": 5}
    assert not recorder.close()
    said = capsys.readouterr().err
    assert "the recording ends here: No space left on device" in said
    assert "5 events could not be recorded" in said


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full")
def test_alerts_that_cannot_be_told_are_counted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("- {rule: r, desc: d, condition: evt.type = execve, output: o, priority: INFO}")
    judge = Judge(Engine(known((path,), builtin=False).rules), "text")
    out = os.fdopen(os.open(FULL, os.O_WRONLY), "w")
    monkeypatch.setattr(sys, "stdout", out)
    judge.take(_events(2))
    judge.take(_events(1))
    monkeypatch.undo()
    assert judge.told() == {"alerts": 3, "alerts_untold": 3}
    assert not judge.close()
    assert "3 alerts could not be told" in capsys.readouterr().err
    with contextlib.suppress(OSError):
        out.close()


def test_check_says_what_would_run(haechi: Haechi) -> None:
    _live()
    done = haechi("sensor", "--no-builtin", "--check")
    assert done.code == 0
    assert "watching by" in done.out
    assert "not seen:" in done.out


def test_lines_arrive_as_events_do_and_are_not_taken_blindly_past_half(server: Server) -> None:
    told: list[str] = []
    delivery = _delivery(server, queue=Queue(8), pauses=(30.0,), tell=told.append)
    pressed = [delivery.behind]
    delivery.offer_lines([b'{"id":"a"}', b'{"id":"b"}'])
    _until(lambda: server.ids == ["a", "b"])
    server.statuses = [503] * 1000
    delivery.offer_lines([b'{"id":"c"}'])
    _until(lambda: bool(told))  # nothing is tried again for half a minute
    delivery.offer_lines([b'{"id":"%d"}' % number for number in range(8)])
    pressed.append(delivery.behind)
    assert pressed == [False, True]
    assert delivery.counts.dropped == 1
    delivery.close()


def test_the_places_of_all_homes_fit_beside_those_of_the_rules(tmp_path: Path) -> None:
    for number in range(120):
        (tmp_path / "home" / f"user{number:03}").mkdir(parents=True)
    asked, _ = wants(known([]).rules, root=str(tmp_path))
    everywhere = ("/etc/", "/run/secrets/", "/root/.ssh/", "/home/user099/.ssh/")
    assert set(everywhere) <= set(asked.watch)
    assert len(asked.watch) < MOST


def test_what_a_rule_says_is_asked_for_too() -> None:
    text = "%toupper(proc.exepath) %12proc.name %proc.env[HTTP_PROXY] (cap=%thread.cap_effective)"
    rule = known([]).rules[0]
    asked, _ = wants([msgspec.structs.replace(rule, output=text)])
    assert {"proc.exepath", "proc.name", "thread.cap_effective"} <= asked.fields
    assert "HTTP_PROXY" in asked.environment
