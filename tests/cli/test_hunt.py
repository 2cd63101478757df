"""``haechi hunt`` and ``haechi runtime send``: a recording is sent, hunted through, with a server
and without."""

from __future__ import annotations

import datetime as dt
import fcntl
import gzip
import json
import os
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from haechi.cli.hunt import command as hunt
from haechi.cli.hunt import when
from haechi.cli.runtime import command as runtime
from haechi.errors import ConfigError, HaechiError, UsageError
from haechi.model.access import EVERYWHERE, Reach
from haechi.runtime.pack import builtin
from haechi.store.store import Store
from tests.server.serving import Running, by_word, real_world, serving

RULE = """
- rule: Shell
  desc: a shell was started
  condition: evt.type = execve and proc.name in (bash, sh)
  output: shell %proc.name
  priority: WARNING
"""
NOW = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    with (
        real_world(tmp_path / "store") as world,
        serving(world, authenticate=by_word()) as running,
    ):
        monkeypatch.setenv("HAECHI_SERVER", running.url)
        monkeypatch.setenv("HAECHI_TOKEN", "operator")
        yield running


def recording(folder: Path, count: int = 40) -> Path:
    """Programs that were started long ago; one line is broken."""
    lines = [
        {
            "id": f"e{number}",
            "ts_ns": 1_700_000_000 * 10**9 + number * 10**9,
            "source": "sensor",
            "type": "execve",
            "cluster": "east",
            "namespace": "shop",
            "fields": {"proc.name": "bash" if number % 4 == 0 else "nginx"},
        }
        for number in range(count)
    ]
    file = folder / "recording.jsonl"
    file.write_bytes(b"\n".join([*map(msgspec.json.encode, lines), b"{broken"]))
    return file


def rule_file(folder: Path) -> Path:
    """A rule of one's own."""
    file = folder / "rules.yaml"
    file.write_text(RULE)
    return file


def run(command: object, *words: str | Path) -> Result:
    """The command's answer."""
    return CliRunner().invoke(command, [str(word) for word in words])  # type: ignore[arg-type]


def test_a_recording_is_sent_as_if_it_were_now_and_hunted_through(
    server: Running, tmp_path: Path
) -> None:
    file, rules = recording(tmp_path), rule_file(tmp_path)
    began = time.time_ns()
    sent = run(runtime, "send", file, "--now")
    assert sent.exit_code == 3, sent.output
    assert "40 events were taken, 1 were refused" in sent.output
    newest = server.world.store.events.event("e39", within=_everywhere()).event
    assert began <= newest.ts_ns <= time.time_ns()
    found = run(hunt, rules, "--since", "1h", "--limit", "3")
    assert found.exit_code == 0, found.output
    lines = found.output.splitlines()
    assert sum("would have fired: " in line for line in lines) == 3
    assert lines.count("      10  Shell") == 1
    assert lines[-1].startswith("10 matches in 40 events")
    told = run(hunt, rules, "--since", "1h", "--namespace", "pay", "--format", "json")
    assert json.loads(told.output.splitlines()[-1])["done"]["matched"] == 0


def _everywhere() -> tuple[Reach, ...]:
    return (EVERYWHERE,)


def test_what_was_sent_before_counts_once(server: Running, tmp_path: Path) -> None:
    file = recording(tmp_path)
    packed = tmp_path / "again.jsonl.gz"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    assert "40 events were taken" in run(runtime, "send", file).output
    assert "0 events were taken, 40 were there already" in run(runtime, "send", packed).output


def test_alerts_of_falco_are_sent_as_such(server: Running, tmp_path: Path) -> None:
    file = tmp_path / "falco.json"
    alert = {"time": "2026-11-22T04:00:00Z", "rule": "R", "priority": "Error", "output": "o"}
    file.write_bytes(msgspec.json.encode(alert))
    sent = run(runtime, "send", file, "--kind", "falco", "--cluster", "east")
    assert sent.exit_code == 0, sent.output


