"""Incidents, behaviour, responses and alerts on the page, against a server that follows a cluster:
from an incident to its plan, approved, applied and undone; and every screen without a barrier."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Dialog, expect

from tests.e2e.attacked import HOSTILE, Attacked, attacked_site, until
from tests.e2e.conftest import Visitor
from tests.e2e.test_screens import words
from tests.e2e.visit import Visit

EN = words("en")
SCREENS = {
    "now": "/",
    "incidents": "/incidents",
    "none": "/incidents?state=resolved",
    "incident": "/incidents/{incident}",
    "plan": "/incidents/{incident}?action={action}",
    "responses": "/responses",
    "response": "/responses?open={action}",
    "response alone": "/responses/{action}",
    "no response": "/responses?state=stuck",
    "policy": "/responses/policy?level=high",
    "behaviour": "/behaviour",
    "profile": "/behaviour/{profile}",
    "explain": "/behaviour/explain?event={event}",
    "which": "/behaviour/explain",
    "alerts": "/alerts?level=critical&namespace=shop&cluster=prod",
    "deliveries": "/alerts/deliveries",
    "delivery": "/alerts/deliveries?state=dead&open={dead}",
    "tickets": "/alerts/tickets",
}


@pytest.fixture(scope="module")
def attacked(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    """One server for this module; the browser is asked for first."""
    assert browser
    with attacked_site(tmp_path_factory.mktemp("attacked")) as site:
        yield site


def visiting(visitor: Visitor, site: Attacked, **how: Any) -> Visit:
    """Signed in."""
    visit = visitor(known=False, url=site.url, **how)
    visit.page.goto(site.link())
    visit.page.locator("nav a[aria-current=page]").wait_for(state="attached")
    visit.settled()
    return visit


def paths(site: Attacked) -> dict[str, str]:
    """The screens' paths with the ids of this store."""
    shown = site.ask("GET", f"/incidents/{site.incident}")
    profiles = site.ask("GET", "/profiles")["items"]
    places = {
        "{incident}": site.incident,
        "{action}": site.responses(site.incident)[0]["id"],
        "{profile}": max(profiles, key=lambda one: one["events"])["id"],
        "{event}": shown["timeline"][0]["event"],
        "{dead}": site.ask("GET", "/alerts/deliveries?state=dead")["items"][0]["id"],
    }
    found = {}
    for name, path in SCREENS.items():
        for mark, value in places.items():
            path = path.replace(mark, value)
        found[name] = path
    return found


@pytest.mark.parametrize(
    ("lang", "theme", "width"),
    [("en", "light", 1280), ("ko", "dark", 1280), ("ko", "light", 390), ("en", "dark", 390)],
    ids=["en-light", "ko-dark", "ko-narrow", "en-narrow"],
)
def test_no_screen_has_a_barrier_lacks_a_word_or_is_too_wide(
    visitor: Visitor, attacked: Attacked, lang: str, theme: str, width: int
) -> None:
    visit = visiting(visitor, attacked, lang=lang, theme=theme, width=width)
    known = set(words("en"))
    found: dict[str, list[str]] = {}
    for name, path in paths(attacked).items():
        visit.open(path)
        shown = visit.page.inner_text("body")
        found[name] = visit.barriers() if width > 390 or name in ("now", "plan") else []
        found[name] += known & set(re.findall(r"[a-z]+(?:\.[a-z_]+)+", shown))
        if visit.page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found[name].append("wider than the window")
    assert {name: one for name, one in found.items() if one} == {}


def test_now_names_the_open_incident_first(visitor: Visitor, attacked: Attacked) -> None:
    visit = visiting(visitor, attacked)
    visit.open("/")
    title = attacked.ask("GET", f"/incidents/{attacked.incident}")["incident"]["title"]
    visit.page.get_by_role("link", name=title).click()
    visit.settled()
    assert visit.page.url.endswith(f"/incidents/{attacked.incident}")
    expect(visit.page.get_by_role("heading", level=1)).to_have_text(title)
    expect(visit.page.get_by_text(EN["incidents.means.open"])).to_be_visible()


