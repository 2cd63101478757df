"""The ways in and out."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import Visitor
from tests.e2e.site import Site
from tests.e2e.test_screens import words


def test_a_link_signs_in_at_once_and_leaves_the_address(visitor: Visitor, site: Site) -> None:
    visit = visitor(known=False)
    link = site.link()
    visit.page.goto(link)
    visit.page.locator("nav a[aria-current=page]").wait_for()
    assert visit.page.url == f"{site.url}/"
    assert "code" not in visit.page.evaluate("JSON.stringify(history.state) + location.href")


def test_a_link_works_once(visitor: Visitor, site: Site) -> None:
    link = site.link()
    first = visitor(known=False)
    first.page.goto(link)
    first.page.locator("nav a[aria-current=page]").wait_for()
    second = visitor(known=False)
    second.refused = [401]
    second.page.goto(link)
    second.page.get_by_role("alert").wait_for()
    assert second.page.url == f"{site.url}/signin"
    assert second.barriers() == []


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_a_token_signs_in_by_keyboard_and_one_can_leave(
    visitor: Visitor, site: Site, lang: str
) -> None:
    say = words(lang)
    visit = visitor(lang=lang, known=False)
    visit.refused = [401]
    visit.page.goto(f"{site.url}/findings?severity=critical")
    field = visit.page.get_by_label(say["signin.token"], exact=True)
    field.wait_for()
    assert visit.barriers() == []
    field.fill("haechi_api_wrong")
    visit.page.keyboard.press("Enter")
    visit.page.get_by_role("alert").wait_for()
    assert field.evaluate("(one) => one === document.activeElement")
    field.fill(site.token)
    visit.page.keyboard.press("Enter")
    visit.settled()
    assert visit.page.url.endswith("/findings?severity=critical")

    visit.page.locator("summary[aria-label]").click()
    visit.named("button", say["menu.signout"]).click()
    field.wait_for()
    assert visit.page.request.get(f"{site.url}/api/v1/me").status == 401


def test_who_may_only_look_is_offered_nothing_else(visitor: Visitor, site: Site) -> None:
    say = words("en")
    visit = visitor(known=False)
    visit.page.goto(f"{site.url}/signin")
    visit.page.get_by_label(say["signin.token"], exact=True).fill(site.viewer)
    visit.page.keyboard.press("Enter")
    visit.settled()
    finding = site.ask("GET", "/findings?severity=critical&limit=1")["items"][0]["id"]
    visit.open(f"/findings?open={finding}")
    visit.named("button", say["dialog.close"]).first.wait_for()
    assert visit.named("button", say["waive.open"]).count() == 0
    assert visit.named("button", say["findings.edit.owner"]).count() == 0
    visit.open("/settings/tokens")
    visit.page.get_by_text(say["settings.forbidden"]).wait_for()
    assert visit.barriers() == []