MAPPING = """
format: logfmt
time: ts
type: event
fields: {app.user: user, app.ip: ip}
"""


def test_a_log_of_an_application_is_sent_by_its_mapping(server: Running, tmp_path: Path) -> None:
    mapping, log = tmp_path / "shop.yaml", tmp_path / "shop.log"
    mapping.write_text(MAPPING)
    line = "ts=2026-11-22T04:00:00Z event=login_failed user=eve ip=10.0.0.7\n"
    log.write_text(line * 2 + "nothing\n")
    words = ("send", log, "--kind", "application", "--mapping", mapping, "--cluster", "east")
    sent = run(runtime, *words)
    assert (sent.exit_code, "2 events were taken, 1 were refused" in sent.output) == (3, True)
    assert "2 were there already" in run(runtime, *words).output
    with server.client("admin", timeout=60) as client:
        rows = client.get("/api/v1/events", params={"source": "application"}).json()["items"]
    assert {row["event"]["fields"]["app.user"] for row in rows} == {"eve"}
    assert {(row["event"]["type"], row["event"]["cluster"]) for row in rows} == {
        ("login_failed", "east")
    }


@pytest.mark.parametrize(
    ("text", "kind", "error", "said"),
    [
        (None, "application", UsageError, "need a mapping"),
        (MAPPING, "falco", UsageError, "--mapping is for"),
        ("", "application", ConfigError, "holds no mapping"),
        ("format: xml\nfields: {}\n", "application", ConfigError, "format"),
        ("format: json\nfields: {app.password: password}\n", "application", ConfigError, "app."),
        ("format: regex\npattern: '('\nfields: {}\n", "application", ConfigError, "pattern"),
    ],
    ids=["none", "another kind", "empty", "format", "credential", "pattern"],
)
def test_mappings_that_cannot_work_are_said_before_anything_is_sent(
    tmp_path: Path, text: str | None, kind: str, error: type[Exception], said: str
) -> None:
    words: list[str | Path] = ["send", tmp_path / "x.log", "--kind", kind]
    if text is not None:
        (tmp_path / "m.yaml").write_text(text)
        words += ["--mapping", tmp_path / "m.yaml"]
    failed = run(runtime, *words).exception
    assert isinstance(failed, error)
    assert said in str(failed)


def test_detections_of_a_recording_are_counted_in_its_last_word(
    server: Running, tmp_path: Path
) -> None:
    with server.client("admin", timeout=60) as client:
        saved = client.put("/api/v1/runtime/files/shell.yaml", json={"text": RULE})
        assert saved.status_code == 200, saved.text
    file = recording(tmp_path)
    sent = run(runtime, "send", file).output
    assert "40 events were taken, 10 detections by 1 rule, 1 were refused" in sent
    assert "detection" not in run(runtime, "send", file).output


