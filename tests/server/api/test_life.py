"""The life of findings through pushes of real scans: open, waived, fixed, reopened; and what a
push that looked at less must leave alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from haechi.model.coverage import Gap
from haechi.model.push import Push
from haechi.server.shapes import WaiverRequest
from haechi.store.records import Life, StoredFinding, StoredWaiver
from tests.server.api.rig import DAY, Rig, pushed
from tests.trees import POD, scan

DOCKERFILE = "FROM python:3.12\nRUN curl https://x.example/i.sh | sh\n"
GOOD = POD.replace("privileged: true", "privileged: false")
RULE = "k8s-privileged"


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Path]:
    root = tmp_path / "project"
    root.mkdir()
    yield root


def files(pod: str | None = POD) -> dict[str, str]:
    found = {"app/Dockerfile": DOCKERFILE}
    return {**found, "deploy/pod.yaml": pod} if pod is not None else found


def of_rule(api: Rig, rule: str = RULE) -> StoredFinding:
    found = api.findings(rule=[rule])
    assert len(found) == 1
    return found[0]


def waive(api: Rig, **more: object) -> StoredWaiver:
    request = WaiverRequest(
        **{  # type: ignore[arg-type]
            "reason": "until the new console is there",
            "owner": "@kim",
            "expires": (api.clock() + 30 * DAY).date(),
            "rule": RULE,
            "path": "deploy/**",
            **more,
        }
    )
    waiver: StoredWaiver = api.call("waivers.create", request)
    return waiver


def test_open_waived_fixed_reopened(api: Rig, tree: Path) -> None:
    first = api.push(pushed(scan(tree, files())))
    assert first["new"] == len(api.findings(Life.OPEN)) > 2
    assert of_rule(api).state is Life.OPEN

    waiver = waive(api)
    assert (waiver.count, of_rule(api).state) == (1, Life.WAIVED)
    assert of_rule(api).waiver == waiver.id

    api.clock.pass_(DAY)
    assert api.push(pushed(scan(tree, files())))["new"] == 0
    assert of_rule(api).state is Life.WAIVED, "a push does not end a waiver of the store"

    api.clock.pass_(DAY)
    assert api.push(pushed(scan(tree, files(GOOD))))["fixed"] >= 1
    assert of_rule(api).state is Life.FIXED

    api.call("waivers.revoke", params={"id": waiver.id})
    assert of_rule(api).state is Life.FIXED
    api.clock.pass_(DAY)
    assert api.push(pushed(scan(tree, files())))["reopened"] >= 1
    assert of_rule(api).state is Life.REOPENED

    told = api.call("findings.show", params={"id": of_rule(api).id})
    assert [step.what for step in told.history] == ["seen", "waived", "fixed", "reopened"]
    assert {step.by for step in told.history} >= {"user:ana"}


def test_waiver_that_was_revoked_opens_what_it_covered(api: Rig, tree: Path) -> None:
    api.push(pushed(scan(tree, files())))
    waiver = waive(api)
    api.call("waivers.revoke", params={"id": waiver.id})
    assert of_rule(api).state is Life.OPEN


def test_push_of_a_pipeline_that_knew_the_waiver_does_not_keep_it_alive(
    api: Rig, tree: Path
) -> None:
    outcome = scan(tree, files())
    api.push(pushed(outcome))
    waiver = waive(api)
    push = pushed(outcome)
    place = {"path": f"waivers/{waiver.id}", "line": 1}
    report = msgspec.json.decode(msgspec.json.encode(push.report))
    for finding in report["findings"]:
        if finding["rule"] == RULE:
            finding |= {"state": "waived", "waiver": f"waivers/{waiver.id}:1"}
    report["waivers"] = [{"origin": "store", "location": place, "reason": "x", "expires": None}]
    api.push(msgspec.structs.replace(push, report=report))
    assert of_rule(api).waiver == waiver.id
    api.call("waivers.revoke", params={"id": waiver.id})
    assert of_rule(api).state is Life.OPEN


def test_deleted_file_is_fixed_by_a_look_at_the_whole_or_its_folder(api: Rig, tree: Path) -> None:
    api.push(pushed(scan(tree, files())))
    (tree / "deploy" / "pod.yaml").unlink()
    api.push(pushed(scan(tree, files(None), path=tree / "app")))
    assert of_rule(api).state is Life.OPEN
    api.push(pushed(scan(tree, files(None), path=tree / "deploy")))
    assert of_rule(api).state is Life.OPEN, "an empty folder is no proof: nothing was looked at"
    api.push(pushed(scan(tree, files(None))))
    assert of_rule(api).state is Life.FIXED


@pytest.mark.parametrize("part", ["secrets", "app", "gap"])
def test_push_that_looked_at_less_fixes_nothing_else(api: Rig, tree: Path, part: str) -> None:
    api.push(pushed(scan(tree, files())))
    before = {one.id: one.state for one in api.findings()}
    changed = files(GOOD)
    match part:
        case "secrets":
            push = pushed(scan(tree, changed, only=("secrets",)))
        case "app":
            push = pushed(scan(tree, changed, path=tree / "app"))
        case _:
            push = with_gap(pushed(scan(tree, changed)), "deploy/pod.yaml:3")
    changes = api.push(push)
    assert changes["fixed"] == 0
    after = {one.id: one.state for one in api.findings()}
    assert {id_: after[id_] for id_ in before} == before


def with_gap(push: Push, path: str) -> Push:
    report = msgspec.json.decode(msgspec.json.encode(push.report))
    hole = Gap(kind="syntax", path=path, reason="broken")
    report["coverage"]["gaps"].append(msgspec.to_builtins(hole))
    return msgspec.structs.replace(push, report=report)


def test_other_branches_do_not_touch_what_counts(api: Rig, tree: Path) -> None:
    api.push(pushed(scan(tree, files())))
    api.push(pushed(scan(tree, files(GOOD)), ref="feature", default=False))
    assert of_rule(api).state is Life.OPEN
    assert api.findings(rule=[RULE], other_refs=True)[0].ref == "main"


def test_new_finding_is_waived_by_a_waiver_that_was_there_before(api: Rig, tree: Path) -> None:
    api.push(pushed(scan(tree, files(GOOD))))
    waiver = waive(api)
    assert waiver.count == 0
    api.push(pushed(scan(tree, files())))
    assert (of_rule(api).state, of_rule(api).waiver) == (Life.WAIVED, waiver.id)
