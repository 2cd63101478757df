"""What people do with running systems on the page: filter, look into an event, turn a rule off,
write a rule, try it on what happened and save it."""

from __future__ import annotations

import re

import msgspec
import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import Visitor
from tests.e2e.site import Site
from tests.e2e.test_screens import words

EN = words("en")
SHELL = "Shell with a terminal opened in a container"
RULES = """- rule: Shell below the web server
  desc: nobody works there
  condition: {condition}
  output: a shell ran (%proc.cmdline)
  priority: WARNING
"""
GOOD = RULES.format(condition="evt.type = execve and proc.pname = nginx and proc.name = bash")


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_a_condition_is_completed_checked_and_followed(
    visitor: Visitor, site: Site, lang: str
) -> None:
    say = words(lang)
    visit = visitor(lang=lang, theme="dark" if lang == "ko" else "light")
    visit.refused.append(400)  # the faults of the condition
    visit.load("/events")
    field = visit.named("textbox", say["events.condition"])
    visit.page.keyboard.press("f")
    visit.page.keyboard.type("proc.nam")
    visit.page.get_by_role("option").filter(has_text="proc.name").first.wait_for()
    assert visit.barriers() == []
    visit.page.keyboard.press("Tab")
    expect(field).to_have_value("proc.name ")
    visit.page.keyboard.type("= ")
    said = visit.page.locator(".condition [role=status]")
    expect(said).to_contain_text(say["falco.fault"].replace("{at}", "13"))
    visit.page.keyboard.type("bash and proc.pnam = nginx")
    expect(said).to_contain_text(say["falco.fault"].replace("{at}", "22"))
    expect(visit.page.locator(".condition .fault")).to_have_text("proc.pnam")
    assert visit.barriers() == []

    field.fill("proc.name = bash and proc.pname = nginx")
    visit.page.keyboard.press("Enter")
    rows = visit.page.locator("tbody tr")
    expect(rows.filter(has_text="bash: execve").first).to_be_visible()
    expect(rows.filter(has_text="shop/web to shop/cart")).to_have_count(0)
    before = rows.count()
    site.run_shell(f"live-{lang}")
    expect(rows.filter(has_text=f"bash -i live-{lang}").first).to_be_visible()
    assert rows.filter(has_text="execve date").count() == 0
    assert rows.count() > before


def test_what_came_while_paused_is_counted_by_the_condition(visitor: Visitor, site: Site) -> None:
    visit = visitor()
    visit.load("/events?filter=proc.name%20%3D%20date")
    rows = visit.page.locator("tbody tr")
    rows.first.wait_for()
    before = rows.count()
    visit.named("button", EN["events.pause"]).click()
    site.run_shell("paused-1")
    site.run_shell("paused-2")
    visit.page.get_by_text("2 events have come meanwhile").wait_for()
    assert rows.count() == before
    visit.named("button", EN["events.resume"]).click()
    expect(rows).to_have_count(before + 2)


def test_an_event_leads_to_its_detection_its_rule_and_back(visitor: Visitor, site: Site) -> None:
    site.run_shell("linked")
    visit = visitor()
    visit.load("/events?source=sensor")
    visit.page.locator("tbody tr").filter(has_text="bash -i linked").first.click()
    panel = visit.page.get_by_role("complementary")
    tree = panel.get_by_role("region", name=EN["events.ancestry"]).get_by_role("listitem")
    expect(tree).to_have_count(3)
    expect(tree.first).to_contain_text("containerd-shim")
    expect(tree.last).to_contain_text("bash")
    panel.get_by_role("link", name=SHELL).click()
    expect(panel).to_contain_text("T1059.004")
    assert visit.barriers() == []
    panel.get_by_role("link", name="bash: execve bash -i linked").click()
    expect(panel.get_by_role("link", name=SHELL)).to_be_visible()

    only = EN["events.onlyif"].replace("{condition}", 'proc.cmdline = "bash -i linked"')
    panel.get_by_role("button", name=only, exact=True).first.click()
    rows = visit.page.locator("tbody tr")
    expect(rows.filter(has_text="bash -i linked").first).to_be_visible()
    expect(rows.filter(has_text="date")).to_have_count(0)
    without = EN["events.onlyif"].replace("{condition}", "not proc.name = bash")
    panel.get_by_role("button", name=without, exact=True).first.click()
    visit.page.get_by_text(EN["events.none.filtered"]).wait_for()
    assert visit.named("textbox", EN["events.condition"]).input_value() == (
        'proc.cmdline = "bash -i linked" and not proc.name = bash'
    )


