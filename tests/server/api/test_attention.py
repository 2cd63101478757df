"""What needs a person besides risks: broken promises, ends to come, silence, dead controls."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from haechi.model.access import Role
from haechi.model.push import Push, PushedRule
from haechi.server.shapes import FindingPatch, Now, NowItem, Part, WaiverRequest
from haechi.server.work.desk import Desk
from haechi.server.work.now import compose
from tests.server.api.rig import DAY, HOUR, SOURCE, URL, Rig, principal
from tests.server.work.stored import push as plain_push


def finding(name: str, **more: Any) -> dict[str, Any]:
    values = {
        "rule": "k8s-privileged",
        "severity": "high",
        "title": "Container runs privileged",
        "message": "a message",
        "fingerprint": name.ljust(32, "0"),
        "location": {"path": f"deploy/{name}.yaml", "line": 3},
        "resource": f"k8s:-/apps/Deployment/shop/{name}",
        "label": f"Deployment shop/{name}",
    }
    return {**values, **more}


def risk(
    *names: str, score: float = 50.0, sentence: str = "A way in", **more: Any
) -> dict[str, Any]:
    values = {
        "score": score,
        "severity": "high",
        "sentence": sentence,
        "sentence_ko": "들어오는 길",
        "change": "Close it",
        "change_ko": "닫으세요",
        "location": {"path": f"deploy/{names[0] if names else 'x'}.yaml", "line": 3},
        "steps": [{"text": "the door", "location": None}],
        "findings": [name.ljust(32, "0") for name in names],
    }
    return {**values, **more}


def push(*findings: dict[str, Any], risks: tuple[Any, ...] = (), **more: Any) -> Push:
    summary = {"answer": "blocked", "risks": list(risks)}
    return plain_push(findings=list(findings), summary=summary, **more)


def now(api: Rig, **more: Any) -> Now:
    shown: Now = api.call("now.show", **more)
    return shown


def item(api: Rig, start: str, **more: Any) -> NowItem:
    found = [one for one in now(api, **more).items if one.sentence.startswith(start)]
    assert len(found) == 1, [one.sentence for one in now(api, **more).items]
    return found[0]


def by_path(api: Rig, name: str) -> str:
    (found,) = api.findings(path=f"deploy/{name}.yaml")
    return found.id


# --- risks -------------------------------------------------------------------------------------


def test_risk_stays_while_one_of_its_findings_is_open(api: Rig) -> None:
    api.push(push(finding("a"), finding("b"), risks=(risk("a", "b"),)))
    assert len(item(api, "A way in").findings) == 2
    waive(api, "deploy/a.yaml")
    assert item(api, "A way in").findings == [by_path(api, "b")]
    waive(api, "deploy/b.yaml")
    assert not [one for one in now(api).items if one.sentence == "A way in"]


def waive(api: Rig, path: str, days: int = 90) -> None:
    api.call(
        "waivers.create",
        WaiverRequest(
            reason="it is replaced in spring",
            owner="@kim",
            expires=(api.clock() + days * DAY).date(),
            rule="k8s-privileged",
            path=path,
        ),
    )


def test_overdue_finding_lifts_its_risk(api: Rig) -> None:
    risks = (risk("a", score=45.0, sentence="Low"), risk("b", score=50.0, sentence="High"))
    api.push(push(finding("a"), finding("b"), risks=risks))
    assert [one.sentence for one in now(api).items] == ["High", "Low"]
    patch = FindingPatch(due=(api.clock() - DAY).date())
    api.call("findings.tend", patch, params={"id": by_path(api, "a")})
    first = now(api).items[0]
    assert (first.sentence, first.overdue) == ("Low", True)


def test_same_sentence_of_two_names_of_a_repository_is_told_once(api: Rig) -> None:
    one = push(finding("a"), risks=(risk("a"),))
    api.push(one)
    origin = {"origin": type(one.origin)(repository="dir:shop", ref="main")}
    api.push(type(one)(**{**{k: getattr(one, k) for k in one.__struct_fields__}, **origin}))
    assert len(item(api, "A way in").findings) == 2


def test_risk_is_kept_from_whoever_does_not_see_all_of_it(api: Rig) -> None:
    other = finding("b", resource="k8s:-/apps/Deployment/billing/b")
    api.push(push(finding("a"), other, risks=(risk("a", sentence="Whole"), risk("a", "b"))))
    shop = principal((Role.VIEWER, "shop"))
    assert [one.sentence for one in now(api, who=shop).items] == ["Whole"]
    assert len(now(api).items) == 2


def test_risk_without_findings_is_for_those_who_see_everything(api: Rig) -> None:
    api.push(push(finding("a"), risks=(risk(),)))
    assert item(api, "A way in").findings == []
    assert now(api, who=principal((Role.VIEWER, "shop"))).items == []


@pytest.mark.parametrize(
    "broken",
    [
        *(5, {}, {"sentence": 5}, {"sentence": "x", "steps": [7]}),
        *({"sentence": "x", "score": score} for score in ("nan", "inf", "-inf")),
    ],
)
def test_risk_that_cannot_be_read_is_left_out(api: Rig, broken: Any) -> None:
    sent = push(finding("a"), risks=(risk("a"),))
    sent.report["summary"]["risks"].append(
        broken if isinstance(broken, dict) else {"score": broken}
    )
    api.push(sent)
    assert [one.sentence for one in now(api).items] == ["A way in"]


def test_score_of_a_push_is_bounded(api: Rig) -> None:
    api.push(push(finding("a"), risks=(risk("a", score=1e308),)))
    assert item(api, "A way in").score == 200.0


# --- the rest ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("owner", "sentence", "korean"),
    [
        ("@kim", "2 findings of @kim are overdue; the oldest was due on", "@kim 담당의"),
        (None, "2 findings are overdue and nobody owns them", "담당자가 없는"),
    ],
)
def test_overdue_findings_are_told_by_owner(
    api: Rig, owner: str | None, sentence: str, korean: str
) -> None:
    due = (api.clock() - 3 * DAY).date().isoformat()
    api.push(push(finding("a", owner=owner, due=due), finding("b", owner=owner, due=due)))
    told = item(api, sentence)
    assert told.sentence_ko.startswith(korean)
    assert (told.owner, told.overdue, str(told.due), len(told.findings)) == (owner, True, due, 2)
    assert {dial.id: dial.value for dial in now(api).dials}["overdue"] == 2.0


@pytest.mark.parametrize(("days", "told"), [(7, True), (8, False), (0, True)])
def test_waiver_is_told_in_its_last_week(api: Rig, days: int, told: bool) -> None:
    api.push(push(finding("a")))
    waive(api, "deploy/**", days)
    found = [one for one in now(api).items if one.sentence.startswith("The waiver for")]
    assert bool(found) is told
    outside = principal((Role.VIEWER, "shop"))
    assert now(api, who=outside).items == [], "it reaches further than they see"


def test_repository_that_was_not_scanned_for_long_is_told_with_the_command(api: Rig) -> None:
    api.push(push(finding("a")))
    api.clock.pass_(9 * DAY)
    told = item(api, "https://github.com/acme/shop was not scanned for 9 days")
    assert "9일 동안 스캔되지 않았습니다" in told.sentence_ko
    assert (
        told.change
        == f"Run: git clone https://github.com/acme/shop shop && haechi scan shop --push {URL}"
    )
    assert told.source == SOURCE


def test_stream_of_events_that_fell_silent_is_told(api: Rig) -> None:
    api.world.store.state.sources.heard(
        "falco", kind="events", name="falco in prod", at=api.clock(), detail={}
    )
    assert not now(api).items
    api.clock.pass_(5 * HOUR)
    assert item(api, "falco in prod sent no event for 5 hours").change.startswith("Run: curl")


def test_dead_controls_that_no_risk_tells_are_told(api: Rig) -> None:
    dead = {"rule": "own-dead", "title": "The gate never runs", "tags": ["dead-control"]}
    words = PushedRule(id="own-dead", title="The gate never runs", severity="high")
    sent = push(finding("a", **dead), finding("b", **dead))
    api.push(msgspec.structs.replace(sent, rules=(words,)))
    told = item(api, "A protection that cannot work, in 2 places: The gate never runs")
    assert len(told.findings) == 2
    api.push(push(finding("a", **dead), finding("b", **dead), risks=(risk("a"),)))
    assert [one.sentence for one in now(api).items] == ["A way in"]


def test_trouble_of_the_server_is_told_to_those_who_see_everything(api: Rig) -> None:
    broken = Part(name="disk", state="failed", what="1 MiB are free", do="make room")
    store, catalogue = api.world.store, api.world.catalogue
    for sees, sentences in (
        (("*",), ["The server itself needs you: 1 MiB are free"]),
        (("x",), []),
    ):
        reach = principal(*((Role.VIEWER, name) for name in sees)).within()
        desk = Desk(
            store=store,
            catalogue=catalogue,
            rights=reach,
            within=reach,
            now=api.clock(),
            url=URL,
        )
        shown = compose(desk, [broken], None)
        assert [one.sentence for one in shown.items] == sentences


def test_many_risks_leave_room_for_the_rest(api: Rig) -> None:
    names = [f"f{n}" for n in range(30)]
    risks = tuple(risk(name, sentence=f"Risk {name}", score=90.0) for name in names)
    api.push(push(*(finding(name) for name in names), risks=risks))
    waive(api, "other/**", 3)
    sentences = [one.sentence for one in now(api).items]
    assert len(sentences) == 20
    assert sentences[-1].startswith("The waiver for")


def test_before_any_scan_no_figure_is_told_and_each_says_why(api: Rig) -> None:
    shown = now(api)
    assert shown.items == []
    assert all(dial.value is None and dial.why for dial in shown.dials)
    assert shown.delta.latest == []


def test_figures_of_a_day_ago_are_replayed_from_history(api: Rig) -> None:
    due = (api.clock() + DAY).date().isoformat()
    critical = {"severity": "critical"}
    api.push(push(finding("a", **critical), finding("b", due=due), finding("c"), finding("w")))
    waive(api, "deploy/w.yaml")
    api.clock.pass_(3 * DAY)
    api.push(push(finding("b", due=due), finding("d", **critical), finding("e", **critical)))
    dials = {dial.id: (dial.before, dial.value) for dial in now(api).dials}
    assert dials["open_critical"] == (1.0, 2.0)
    assert dials["open_high"] == (2.0, 1.0)
    assert dials["overdue"] == (1.0, 1.0)
    assert dials["waived"] == (1.0, 0.0)
    assert now(api).delta.fixed == 3


def test_screen_is_made_once_until_something_changes(api: Rig) -> None:
    api.push(push(finding("a")))
    first = now(api)
    assert now(api) is first
    assert now(api, namespace=["shop"]) is not first
    api.push(push(finding("a"), finding("b")))
    assert now(api) is not first
