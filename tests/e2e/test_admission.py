"""Admission, Policies and Clusters on the page, against a server that judged the sample cluster by
the sample policies and heard from a webhook: a refusal explained and accepted, faults first,
violations, a what-if, and every screen without a barrier."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Dialog, expect

from tests.e2e.conftest import Visitor
from tests.e2e.door import CLUSTER, HOSTILE, SECRET, Door, door_site, request, taking
from tests.e2e.site import Site, empty_site
from tests.e2e.test_screens import words
from tests.e2e.visit import Visit

EN = words("en")
PRIVILEGED = "pod-security/baseline"
REPLICAS = "vap/three-replicas/three-replicas-in-production"
SCREENS = {
    "admission": "/admission",
    "notable": "/admission?show=notable&range=1h",
    "decisions": "/admission/decisions",
    "decision": "/admission/decisions?outcome=denied&open={decision}",
    "none": "/admission/decisions?text=nothing-like-this",
    "policies": "/policies",
    "clean": "/policies?state=clean",
    "no policy": "/policies?text=nothing-like-this",
    "policy": "/policies/{policy}",
    "violation": "/policies/{policy}?open={violation}",
    "decisions of it": "/policies/{policy}?view=decisions",
    "about it": "/policies/{policy}?view=about",
    "at the door only": "/policies/{quiet}",
    "what if": "/policies/what-if",
    "clusters": "/clusters",
    "cluster": f"/clusters/{CLUSTER}",
    "no cluster": "/clusters/nowhere",
}
LIMITED = """apiVersion: haechi.dev/v1alpha1
kind: ImagePolicy
metadata: {name: strict}
spec: {action: deny, allow: [registry.example.org]}
"""


@pytest.fixture(scope="module")
def door(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """One server for this module; the browser is asked for first."""
    assert browser
    with door_site(tmp_path_factory.mktemp("door")) as site:
        yield site


def visiting(visitor: Visitor, site: Site, **how: Any) -> Visit:
    """Signed in."""
    visit = visitor(known=False, url=site.url, **how)
    visit.page.goto(site.link())
    visit.page.locator("nav a[aria-current=page]").wait_for(state="attached")
    visit.settled()
    return visit


def policy(site: Door, name: str) -> dict[str, Any]:
    """A row of the list."""
    found: dict[str, Any] = next(
        one for one in site.ask("GET", "/policies")["items"] if one["info"]["id"] == name
    )
    return found


def denied(site: Door) -> dict[str, Any]:
    """A pod that was refused since it takes the node."""
    query = f"outcome=denied&policy={PRIVILEGED}&text=debug&limit=1"
    found: dict[str, Any] = site.ask("GET", f"/admission/decisions?{query}")["items"][0]
    return found


def paths(site: Door) -> dict[str, str]:
    """The screens' paths with the ids of this store."""
    key = policy(site, PRIVILEGED)["key"]
    violations = site.ask("GET", f"/policies/{key}/violations")["items"]
    quiet = next(one for one in site.ask("GET", "/policies?state=clean")["items"] if one["audited"])
    places = {
        "{decision}": denied(site)["id"],
        "{policy}": key,
        "{violation}": violations[0]["id"],
        "{quiet}": quiet["key"],
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
    visitor: Visitor, door: Door, lang: str, theme: str, width: int
) -> None:
    visit = visiting(visitor, door, lang=lang, theme=theme, width=width)
    known = set(words("en"))
    found: dict[str, list[str]] = {}
    for name, path in paths(door).items():
        visit.open(path)
        shown = visit.page.inner_text("body")
        found[name] = visit.barriers() if width > 390 or name in ("admission", "decision") else []
        found[name] += known & set(re.findall(r"[a-z]+(?:\.[a-z_]+)+", shown))
        if visit.page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found[name].append("wider than the window")
    assert {name: one for name, one in found.items() if one} == {}


def test_counts_of_the_door_lead_to_their_decisions(visitor: Visitor, door: Door) -> None:
    visit = visiting(visitor, door)
    visit.open("/admission")
    counts = door.ask("GET", "/admission/summary")["outcomes"]
    chart = visit.page.locator("section.chart")
    for outcome in ("denied", "warned"):
        expect(chart.get_by_role("link", name=f"{counts[outcome]} {outcome}")).to_be_visible()
    expect(visit.page.get_by_text("webhook-7d9f")).to_be_visible()
    chart.get_by_role("link", name=re.compile("denied$")).click()
    visit.page.wait_for_url("**/admission/decisions?outcome=denied")
    visit.settled()
    said = visit.page.get_by_role("status").filter(has_text="decisions")
    expect(said).to_have_text(f"{counts['denied']} decisions")
    visit.page.get_by_role("combobox", name=EN["admission.policy"]).select_option(REPLICAS)
    query = f"outcome=denied&policy={REPLICAS}"
    fewer = door.ask("GET", f"/admission/decisions?{query}&limit=500")["items"]
    assert 1 < len(fewer) < counts["denied"]
    expect(said).to_have_text(f"{len(fewer)} decisions")


