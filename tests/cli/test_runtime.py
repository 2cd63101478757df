"""``haechi runtime test``: rules tried on a file of events."""

from __future__ import annotations

import json

from tests.cli.command import Haechi
from tests.engines.falco.test_lint import GUIDE
from tests.runtime.test_replay import LIST
from tests.trees import write

RULES = """\
- rule: Shell in a container
  desc: d
  condition: spawned_process and container and proc.name in (sh, bash)
  output: shell %proc.name in %container.id
  priority: CRITICAL
- rule: Shadow read
  desc: d
  condition: open_read and fd.name=/etc/shadow
  output: read by %proc.name
  priority: WARNING
- rule: Exec into a pod
  desc: d
  source: k8s_audit
  condition: ka.verb=create and ka.target.subresource=exec
  output: exec by %ka.user.name
  priority: NOTICE
"""
SHELL = {"evt.type": "execve", "proc.name": "bash", "container.id": "abc"}
HOST = {**SHELL, "container.id": "host"}


def lines(*events: object) -> str:
    return "".join(f"{one if isinstance(one, str) else json.dumps(one)}\n" for one in events)


def test_the_answer_has_two_keys(haechi: Haechi) -> None:
    write(haechi.where, {"r.yaml": RULES, "e.jsonl": lines(SHELL, HOST, SHELL)})
    done = haechi("runtime", "test", "r.yaml", "--events", "e.jsonl", "--format", "json")
    assert done.code == 0
    assert json.loads(done.out) == {
        "detections": [{"rule": "Shell in a container", "count": 2}],
        "errors": [],
    }


def test_audit_events_of_kubernetes(haechi: Haechi) -> None:
    write(haechi.where, {"r.yaml": RULES, "e.json": json.dumps(LIST, indent=1)})
    done = haechi("runtime", "test", "r.yaml", "--events", "e.json", "--format", "json")
    assert json.loads(done.out)["detections"] == [{"rule": "Exec into a pod", "count": 2}]


def test_the_text_shows_matches_and_silence(haechi: Haechi) -> None:
    write(haechi.where, {"r.yaml": RULES, "e.jsonl": lines(*[SHELL] * 5)})
    done = haechi("runtime", "test", "r.yaml", "--events", "e.jsonl")
    assert done.out.splitlines() == [
        "     5  critical       Shell in a container",
        *["        shell bash in abc"] * 3,
        "        … and 2 more",
        "never matched:",
        "        Shadow read",
        "        Exec into a pod",
    ]
    assert done.err == "5 events judged by 3 rules, 5 detections\n"


def test_lines_that_are_no_events_are_told_and_passed_over(haechi: Haechi) -> None:
    write(haechi.where, {"r.yaml": RULES, "e.jsonl": lines(SHELL, "{oops", SHELL)})
    done = haechi("runtime", "test", "r.yaml", "--events", "e.jsonl", "--format", "json")
    told = json.loads(done.out)
    assert done.code == 3
    assert told["detections"][0]["count"] == 2
    assert [(error["file"], error["line"]) for error in told["errors"]] == [("e.jsonl", 2)]


def test_rules_that_do_not_load_are_told_and_the_others_tried(haechi: Haechi) -> None:
    write(
        haechi.where,
        {"r.yaml": GUIDE, "e.jsonl": lines({**SHELL, "proc.name": "kubectl"}, "{oops")},
    )
    done = haechi("runtime", "test", "r.yaml", "--events", "e.jsonl", "--format", "json")
    told = json.loads(done.out)
    assert done.code == 2
    assert told["detections"] == [{"rule": "Container escape attempt", "count": 1}]
    assert [error["line"] for error in told["errors"]] == [16, 2]


def test_disabled_rules_are_not_tried(haechi: Haechi) -> None:
    write(
        haechi.where,
        {
            "r.yaml": RULES.replace("CRITICAL\n", "CRITICAL\n  enabled: false\n"),
            "e.jsonl": lines(SHELL),
        },
    )
    done = haechi("runtime", "test", "r.yaml", "--events", "e.jsonl", "--format", "json")
    assert json.loads(done.out) == {"detections": [], "errors": []}


def test_files_that_are_not_there(haechi: Haechi) -> None:
    write(haechi.where, {"r.yaml": RULES, "e.jsonl": ""})
    assert haechi("runtime", "test", "no.yaml", "--events", "e.jsonl").code == 2
    done = haechi("runtime", "test", "r.yaml", "--events", "no.jsonl")
    assert done.code == 2
    assert "cannot read no.jsonl" in done.err


def test_without_rules_our_own_are_tried(haechi: Haechi) -> None:
    from haechi.runtime.pack import builtin

    read = {
        "evt.type": "openat",
        "proc.name": "cat",
        "fd.name": "/etc/shadow",
        "evt.arg.flags": "O_RDONLY",
        "fd.num": 3,
    }
    write(haechi.where, {"e.jsonl": lines(read)})
    done = haechi("runtime", "test", "--events", "e.jsonl", "--format", "json")
    told = json.loads(done.out)
    assert (done.code, told["errors"]) == (0, [])
    assert {found["rule"] for found in told["detections"]} <= {r.name for r in builtin().rules}
    assert told["detections"]
