"""What people allowed becomes waivers: comments of ours and of others, gitleaks' list."""

from __future__ import annotations

from pathlib import Path

import pytest

from haechi.checks.secrets.forms import Forge
from haechi.model.finding import FindingState
from haechi.model.waiver import WaiverOrigin
from haechi.rules.schema import Rule
from haechi.scan.secrets.allow import from_gitleaks, from_remarks
from haechi.scan.secrets.findings import Leak, Leaks
from tests.checks.secrets.credentials import ACME, detector, rule, value
from tests.trees import findings, scan

RULE = "secret-github-pat"


def leaks(text: str, path: str = "a.env") -> list[Leak]:
    return Leaks({}, None).of([(path, one) for one in detector().find(text.encode())], [])


def test_our_remark_covers_the_rule_it_names() -> None:
    (waiver,) = from_remarks(leaks(f"k={value(ACME)} # haechi:allow secret-acme - a test"))
    assert (waiver.origin, waiver.reason) == (WaiverOrigin.INLINE, "a test")
    assert waiver.fingerprint
    assert not list(from_remarks(leaks(f"k={value(ACME)} # haechi:allow secret-other")))


def test_a_peers_remark_covers_what_stands_there() -> None:
    (waiver,) = from_remarks(leaks(f"k={value(ACME)} # gitleaks:allow"))
    assert (waiver.origin, waiver.source) == (WaiverOrigin.PEER, "gitleaks:allow")


KNOWN: Rule = rule("known", ACME.pattern, refs={"gitleaks": ["acme-token"]})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("line", "covered"),
    [
        ("a.env:acme-token:2", True),
        ("a.env:acme-token:3", False),
        ("b.env:acme-token:2", False),
        ("a.env:other:2", False),
        ("# a.env:acme-token:2", False),
    ],
)
def test_a_line_of_gitleaks_list_covers_its_place(line: str, covered: bool) -> None:
    found = [("a.env", one) for one in detector(KNOWN).find(f"\nk={value(ACME)}".encode())]
    told = Leaks({}, None).of(found, [])
    waivers = list(from_gitleaks(f"x\n{line}\n", told, {"secret-known": KNOWN}))
    assert bool(waivers) is covered
    assert all(waiver.location.line == 2 for waiver in waivers)


def test_waived_secrets_stay_in_the_report(tmp_path: Path) -> None:
    token = Forge("t").make("ghp_<<base62 30>><<crc32>>")
    files = {
        "plain.txt": f"k={token} # haechi:allow {RULE} - only here\n",
        "deploy.yaml": f"k: {token} # haechi:allow {RULE} - only here\n",
        "open.txt": f"k={token}\n",
    }
    outcome = scan(tmp_path, files, only=("secrets",))
    states = {f.location.path: f.state for f in findings(outcome, RULE)}
    assert states == {
        "plain.txt": FindingState.WAIVED,
        "deploy.yaml": FindingState.WAIVED,
        "open.txt": FindingState.OPEN,
    }


def test_one_comment_is_one_waiver_whoever_reads_it(tmp_path: Path) -> None:
    token = Forge("t").make("ghp_<<base62 30>><<crc32>>")
    outcome = scan(
        tmp_path, {"a.yaml": f"apiVersion: v1\nkind: X\nk: {token} # haechi:allow {RULE}\n"}
    )
    assert len([w for w in outcome.looked.scan.waivers if w.rule == RULE]) == 1