def test_a_rule_is_turned_off_and_on_after_asking(visitor: Visitor, site: Site) -> None:
    visit = visitor()
    visit.load("/rules/detections?text=terminal")
    row = visit.page.get_by_role("row").filter(has_text=SHELL)
    row.get_by_role("switch").click()
    dialog = visit.page.get_by_role("dialog")
    expect(dialog).to_contain_text(EN["rules.switch.off.text"])
    assert visit.barriers() == []
    dialog.get_by_role("button", name=EN["rules.switch.off"], exact=True).click()
    expect(row.get_by_role("switch")).to_have_attribute("aria-checked", "false")
    row.get_by_role("link", name=SHELL).click()
    visit.page.get_by_role("heading", name=SHELL, level=1).wait_for()
    expect(visit.page.get_by_text(EN["rules.switchedoff"])).to_be_visible()
    visit.page.get_by_role("switch").click()
    dialog.get_by_role("button", name=EN["rules.switch.on"], exact=True).click()
    expect(visit.page.get_by_role("switch")).to_have_attribute("aria-checked", "true")
    rule = site.ask("GET", f"/runtime/rules/{SHELL}")["rule"]
    assert rule["enabled"]
    assert rule["hits"] >= 1


def test_who_may_only_look_sees_the_state_and_no_switch(visitor: Visitor, site: Site) -> None:
    visit = visitor(known=False)
    visit.refused.append(401)
    visit.page.goto(f"{visit.url}/signin")
    visit.page.get_by_label(EN["signin.token"], exact=True).fill(site.viewer)
    visit.page.keyboard.press("Enter")
    visit.page.locator("nav a[aria-current=page]").wait_for()
    visit.load("/rules/detections")
    assert visit.page.get_by_role("switch").count() == 0
    assert visit.page.get_by_role("row").filter(has_text=SHELL).count() == 1
    visit.load("/rules/files")
    assert visit.page.get_by_role("link", name=EN["rules.file.new"]).count() == 0


def test_a_rule_is_written_checked_tried_and_saved(visitor: Visitor, site: Site) -> None:
    visit = visitor()
    visit.load("/rules/files")
    visit.page.get_by_role("link", name=EN["rules.file.new"]).first.click()
    visit.page.get_by_label(EN["rules.file.name"], exact=True).fill("team.yaml")
    code = visit.page.get_by_label(EN["rules.file.text"], exact=True)
    code.fill(RULES.format(condition="evt.type = execve and proc.nam = bash"))
    problem = visit.page.get_by_role("button", name=re.compile("^3:36"))
    problem.click()
    expect(code).to_be_focused()
    assert code.evaluate("box => box.value.slice(box.selectionStart, box.selectionStart + 8)") == (
        "proc.nam"
    )
    assert visit.named("button", EN["settings.save"]).is_disabled()
    assert visit.barriers() == []

    code.fill(RULES.format(condition="evt.type = execve and fd.name = /etc/passwd"))
    expect(visit.page.get_by_text(EN["rules.advice.never"])).to_be_visible()
    code.fill(GOOD)
    visit.page.get_by_text("It loads: 1 rule").wait_for()
    visit.named("button", EN["rules.hunt.start"]).click()
    visit.page.get_by_text(re.compile("^Done: it would have fired")).wait_for()
    matches = visit.page.get_by_role("list", name=EN["rules.hunt.matches"])
    expect(matches.get_by_role("listitem").first).to_contain_text(EN["rules.hunt.would"])
    expect(matches.get_by_role("listitem").first).to_contain_text("a shell ran (bash -i")
    assert visit.barriers() == []
    names = {one["name"] for one in site.ask("GET", "/runtime/rules")["items"]}
    assert "Shell below the web server" not in names

    visit.named("button", EN["settings.save"]).click()
    visit.page.get_by_label(EN["rules.file.note"], exact=True).fill("for the web team")
    assert visit.barriers() == []
    visit.page.keyboard.press("Enter")
    visit.page.wait_for_url("**/rules/files?name=team.yaml")
    visit.page.get_by_text("for the web team").wait_for()
    names = {one["name"] for one in site.ask("GET", "/runtime/rules")["items"]}
    assert "Shell below the web server" in names
    site.run_shell("judged")
    expect_hits = site.ask("GET", "/events?source=haechi&rule=Shell%20below%20the%20web%20server")
    assert [one["event"]["fields"]["haechi.event"] for one in expect_hits["items"]] == ["judged-2"]