def test_what_a_person_decides_by_is_open_at_once(visitor: Visitor, attacked: Attacked) -> None:
    action = attacked.responses(attacked.incident)[0]
    assert action["state"] == "recommended"
    plan = attacked.ask("GET", f"/responses/{action['id']}")["plan"]
    visit = visiting(visitor, attacked)
    page = visit.page
    visit.open(f"/incidents/{attacked.incident}")
    fold = page.get_by_role("button", name=re.compile(EN["responses.kind.isolate_workload"]))
    expect(fold).to_have_attribute("aria-expanded", "true")
    changed = [line["text"] for step in plan["steps"] for line in step["diff"]]
    assert changed
    assert plan["warnings"]
    expect(page.locator(".diff", has_text=changed[0]).first).to_be_visible()
    for warning in plan["warnings"]:
        expect(page.get_by_text(warning).first).to_be_visible()
    fold.click()
    expect(fold).to_have_attribute("aria-expanded", "false")
    expect(page.locator(".diff")).to_have_count(0)


@pytest.mark.parametrize("known", [True, False], ids=["signed-in", "after-signing-in"])
def test_addresses_of_alerts_open_what_they_tell_of(
    visitor: Visitor, attacked: Attacked, known: bool
) -> None:
    action = attacked.responses(attacked.incident)[0]
    title = attacked.ask("GET", f"/incidents/{attacked.incident}")["incident"]["title"]
    told = {f"/responses/{action['id']}": action["says"], f"/incidents/{attacked.incident}": title}
    for path, text in told.items():
        if known:
            visit = visiting(visitor, attacked)
            visit.load(path)
        else:
            visit = visitor(known=False, url=attacked.url)
            visit.refused.append(401)
            visit.load(path)
            visit.page.get_by_label(EN["signin.token"]).fill(attacked.token)
            visit.named("button", EN["signin.enter"]).click()
        expect(visit.page.get_by_text(text).first).to_be_visible()
        expect(visit.page.get_by_text(EN["responses.means.recommended"])).to_be_visible()
        assert visit.page.url == attacked.url + path


def test_a_plan_is_approved_applied_and_undone(visitor: Visitor, attacked: Attacked) -> None:
    """Nothing is reloaded on the way: the stream tells of each state."""
    action = next(
        one for one in attacked.responses(attacked.incident) if one["kind"] == "isolate_workload"
    )
    visit = visiting(visitor, attacked)
    page = visit.page
    visit.open(f"/incidents/{attacked.incident}")
    expect(page.get_by_text(EN["responses.means.recommended"])).to_be_visible()
    assert len(attacked.cluster.list("networkpolicies", "shop")) == 1

    visit.named("button", EN["responses.approve"]).click()
    dialog = page.get_by_role("dialog")
    approve = dialog.get_by_role("button", name=EN["responses.approve"])
    boxes = dialog.get_by_role("checkbox")
    assert boxes.count() == len(action["acceptable"])
    if action["acceptable"]:
        expect(approve).to_be_disabled()
        for box in boxes.all():
            box.check()
    assert visit.barriers() == []
    approve.click()
    expect(page.get_by_text(EN["responses.means.applied"])).to_be_visible()
    expect(page.get_by_role("timer")).to_have_text(re.compile(r"^(29|30):\d\d$"))
    assert len(attacked.cluster.list("networkpolicies", "shop")) > 1
    state = attacked.ask("GET", f"/incidents/{attacked.incident}")["incident"]["state"]
    assert state in ("contained", "not_contained")
    expect(page.get_by_text(EN[f"incidents.means.{state}"])).to_be_visible()

    visit.named("button", EN["responses.undo"]).click()
    page.get_by_role("dialog").get_by_role("button", name=EN["responses.undo"]).click()
    expect(page.get_by_text(EN["responses.means.undone"])).to_be_visible()
    assert len(attacked.cluster.list("networkpolicies", "shop")) == 1


