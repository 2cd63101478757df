"""Files and blobs that hold more than is looked at are never clean, in no run."""

from __future__ import annotations

from pathlib import Path

import pytest

from haechi.checks.secrets import detect
from haechi.checks.secrets.forms import Forge
from haechi.scan.secrets import tree as tree_module
from haechi.scan.secrets import windows
from haechi.scan.secrets.history import History, open_history
from haechi.scan.secrets.windows import find_in_blocks
from tests.checks.secrets.credentials import ACME, detector, value
from tests.trees import findings, gaps, scan
from tests.world.objects.repositories import Repo

RULE = "secret-github-pat"
TOKEN = Forge("bounds").make("ghp_<<base62 30>><<crc32>>")
DECOYS = "".join(f"ghp_{number:036}\n" for number in range(50))


def test_a_file_of_decoys_is_a_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = scan(tmp_path, {"a": DECOYS + TOKEN}, only=("secrets",))
    assert [f.location.line for f in findings(outcome, RULE)] == [51]
    assert gaps(outcome) == []
    monkeypatch.setattr(detect, "MOST_MATCHES", 20)
    outcome = scan(tmp_path, {"a": DECOYS + TOKEN}, only=("secrets",))
    (gap,) = gaps(outcome)
    assert (gap.kind, gap.path) == ("too-many-findings", "a")
    assert RULE in gap.reason
    assert outcome.material.decision.exit_code == 3


def test_a_blob_of_decoys_is_a_gap_in_every_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detect, "MOST", 2)
    lines = [value(ACME, str(number)) for number in range(3)]
    repo = Repo(tmp_path / "r")
    repo.commit({"many": "\n".join(lines).encode(), "few": lines[0].encode()})
    for _ in range(2):
        history = open_history(repo.folder, cache=tmp_path / "cache")
        assert isinstance(history, History)
        hits = list(history.scan(detector(ACME)))
        assert sorted(hit.path for hit in hits) == ["few", "many", "many"]
        (gap,) = history.gaps
        assert gap.kind == "too-many-findings"
        assert "secret-acme" in gap.reason


def test_a_large_file_in_utf_16_is_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree_module, "WINDOW", 2000)
    monkeypatch.setattr(windows, "WINDOW", 2000)
    monkeypatch.setattr(windows, "OVERLAP", 400)
    (tmp_path / "a").write_bytes(("nothing here\n" * 2000 + TOKEN).encode("utf-16"))
    outcome = scan(tmp_path, {}, only=("secrets",))
    assert [f.location.line for f in findings(outcome, RULE)] == [2001]


@pytest.mark.parametrize("size", [1, 3, 4096])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_in_blocks_is_what_it_is_in_one_piece(
    size: int, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "WINDOW", 500)
    monkeypatch.setattr(windows, "OVERLAP", 200)
    text = "\ufeff" + "".join(f"값 = {value(ACME, str(number))} 😀\n" for number in range(60))
    data = text.encode(encoding)
    finder = detector(ACME)
    blocks = (data[at : at + size] for at in range(0, len(data), size))
    found = [(c.start, c.line, c.column, c.secret) for c in find_in_blocks(finder, blocks)]
    assert found == [(c.start, c.line, c.column, c.secret) for c in finder.find(data)]
    assert len(found) == 60


def test_neighbours_at_a_border_are_both_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "WINDOW", 500)
    monkeypatch.setattr(windows, "OVERLAP", 200)
    data = " ".join(value(ACME, str(number)) for number in range(200)).encode()
    for shift in range(40):
        text = b" " * shift + data
        blocks = (text[at : at + 97] for at in range(0, len(text), 97))
        assert len(find_in_blocks(detector(ACME), blocks)) == 200


def test_a_file_that_grows_while_it_is_read_does_not_hold_us(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree_module, "WINDOW", 100)
    monkeypatch.setattr(tree_module, "LARGEST", 5000)
    path = tmp_path / "log"
    path.write_text("line\n" * 500)

    def grows(self: object, path: str) -> object:
        while True:
            yield b"line\n" * 200

    monkeypatch.setattr("haechi.world.files.Tree.blocks", grows)
    outcome = scan(tmp_path, {}, only=("secrets",))
    (gap,) = gaps(outcome)
    assert (gap.kind, gap.path) == ("unreadable", "log")
    assert "grew" in gap.reason
