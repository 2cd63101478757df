"""Waivers on the page: found, looked at from both sides, revoked; and jumps far down a list."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Request, expect

from haechi.model.access import Grant, Role
from tests.e2e.conftest import Visitor
from tests.e2e.site import Site, empty_site
from tests.e2e.test_screens import words
from tests.server.work.stored import push

EN = words("en")
REASON = "Kept until the migration in spring"


def open_finding(site: Site, rule: str = "") -> dict[str, Any]:
    narrowed = f"&rule={rule}" if rule else ""
    found: list[dict[str, Any]] = site.ask("GET", f"/findings?state=open&limit=1{narrowed}")[
        "items"
    ]
    return found[0]


def waived(site: Site, days: int, reason: str = REASON) -> dict[str, Any]:
    """A waiver of one open finding."""
    finding = open_finding(site)
    body = {
        "reason": reason,
        "owner": "ana",
        "expires": (dt.datetime.now(dt.UTC).date() + dt.timedelta(days=days)).isoformat(),
        "rule": finding["rule"],
        "fingerprints": [finding["fingerprint"]],
    }
    made: dict[str, Any] = site.ask("POST", "/waivers", msgspec.json.encode(body))
    assert made["count"] == 1
    return made


@pytest.mark.parametrize(("lang", "theme"), [("en", "dark"), ("ko", "light")])
def test_a_waiver_is_found_looked_at_and_revoked(
    visitor: Visitor, site: Site, lang: str, theme: str
) -> None:
    say = words(lang)
    later, sooner = waived(site, 200, "A later one, to be sorted"), waived(site, 3)
    (covered,) = site.ask("GET", f"/findings?waiver={sooner['id']}")["items"]
    visit = visitor(lang=lang, theme=theme)
    visit.load("/waivers")
    lines = visit.page.get_by_role("grid").get_by_role("row")
    ids = [one["id"] for one in site.ask("GET", "/waivers?state=active&sort=expires")["items"]]
    assert ids.index(sooner["id"]) < ids.index(later["id"])
    expect(lines).to_have_count(len(ids) + 1)
    expect(lines.nth(ids.index(sooner["id"]) + 1)).to_contain_text(REASON)
    assert visit.barriers() == []

    # the second row by keys, then from the waiver to its finding and back
    visit.open(f"/waivers?text={sooner['id']}")
    visit.page.keyboard.press("j")
    visit.page.keyboard.press("Enter")
    panel = visit.page.get_by_role("complementary")
    expect(panel.get_by_role("heading", level=2)).to_have_text(REASON)
    expect(panel.get_by_role("heading", level=2)).to_be_focused()
    visit.settled()
    assert visit.barriers() == []
    panel.get_by_role("listitem").get_by_role("link").click()
    visit.page.wait_for_url(f"**/findings?waiver={sooner['id']}*open={covered['id']}*")
    visit.settled()
    visit.page.get_by_role("link", name=REASON).click()
    visit.page.wait_for_url(f"**/waivers?open={sooner['id']}")

    visit.named("button", say["waivers.revoke.open"]).click()
    dialog = visit.page.get_by_role("dialog")
    expect(dialog.get_by_role("status")).to_contain_text("1")
    assert visit.barriers() == []
    dialog.get_by_role("button", name=say["waivers.revoke.do"], exact=True).click()
    expect(dialog).to_have_count(0)
    expect(panel.get_by_text(say["waivers.state.revoked"], exact=True).first).to_be_visible()
    assert site.ask("GET", f"/findings/{covered['id']}")["finding"]["state"] == "open"
    visit.page.get_by_role("tab", name=say["waivers.state.revoked"]).click()
    expect(visit.page.get_by_role("grid")).to_contain_text(REASON)
    assert "state=revoked" in visit.page.url
    site.ask("DELETE", f"/waivers/{later['id']}")


def test_whoever_may_not_revoke_is_told_who_may(visitor: Visitor, site: Site) -> None:
    made = waived(site, 20)
    body = {"name": "operator", "grants": [Grant(role=Role.OPERATOR)]}
    secret = site.ask("POST", "/tokens", msgspec.json.encode(body))["secret"]
    visit = visitor(known=False)
    visit.load("/")
    visit.page.get_by_label(EN["signin.token"], exact=True).fill(secret)
    visit.page.keyboard.press("Enter")
    visit.page.locator("nav a[aria-current=page]").wait_for()
    visit.open(f"/waivers?open={made['id']}")
    expect(visit.page.get_by_text(EN["waivers.revoke.approver"])).to_be_visible()
    expect(visit.named("button", EN["waivers.revoke.open"])).to_have_count(0)
    site.ask("DELETE", f"/waivers/{made['id']}")


def test_the_list_follows_what_others_waive(visitor: Visitor, site: Site) -> None:
    visit = visitor(width=390)
    visit.load("/waivers?text=from+elsewhere")
    expect(visit.page.get_by_role("grid")).to_contain_text(EN["waivers.empty.filter"])
    assert visit.barriers() == []
    made = waived(site, 9, "Waived from elsewhere")
    expect(visit.page.get_by_role("grid")).to_contain_text(made["rule"])
    site.ask("DELETE", f"/waivers/{made['id']}")


def test_a_jump_far_down_asks_for_what_is_in_sight(visitor: Visitor, tmp_path: Path) -> None:
    row = 1_800
    found = [
        {
            "rule": "k8s-privileged",
            "severity": "high",
            "title": "Far down",
            "fingerprint": f"{number:032x}",
            "location": {"path": f"far/file-{number:05}.yaml", "line": 1},
        }
        for number in range(2_000)
    ]
    with empty_site(tmp_path) as site:
        site.ask("POST", "/scans", msgspec.json.encode(push(findings=found)))
        visit = visitor(known=False, url=site.url)
        visit.page.goto(site.link())
        visit.settled()
        visit.open("/findings?sort=path")
        asked: list[str] = []

        def note(request: Request) -> None:
            if "/api/v1/findings?" in request.url:
                asked.append(request.url)

        visit.page.on("request", note)
        table = visit.page.get_by_role("grid")
        line = table.get_by_role("row").nth(1).bounding_box()
        assert line
        table.evaluate("(table, y) => { table.scrollTop = y; }", row * line["height"])
        expect(table).to_contain_text(f"file-{row + 3:05}.yaml")
        assert 1 <= len(asked) <= 2, asked
        assert "skip=" in asked[0]
        visit.page.goto("about:blank")
