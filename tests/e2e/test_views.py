"""Views of Findings that the browser keeps by name."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.e2e.conftest import Visitor
from tests.e2e.test_screens import words


def test_a_view_is_kept_by_name_gone_to_and_removed(visitor: Visitor) -> None:
    say = words("ko")
    visit = visitor(lang="ko", width=390)
    visit.load("/findings?severity=critical&sort=due")
    visit.named("button", say["views.open"]).click()
    assert visit.barriers() == []
    visit.page.get_by_label(say["views.name"], exact=True).fill(" Worst first ")
    visit.page.keyboard.press("Enter")
    expect(visit.page.get_by_role("dialog")).to_have_count(0)

    visit.load("/rules")  # from the browser's memory
    visit.page.keyboard.press("Control+k")
    visit.named("combobox", say["palette.open"]).fill("worst")
    visit.page.get_by_role("option", name="Worst first").wait_for()
    visit.page.keyboard.press("Enter")
    visit.page.wait_for_url("**/findings?severity=critical&sort=due")

    visit.settled()
    visit.named("button", say["views.open"]).click()
    expect(visit.named("link", "Worst first")).to_be_visible()
    visit.named("button", say["views.drop"].replace("{name}", "Worst first")).click()
    expect(visit.page.get_by_text(say["views.none"])).to_be_visible()
    visit.page.keyboard.press("Escape")


def test_what_somebody_else_wrote_there_is_no_view(visitor: Visitor) -> None:
    visit = visitor()
    visit.load("/rules")
    for kept in ("{", "null", '[1, {"name": 2}, null, {"name": "a", "query": "state=fixed"}]'):
        visit.page.evaluate("(kept) => localStorage.setItem('haechi.views', kept)", kept)
        visit.load("/findings")
        visit.named("button", words("en")["views.open"]).click()
        links = visit.page.get_by_role("dialog").get_by_role("link")
        expect(links).to_have_count(1 if kept.startswith("[") else 0)
