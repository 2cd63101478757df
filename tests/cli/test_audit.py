"""``haechi audit``: on a store's folder, without a server."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from haechi.cli.audit import command
from haechi.store.audit.log import AuditLog
from haechi.store.folder import Folder
from haechi.store.records import AuditEntry
from haechi.store.store import Store
from tests.cli.command import Haechi

COMMANDS = ("log", "prove", "head", "verify", "anchor", "witness", "rotate", "redact")


def clock() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@pytest.fixture
def store(haechi: Haechi) -> Path:
    """A log of 20 records; beside it, outside of the store, the anchor and the newest head."""
    folder = haechi.where / ".haechi"
    owned = Folder(folder)
    log = AuditLog(folder, clock=clock)
    now = clock()
    log.append(
        [
            AuditEntry(
                at=now - dt.timedelta(hours=20 - n),
                actor="user:ana" if n % 2 else "user:kim",
                action="token.create" if n % 5 == 0 else "finding.waive",
                object=f"f-{n}",
                namespace="shop" if n == 19 else "-",
                detail={"reason": "known \x1b[31mred"},
                private={"address": "192.0.2.7"} if n == 18 else {},
            )
            for n in range(20)
        ]
    )
    log.close()
    owned.close()
    assert haechi("audit", "anchor", "-o", "../anchor.json").code == 0
    assert haechi("audit", "head", "-o", "../head.json").code == 0
    return folder


def numbers(out: str) -> list[int]:
    return [int(line.split()[0]) for line in out.splitlines()]


def test_help_has_examples(haechi: Haechi) -> None:
    for name in COMMANDS:
        done = haechi("audit", name, "--help")
        assert done.code == 0
        assert f"haechi audit {name}" in done.out


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ((), list(range(19, -1, -1))),
        (("--limit", 2), [19, 18]),
        (("--before", 3), [2, 1, 0]),
        (("--action", "token."), [15, 10, 5, 0]),
        (("--action", "token.create", "--actor", "user:ana"), [15, 5]),
        (("--object", "f-7"), [7]),
        (("--since", "150m"), [19, 18]),
        (("--until", "2020-01-01"), []),
    ],
)
def test_records_are_listed_newest_first(
    haechi: Haechi, store: Path, arguments: tuple[object, ...], wanted: list[int]
) -> None:
    done = haechi("audit", "log", *arguments)
    assert (done.code, numbers(done.out)) == (0, wanted)


def test_lines_are_fit_for_a_terminal_and_say_where_to_go_on(haechi: Haechi, store: Path) -> None:
    done = haechi("audit", "log", "--limit", 2)
    assert "\x1b" not in done.out
    assert "-/shop" in done.out
    assert "address=192.0.2.7" in done.out
    assert "--before 18" in done.err


def test_the_log_as_json(haechi: Haechi, store: Path) -> None:
    page = json.loads(haechi("audit", "log", "--limit", 1, "--format", "json").out)
    assert page["items"][0]["seq"] == 19
    assert (page["complete"], page["next"]) == (False, 19)


def test_a_whole_log_is_verified(haechi: Haechi, store: Path) -> None:
    witness = haechi.where.parent / "witness.log"
    done = haechi("audit", "witness", witness)
    assert (done.code, done.out) == (0, f"{witness}: up to head 1 over 20 records\n")
    done = haechi("audit", "verify", "--anchor", "../anchor.json", "--witness", witness)
    assert (done.code, done.out.splitlines()[0][:9]) == (0, "verified:")
    assert "warning" not in done.out
    done = haechi("audit", "verify", "--anchor", "../anchor.json", "--seen-head", "../head.json")
    assert done.code == 0


def test_without_an_anchor_the_code_is_3(haechi: Haechi, store: Path) -> None:
    done = haechi("audit", "verify")
    assert done.code == 3
    assert "no-anchor" in done.out


def test_a_changed_log_has_code_1_and_names_the_record(haechi: Haechi, store: Path) -> None:
    path = store / "audit" / "segment-00000000.log"
    path.write_bytes(path.read_bytes().replace(b'"object":"f-7"', b'"object":"f-8"'))
    done = haechi("audit", "verify", "--anchor", "../anchor.json")
    assert done.code == 1
    assert "record-changed: record 7:" in done.out
    assert "segment-00000000.log, byte" in done.out
    report = json.loads(
        haechi("audit", "verify", "--anchor", "../anchor.json", "--format", "json").out
    )["report"]
    assert report["result"] == "failed"
    assert report["faults"][0]["seq"] == 7


def test_a_proof_goes_without_the_store(haechi: Haechi, store: Path) -> None:
    assert haechi("audit", "prove", 7, "-o", "../proof.json").code == 0
    store.rename(haechi.where / "away")
    done = haechi("audit", "verify", "--proof", "../proof.json", "--anchor", "../anchor.json")
    assert done.code == 0
    assert '"object": "f-7"' in done.out
    assert haechi("audit", "verify", "--proof", "../proof.json").code == 3
    proof = haechi.where.parent / "proof.json"
    proof.write_text(proof.read_text().replace('"seq": 7', '"seq": 8'))
    done = haechi("audit", "verify", "--proof", "../proof.json", "--anchor", "../anchor.json")
    assert done.code == 1
    assert "f-7" not in done.out


def test_a_new_key_and_a_redaction_leave_the_log_verified(haechi: Haechi, store: Path) -> None:
    done = haechi("audit", "redact", 18, "address", "--by", "user:dpo")
    assert done.code == 0
    assert "address of record 18 is erased" in done.out
    assert haechi("audit", "rotate", "-o", "../anchor-2.json").code == 0
    assert "address=(erased)" in haechi("audit", "log").out
    for name in ("anchor.json", "anchor-2.json"):
        done = haechi("audit", "verify", "--anchor", f"../{name}")
        assert done.code == 0
        assert "redacted address of record 18" in done.out
    actors = [
        line.split()[2] for line in haechi("audit", "log", "--action", "audit.").out.splitlines()
    ]
    assert actors[1] == "user:dpo"
    assert actors[0].startswith("local:")


def test_reading_goes_beside_an_owner_and_writing_does_not(haechi: Haechi, store: Path) -> None:
    owner = Folder(store)
    try:
        assert haechi("audit", "log").code == 0
        assert haechi("audit", "verify", "--anchor", "../anchor.json").code == 0
        done = haechi("audit", "rotate")
        assert done.code == 2
        assert "in use" in done.err
    finally:
        owner.close()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("log", "--store", "nowhere"), "no audit log here"),
        (("verify", "--store", "nowhere"), "no audit log here"),
        (("rotate", "--store", "nowhere"), "no audit log here"),
        (("witness", "w", "--store", "nowhere"), "no audit log here"),
        (("witness", ".haechi/w"), "witnesses nothing"),
        (("witness", "no/such/folder/w"), "cannot be written"),
        (("prove", 99), "no signed head covers record 99"),
        (("prove", -1), "-1"),
        (("redact", 7, "name"), "no private value 'name'"),
        (("redact", 99, "name"), "no record 99"),
        (("log", "--since", "yesterday"), "'yesterday' is no time"),
        (("verify", "--anchor", "haechi.yaml"), "no anchor"),
        (("verify", "--seen-head", "haechi.yaml"), "no head"),
        (("verify", "--proof", "haechi.yaml"), "no proof"),
        (("verify", "--proof", "haechi.yaml", "--seen-head", "haechi.yaml"), "--anchor alone"),
    ],
)
def test_wrong_use_is_explained(
    haechi: Haechi, store: Path, arguments: tuple[object, ...], said: str
) -> None:
    done = haechi("audit", *arguments)
    assert done.code == 2
    assert said in done.err
    assert not (haechi.where / "nowhere").exists()


def test_an_erased_value_is_nowhere_after_a_crash(tmp_path: Path) -> None:
    secret = b"ana.unusual@example.org"
    alive = Store.open(tmp_path / "alive")
    entry = AuditEntry(
        at=alive.state.write(lambda tx: tx.now),
        actor="user:ana",
        action="session.start",
        object="user:ana",
        private={"mail": secret.decode()},
    )
    alive.state.write(lambda tx: tx.audit(entry))
    shutil.copytree(alive.folder.path, tmp_path / "crashed")
    alive.close()
    assert _holding(tmp_path / "crashed", secret) > {"audit/private/private-00000000.log"}
    words = ["audit", "redact", "0", "mail", "--store", str(tmp_path / "crashed")]
    assert CliRunner().invoke(command, words[1:]).exit_code == 0
    assert _holding(tmp_path / "crashed", secret) == set()


def _holding(folder: Path, words: bytes) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and words in path.read_bytes()
    }