def test_a_refusal_is_explained_and_holds_no_secret(visitor: Visitor, door: Door) -> None:
    said: list[str] = []
    visit = visiting(visitor, door)

    def opened(dialog: Dialog) -> None:
        said.append(dialog.message)
        dialog.dismiss()

    visit.page.on("dialog", opened)
    visit.open("/admission/decisions?text=debug")
    visit.page.get_by_role("row").filter(has_text="debug-7").wait_for()
    visit.page.keyboard.press("j")
    visit.page.keyboard.press("Enter")
    panel = visit.page.get_by_role("complementary")
    expect(panel.get_by_role("heading", level=2)).to_be_focused()
    visit.settled()
    expect(panel.get_by_text("privileged", exact=True).first).to_be_visible()
    expect(panel.get_by_text("securityContext.privileged").first).to_be_visible()
    shown = HOSTILE.replace("\u202e", "\\u202e")
    expect(panel.get_by_role("link", name=shown, exact=True)).to_be_visible()
    expect(panel.get_by_text("haechi policy eval", exact=False).first).to_be_visible()
    assert said == []

    visit.open("/admission/decisions?text=cart-1&user=ana%40shop.example")
    visit.page.get_by_role("row").filter(has_text="cart-1").last.click()
    visit.settled()
    panel.locator("summary", has_text=EN["admission.asked"]).click()
    expect(panel.get_by_text("DB_PASSWORD")).to_be_visible()
    assert SECRET not in visit.page.content()

    panel.get_by_role("link", name=re.compile("allowed and be pinned")).first.click()
    visit.page.wait_for_url("**/policies/*")
    visit.settled()
    expect(visit.page.get_by_text("images/shop", exact=True)).to_be_visible()


def test_a_refused_request_is_accepted_by_policy_and_object(visitor: Visitor, door: Door) -> None:
    visit = visiting(visitor, door)
    one = denied(door)
    visit.open(f"/admission/decisions?open={one['id']}")
    panel = visit.page.get_by_role("complementary")
    article = panel.get_by_role("article").filter(has_text=PRIVILEGED).first
    article.get_by_role("button", name=EN["waive.open"]).click()
    dialog = visit.page.get_by_role("dialog")
    dialog.get_by_text(EN["door.waive.note"]).wait_for()
    dialog.get_by_label(EN["waive.reason"]).fill("A debug pod of the on-call engineer")
    dialog.get_by_label(EN["waive.owner"]).fill("ana")
    assert visit.barriers() == []
    dialog.get_by_role("button", name=EN["waive.do"]).click()
    expect(dialog).to_have_count(0)
    made = door.ask("GET", "/waivers")["items"][0]
    assert made["rule"] == f"policy:{PRIVILEGED}"
    assert made["resource"] == f"k8s:{CLUSTER}/core/Pod/shop/{one['name']}"
    assert made["reach"] == {"cluster": CLUSTER, "namespace": "shop"}


def test_what_protects_nothing_is_seen_first(visitor: Visitor, door: Door) -> None:
    visit = visiting(visitor, door)
    visit.open("/policies")
    first = visit.page.get_by_role("region").first
    expect(first.get_by_role("heading")).to_contain_text("protects nothing")
    expect(first).to_contain_text("config.gatekeeper.sh")
    expect(first).to_contain_text("constraints.gatekeeper.sh/v1beta1")
    assert first.get_by_role("listitem").count() == 1  # the audit and the webhook tell of the same
    grid = visit.page.get_by_role("grid")
    box, table = first.bounding_box(), grid.bounding_box()
    assert box is not None and table is not None
    assert box["y"] < table["y"]


def test_a_rollout_shows_its_stages_and_what_the_next_would_refuse(
    visitor: Visitor, door: Door
) -> None:
    (row,) = door.ask("GET", f"/policies/forecast?cluster={CLUSTER}")["items"]
    assert (row["policy"], row["next"], row["ready"]) == ("images/shop", "all", False)
    visit = visiting(visitor, door)
    visit.open("/policies")
    told = visit.page.locator("details").filter(has_text=EN["policies.forecast"])
    told.locator("summary").click()
    expect(told.get_by_role("listitem")).to_contain_text(f"would refuse {row['refused']} objects")
    assert visit.barriers() == []
    visit.open(f"/policies/{policy(door, 'images/shop')['key']}")
    stages = visit.page.get_by_role("list", name=EN["policies.stages"])
    expect(stages.locator("[aria-current=step]")).to_contain_text(EN["door.stage.new"])