def test_a_store_without_a_server_is_hunted_through(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store")
    events = [
        {"id": f"e{n}", "ts_ns": time.time_ns() - n * 10**9, "source": "sensor", "type": "execve"}
        | {"fields": {"proc.name": "sh"}}
        for n in range(5)
    ]
    batch = store.events.encode(b"\n".join(map(msgspec.json.encode, events)))
    store.events.append(batch).result()
    rules = rule_file(tmp_path)
    busy = run(hunt, rules, "--store", tmp_path / "store")
    assert busy.exit_code != 0
    store.close()
    found = run(hunt, rules, "--store", tmp_path / "store", "--format", "json")
    assert found.exit_code == 0, found.output
    lines = [json.loads(line) for line in found.output.splitlines()]
    assert [line["match"]["event"]["event"]["id"] for line in lines if "match" in line] == [
        "e0",
        "e1",
        "e2",
        "e3",
        "e4",
    ]


RULES = """
- rule: Shell
  desc: x
  condition: evt.type = execve and proc.name in (bash, sh)
  output: shell %proc.name
  priority: WARNING
- rule: Secrets listed
  desc: x
  condition: ka.verb = list and ka.target.resource = secrets
  output: listed by %ka.user.name
  priority: ERROR
  source: k8s_audit
- rule: Denied
  desc: x
  condition: flow.verdict = denied and fd.sport = 5432
  output: denied to %fd.sip
  priority: NOTICE
  source: flow
"""


def mixed(number: int, now_ns: int) -> dict[str, object]:
    """Events of three sources, hours apart; some of each are what the rules are about."""
    odd = number % 3 == 0
    source, kind, fields = (
        ("sensor", "execve", {"proc.name": "bash" if odd else "nginx"}),
        (
            "kubernetes-audit",
            "list",
            {"ka.verb": "list", "ka.target.resource": "secrets" if odd else "pods"}
            | {"ka.user.name": "eve"},
        ),
        (
            "hubble",
            "flow",
            {"flow.verdict": "denied", "fd.sport": 5432 if odd else 80, "fd.sip": "10.0.0.1"},
        ),
    )[number % 4 % 3]
    at = now_ns - number * 300 * 10**9
    place = {"cluster": "east", "namespace": ("shop", "pay")[number % 2]}
    return {"id": f"m{number}", "ts_ns": at, "source": source, "type": kind, **place} | {
        "fields": fields
    }


@pytest.mark.parametrize(
    "words",
    [(), ("--rule", "Secrets listed"), ("--namespace", "pay", "--limit", "7")],
    ids=["all", "one rule", "a namespace"],
)
def test_a_server_and_its_store_give_the_same(tmp_path: Path, words: tuple[str, ...]) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    asked = ("--since", "2d", "--format", "json", *words)
    with (
        real_world(tmp_path / "store") as world,
        serving(world, authenticate=by_word()) as running,
        running.client("operator", timeout=60) as client,
    ):
        now_ns = time.time_ns()
        body = b"\n".join(msgspec.json.encode(mixed(number, now_ns)) for number in range(240))
        shown = {"Content-Type": "application/x-ndjson"}
        assert client.post("/api/v1/events", content=body, headers=shown).json()["accepted"] == 240
        assert world.store.events.seal(now_ns - 5 * 3600 * 10**9) > 100, "both parts are searched"
        env = {"HAECHI_SERVER": running.url, "HAECHI_TOKEN": "operator"}
        there = CliRunner(env=env).invoke(hunt, [str(rules), *asked])
        assert there.exit_code == 0, there.output
    here = run(hunt, rules, *asked, "--store", tmp_path / "store")
    assert here.exit_code == 0, here.output
    ours, theirs = ([json.loads(one) for one in it.output.splitlines()] for it in (here, there))
    assert matches(ours) == matches(theirs)
    (ours_done, theirs_done) = (one[-1]["done"] for one in (ours, theirs))
    assert {**ours_done, "searched_from": 0} == {**theirs_done, "searched_from": 0}
    hit = {one[0] for one in matches(ours)}
    wanted = {"Secrets listed"} if "--rule" in words else {"Shell", "Denied", "Secrets listed"}
    assert (
        (hit == wanted)
        if "--limit" not in words
        else (len(matches(ours)), hit <= wanted)
        == (
            7,
            True,
        )
    )


def matches(lines: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """Rule, event and output of each match, in order."""
    found = [line["match"] for line in lines if "match" in line]
    return [(one["rule"], one["event"]["event"]["id"], one["output"]) for one in found]


@pytest.mark.parametrize("offline", [False, True], ids=["server", "store"])
def test_a_rule_that_is_not_there_names_those_that_are_alike(
    request: pytest.FixtureRequest, tmp_path: Path, offline: bool
) -> None:
    words = ["--rule", "shel with a terminal in a container"]
    if offline:
        Store.open(tmp_path / "store").close()
        words += ["--store", str(tmp_path / "store")]
    else:
        request.getfixturevalue("server")
    error = run(hunt, *words).exception
    assert isinstance(error, HaechiError)
    assert error.exit_code == 2
    assert "there is no runtime rule" in error.what
    named = {rule.name for rule in builtin().rules} | {rule.id for rule in builtin().rules}
    assert [one for one in named if one and repr(one) in error.do], error.do


def test_ctrl_c_ends_its_processes(tmp_path: Path) -> None:
    """It waits at a pipe that nobody reads, with children that wait for work."""
    store = Store.open(tmp_path / "store")
    now = time.time_ns()
    events = [
        {"id": f"e{n}", "ts_ns": now - n, "source": "sensor", "type": "execve"}
        | {"fields": {"proc.name": "sh", "proc.cmdline": "x" * 200}}
        for n in range(2_000)
    ]
    batch = store.events.encode(b"\n".join(map(msgspec.json.encode, events)))
    store.events.append(batch).result()
    store.close()
    words = ["hunt", str(rule_file(tmp_path)), "--store", str(tmp_path / "store")]
    with subprocess.Popen(
        [sys.executable, "-m", "haechi", *words, "--limit", "2000", "--format", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # buffered, as everybody runs it: the last words wait for room in the pipe
        env={k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
        | {"PYTHONPATH": os.pathsep.join(["src", *sys.path])},
    ) as process:
        assert process.stdout is not None
        # They are there before the first line, and may be gone after the last.
        until = time.monotonic() + 20
        while not (children := below(process.pid)) and time.monotonic() < until:
            time.sleep(0.005)
        assert children
        process.stdout.readline()
        wait_until_full(process.stdout.fileno())
        process.send_signal(signal.SIGINT)
        assert process.wait(60) != 0
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()
    assert [pid for pid in children if Path(f"/proc/{pid}").exists()] == []
    Store.open(tmp_path / "store").close()


def wait_until_full(pipe: int) -> None:
    """Until nothing more comes into the pipe: its writer waits for room."""
    before, until = -1, time.monotonic() + 10
    while (now := waiting_in(pipe)) != before and time.monotonic() < until:
        before = now
        time.sleep(0.3)


def waiting_in(pipe: int) -> int:
    """Bytes that lie in a pipe."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4), sys.byteorder)


def below(pid: int) -> list[int]:
    """Its children."""
    text = Path(f"/proc/{pid}/task/{pid}/children")
    told = [Path(f"/proc/{pid}/task").glob("*/children")] if text.exists() else []
    return [int(word) for files in told for file in files for word in file.read_text().split()]


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("30d", NOW - dt.timedelta(days=30)),
        ("90m", NOW - dt.timedelta(minutes=90)),
        ("2026-11-01", dt.datetime(2026, 11, 1, tzinfo=dt.UTC)),
        ("2026-11-01T09:00+09:00", dt.datetime(2026, 11, 1, tzinfo=dt.UTC)),
    ],
)
def test_times(words: str, wanted: dt.datetime) -> None:
    assert when(words, NOW) == wanted


@pytest.mark.parametrize("words", ["", "30", "soon", "999999w", "2026-13-01"])
def test_what_is_no_time_is_said(words: str) -> None:
    with pytest.raises(UsageError):
        when(words, NOW)


@pytest.mark.parametrize(
    "words",
    [("--rule", "None such"), ("missing.yaml",), ("--since", "soon")],
    ids=["no rule", "no file", "no time"],
)
def test_what_cannot_be_done_is_said(server: Running, words: tuple[str, ...]) -> None:
    assert run(hunt, *words).exception is not None


def test_rules_that_do_not_load_end_it(server: Running, tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("- rule: x\n  condition: proc.name ==\n")
    answer = run(hunt, file)
    assert "do not load" in str(answer.exception)