def test_another_ones_version_is_a_conflict_and_older_ones_come_back(
    visitor: Visitor, site: Site
) -> None:
    body = {"text": GOOD, "version": 0, "note": "first"}
    site.ask("PUT", "/runtime/files/shared.yaml", msgspec.json.encode(body))
    visit = visitor()
    visit.refused.append(409)
    visit.load("/rules/files?name=shared.yaml")
    code = visit.page.get_by_label("shared.yaml", exact=True)
    code.fill(GOOD.replace("WARNING", "ERROR"))
    body = {"text": GOOD.replace("nobody", "no one"), "version": 1, "note": "theirs"}
    site.ask("PUT", "/runtime/files/shared.yaml", msgspec.json.encode(body))
    visit.named("button", EN["settings.save"]).click()
    visit.named("button", EN["rules.file.save"]).click()
    visit.page.get_by_text(EN["rules.file.conflict"]).wait_for()
    assert visit.barriers() == []
    visit.named("button", EN["rules.file.theirs"]).click()
    expect(code).to_have_value(re.compile("no one"))

    visit.named("button", EN["rules.file.restore.name"].replace("{n}", "1")).click()
    expect(code).to_have_value(re.compile("nobody"))
    visit.named("button", EN["settings.save"]).click()
    visit.named("button", EN["rules.file.save"]).click()
    visit.page.get_by_text("Version 1 restored").wait_for()
    assert site.ask("GET", "/runtime/files/shared.yaml")["file"]["version"] == 3

    visit.named("button", EN["rules.file.remove"]).click()
    visit.page.get_by_role("dialog").get_by_role(
        "button", name=EN["rules.file.remove"], exact=True
    ).click()
    visit.page.wait_for_url("**/rules/files")
    names = {one["name"] for one in site.ask("GET", "/runtime/files")["items"]}
    assert "shared.yaml" not in names


def test_tab_writes_blanks_and_escape_lets_it_leave(visitor: Visitor) -> None:
    visit = visitor()
    visit.load("/rules/new")
    code = visit.page.get_by_label(EN["rules.file.text"], exact=True)
    code.fill("a")
    visit.page.keyboard.press("Tab")
    expect(code).to_have_value("a  ")
    visit.page.keyboard.press("Shift+Tab")
    visit.page.keyboard.press("Escape")
    visit.page.keyboard.press("Tab")
    expect(code).not_to_be_focused()


def test_feeds_tell_what_was_refused_and_why(visitor: Visitor) -> None:
    visit = visitor()
    visit.load("/settings/feeds")
    feed = visit.page.get_by_role("listitem").filter(has_text=EN["settings.feed.lag"])
    expect(feed.first).to_contain_text(EN["settings.feed.kind.kubernetes-audit"])
    visit.page.get_by_text("1 record could not be taken").click()
    visit.page.get_by_text("no JSON").wait_for()
    assert visit.barriers() == []
    visit.page.get_by_role("link", name=re.compile("^Falco")).click()
    visit.page.get_by_text(f"{visit.url}/api/v1/feeds/falco?cluster=prod").wait_for()


def test_now_tells_of_detections_and_leads_to_them(visitor: Visitor, site: Site) -> None:
    site.run_shell("now")
    visit = visitor()
    visit.load("/")
    line = visit.page.get_by_role("region", name=re.compile("detections? in the last 24 hours"))
    line.get_by_role("link", name=SHELL).click()
    visit.page.locator("tbody tr").filter(has_text=SHELL).first.wait_for()
    assert "source=haechi" in visit.page.url