def test_a_state_an_owner_and_a_note_stand_in_the_history(
    visitor: Visitor, attacked: Attacked
) -> None:
    attacked.event(resource="k8s:prod/apps/Deployment/shop/web", container_id="aa11bb22cc33")
    one = until(
        lambda: [one for one in attacked.incidents() if one["resource"].endswith("/web")],
        "another incident",
    )[0]
    visit = visiting(visitor, attacked)
    page = visit.page
    visit.open("/incidents")
    page.get_by_role("grid").get_by_role("link", name=one["title"]).click()
    visit.settled()
    visit.named("button", EN["incidents.to.acknowledged"]).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label(EN["incidents.note"]).fill("I look at it")
    dialog.get_by_role("button", name=EN["incidents.to.acknowledged"]).click()
    expect(page.get_by_text(EN["incidents.means.acknowledged"])).to_be_visible()
    expect(page.get_by_text("I look at it")).to_be_visible()
    visit.named("button", EN["incidents.mine"]).click()
    expect(visit.named("button", EN["incidents.mine"])).to_have_count(0)
    page.get_by_label(EN["incidents.note.add"]).fill("a second word")
    visit.named("button", EN["incidents.note.save"]).click()
    expect(page.get_by_text("a second word")).to_be_visible()
    stored = attacked.ask("GET", f"/incidents/{one['id']}")
    assert stored["incident"]["state"] == "acknowledged"
    assert stored["incident"]["owner"]


def test_exceptions_are_proposed_with_their_effect(visitor: Visitor, attacked: Attacked) -> None:
    visit = visiting(visitor, attacked)
    visit.open(f"/incidents/{attacked.incident}")
    visit.named("button", EN["incidents.exceptions.ask"]).click()
    region = visit.page.get_by_role("region", name=EN["incidents.exceptions"])
    expect(region.get_by_role("listitem").first).to_be_visible()
    proposals = attacked.ask("GET", f"/incidents/exceptions?incident={attacked.incident}")
    expect(region.get_by_text(proposals["proposals"][0]["rule"]).first).to_be_visible()
    assert visit.barriers() == []


def test_a_proposed_exception_is_saved_as_a_rule_file(visitor: Visitor, attacked: Attacked) -> None:
    """One alone, so that what else this module is about goes on being found."""
    asked = f"/incidents/exceptions?incident={attacked.incident}"
    proposals = attacked.ask("GET", asked)["proposals"]
    here = [one for one in proposals if one["judged_by"] == "haechi"]
    kept = here[0]
    visit = visiting(visitor, attacked)
    page = visit.page
    visit.open(f"/incidents/{attacked.incident}")
    visit.named("button", EN["incidents.exceptions.ask"]).click()
    region = page.get_by_role("region", name=EN["incidents.exceptions"])
    expect(region.get_by_role("checkbox").first).to_be_visible()
    assert region.get_by_role("checkbox").count() == len(proposals)
    wanted = attacked.ask("GET", f"{asked}&id={kept['id']}")["file"]["text"]
    save = region.get_by_role("button", name=EN["incidents.exceptions.save"])
    for one in proposals:
        box = region.get_by_role("listitem").nth(proposals.index(one)).get_by_role("checkbox")
        expect(box).to_be_enabled()
        box.set_checked(one["id"] == kept["id"])
        visit.settled()
    expect(save).to_be_enabled()
    save.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text(EN["incidents.exceptions.loads"])).to_be_visible()
    expect(dialog.get_by_text(kept["rule"])).to_be_visible()
    assert visit.barriers() == []
    dialog.get_by_role("button", name=EN["rules.file.save"]).click()
    name = f"exceptions-{attacked.incident}.yaml"
    expect(region.get_by_role("link", name=name)).to_be_visible()
    stored = attacked.ask("GET", f"/runtime/files/{name}")
    assert (stored["text"], stored["file"]["version"]) == (wanted, 1)
    save.click()
    already = EN["incidents.exceptions.replaces"].format(name=name, n=1)
    expect(dialog.get_by_text(already)).to_be_visible()


def test_automation_is_stopped_and_let_go_again(visitor: Visitor, attacked: Attacked) -> None:
    visit = visiting(visitor, attacked)
    page = visit.page
    visit.open("/responses")
    visit.named("button", EN["responses.halt"]).click()
    dialog = page.get_by_role("dialog")
    stop = dialog.get_by_role("button", name=EN["responses.halt.do"])
    expect(stop).to_be_disabled()
    dialog.get_by_label(EN["responses.why"]).fill("maintenance")
    stop.click()
    expect(page.get_by_text(EN["responses.halt.on"])).to_be_visible()
    visit.open(f"/incidents/{attacked.incident}")
    expect(page.get_by_text(EN["responses.halt.on"])).to_be_visible()
    assert visit.barriers() == []
    visit.named("button", EN["responses.resume"]).click()
    page.get_by_role("dialog").get_by_role("button", name=EN["responses.resume"]).click()
    expect(page.get_by_text(EN["responses.halt.on"])).to_have_count(0)