def test_violations_are_listed_by_object_and_one_is_waived(visitor: Visitor, door: Door) -> None:
    row = policy(door, "gatekeeper/ShopOwner/workloads")
    assert row["counts"]["failed"] > 1
    visit = visiting(visitor, door)
    visit.open(f"/policies/{row['key']}")
    said = visit.page.get_by_role("status").filter(has_text="object")
    total = door.ask("GET", f"/policies/{row['key']}/violations")["total"]
    assert total >= row["counts"]["failed"]
    expect(said).to_have_text(f"{total} objects")
    visit.page.keyboard.press("j")
    visit.page.keyboard.press("Enter")
    panel = visit.page.get_by_role("complementary")
    expect(panel).to_contain_text("nobody is called when it breaks")
    panel.get_by_role("button", name=EN["waive.open"]).click()
    dialog = visit.page.get_by_role("dialog")
    expect(dialog.get_by_role("status")).to_have_text("Covers 1 finding now")
    dialog.get_by_label(EN["waive.reason"]).fill("It goes away at the end of the quarter")
    dialog.get_by_label(EN["waive.owner"]).fill("ana")
    dialog.get_by_role("button", name=EN["waive.do"]).click()
    expect(dialog).to_have_count(0)
    waived = visit.page.get_by_role("grid").get_by_text(EN["door.outcome.waived"], exact=True)
    expect(waived.first).to_be_visible()


def test_other_policies_are_tried_before_they_are_in_force(visitor: Visitor, door: Door) -> None:
    visit = visiting(visitor, door)
    visit.open("/policies/what-if")
    run = visit.named("button", EN["policies.whatif.run"])
    expect(run).to_be_disabled()
    visit.page.get_by_label(EN["policies.whatif.policies"]).fill(LIMITED)
    visit.named("button", EN["policies.whatif.add"]).click()
    visit.named("button", EN["policies.whatif.over.both"]).click()
    run.click()
    tabs = visit.page.get_by_role("tab")
    expect(tabs.first).to_contain_text(EN["policies.whatif.appeared"])
    visit.settled()
    assert visit.barriers() == []
    rows = visit.page.get_by_role("grid").get_by_role("row")
    expect(rows.nth(1)).to_contain_text("images/strict")
    rows.nth(1).click()
    dialog = visit.page.get_by_role("dialog")
    expect(dialog).to_contain_text("images/strict")
    assert visit.barriers() == []
    visit.page.keyboard.press("Escape")

    # what cannot be read is said, and what was there stays
    visit.refused.append(422)
    visit.page.get_by_label(EN["policies.whatif.policies"]).fill("kind: [")
    run.click()
    expect(visit.page.get_by_text("policies.yaml", exact=False).first).to_be_visible()


def test_a_new_refusal_appears_by_itself(visitor: Visitor, door: Door) -> None:
    visit = visiting(visitor, door)
    visit.open("/admission/decisions?text=nightfall")
    visit.page.get_by_text(EN["admission.empty.filter"]).wait_for()
    pod = next(one for one in door.objects if one.kind == "Pod" and one.namespace == "shop")
    body = taking(pod.data, 0)
    body["metadata"]["name"] = "nightfall"
    door.tell([request(body, "CREATE", "nightfall")], ready=False)
    expect(visit.page.get_by_role("row").filter(has_text="nightfall")).to_have_count(1)
    visit.open("/admission")
    expect(visit.page.get_by_text("does not trust the served chain")).to_be_visible()
    door.tell([])


def test_a_cluster_shows_what_is_judged_and_what_is_not(visitor: Visitor, door: Door) -> None:
    visit = visiting(visitor, door)
    visit.open("/clusters")
    visit.page.get_by_role("main").get_by_role("link", name=CLUSTER, exact=True).click()
    visit.page.wait_for_url(f"**/clusters/{CLUSTER}")
    visit.settled()
    expect(visit.page.get_by_role("row").filter(has_text="core/Pod").first).to_contain_text(
        EN["clusters.kindstate.judged"]
    )
    coverage = door.ask("GET", "/admission/coverage")["items"][0]
    audit = visit.page.get_by_role("region", name=EN["clusters.auditing"])
    expect(audit).to_contain_text(str(coverage["objects"]))


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_rooms_without_data_teach_what_brings_it(
    visitor: Visitor, tmp_path: Path, lang: str
) -> None:
    commands = {
        "/admission": "haechi webhook serve",
        "/admission/decisions": "haechi webhook serve",
        "/policies": "haechi policy check",
        "/policies/what-if": "haechi policy simulate",
        "/clusters": "haechi up --config",
    }
    with empty_site(tmp_path) as site:
        visit = visiting(visitor, site, lang=lang)
        for path, command in commands.items():
            visit.open(path)
            expect(visit.page.get_by_text(command, exact=False).first).to_be_visible()
            assert visit.barriers() == [], path
        visit.page.goto("about:blank")