def test_a_receiver_is_tested_and_a_dead_letter_sent_again(
    visitor: Visitor, attacked: Attacked
) -> None:
    visit = visiting(visitor, attacked)
    page = visit.page
    visit.open("/alerts")
    for name, answer in (("on-call", "alerts.test.ok"), ("old-chat", "alerts.test.failed")):
        visit.named("button", EN["alerts.test.name"].format(name=name)).click()
        page.get_by_role("dialog").get_by_role("button", name=EN["alerts.test.do"]).click()
        said = EN[answer].partition("{")[0]
        expect(page.get_by_text(said)).to_be_visible()
    assert visit.barriers() == []
    visit.open("/alerts/deliveries?state=dead")
    before = page.get_by_role("grid").get_by_role("button", name=EN["alerts.retry"], exact=True)
    before.first.click()
    expect(page.get_by_text(re.compile("waits? to be sent again"))).to_be_visible()


def test_which_route_news_would_take_is_told(visitor: Visitor, attacked: Attacked) -> None:
    visit = visiting(visitor, attacked)
    visit.open(f"/alerts?incident={attacked.incident}")
    told = EN["alerts.told"].format(names="on-call, old-chat")
    expect(visit.page.get_by_text(told)).to_be_visible()


def test_a_profile_is_frozen_and_learns_again(visitor: Visitor, attacked: Attacked) -> None:
    free = [one for one in attacked.ask("GET", "/profiles")["items"] if not one["held"]]
    visit = visiting(visitor, attacked)
    page = visit.page
    visit.open(f"/behaviour/{free[0]['id']}")
    for to in ("freeze", "unfreeze"):
        visit.named("button", EN[f"behaviour.to.{to}"]).click()
        page.get_by_role("dialog").get_by_role("button", name=EN[f"behaviour.to.{to}"]).click()
        expect(page.get_by_role("dialog")).to_have_count(0)
    expect(visit.named("button", EN["behaviour.to.freeze"])).to_be_visible()


def test_hostile_texts_are_only_texts(visitor: Visitor, attacked: Attacked) -> None:
    attacked.event(
        resource="k8s:prod/apps/Deployment/shop/hostile",
        rule=HOSTILE,
        message=HOSTILE,
        container_id="dd44ee55ff66",
        fields={"proc.name": HOSTILE, "proc.cmdline": HOSTILE, "proc.pid": 7, "proc.apid": [7, 1]},
    )
    one = until(
        lambda: [one for one in attacked.incidents() if one["resource"].endswith("/hostile")],
        "the hostile incident",
    )[0]
    visit = visiting(visitor, attacked)
    dialogs: list[str] = []

    def asked(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    visit.page.on("dialog", asked)
    for path in ("/", "/incidents", f"/incidents/{one['id']}", "/responses", "/alerts/deliveries"):
        visit.open(path)
        assert visit.page.locator("main img, main script").count() == 0
        shown = visit.page.inner_text("main")
        assert "\u202e" not in shown
    visit.open(f"/incidents/{one['id']}")
    expect(visit.page.get_by_role("heading", level=1)).to_contain_text("\\u202e</script>")
    assert dialogs == []


def test_who_may_only_look_is_offered_nothing_else(
    visitor: Visitor, attacked: Attacked, tmp_path: Path
) -> None:
    visit = visitor(known=False, url=attacked.url)
    visit.refused.append(401)
    visit.page.goto(f"{attacked.url}/signin")
    visit.page.evaluate(
        "(token) => fetch('/api/v1/session', {method: 'POST', body: JSON.stringify({token}),"
        " headers: {'content-type': 'application/json'}})",
        attacked.viewer,
    )
    visit.load(f"/incidents/{attacked.incident}?action={attacked.responses()[-1]['id']}")
    for key in ("incidents.to.acknowledged", "responses.approve", "incidents.mine"):
        expect(visit.named("button", EN[key])).to_have_count(0)
    visit.open("/responses")
    expect(visit.named("button", EN["responses.halt"])).to_have_count(0)
