"""Dependencies on the page, against a server that judges stored packages by its own advisories:
what is exploited first, an import that makes a row appear, an upgrade that is dismissed, SBOMs to
take along, and every view without a barrier."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Route, expect

from tests.e2e.conftest import Visitor
from tests.e2e.packages import HIGH, LIVE, imported, packages_site, record, working_site
from tests.e2e.site import Site
from tests.e2e.test_screens import words
from tests.e2e.visit import Visit

EN, KO = words("en"), words("ko")
SCREENS = {
    "affected": "/dependencies",
    "a package": "/dependencies?text=lodash&open={package}",
    "nothing fits": "/dependencies?text=nothing-like-this",
    "proposals": "/dependencies/proposals",
    "a proposal": "/dependencies/proposals?open={proposal}",
    "no such proposals": "/dependencies/proposals?state=obsolete",
    "advisories": "/dependencies/advisories",
    "sboms": "/dependencies/sboms",
    "no such package": "/dependencies/sboms?package=nothing-like-this",
    "a finding": "/findings?domain=deps&open={finding}",
    "of terraform": "/findings?open={terraform}",
}


@pytest.fixture(scope="module")
def packages(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One server for this module; the browser is asked for first."""
    assert browser
    with packages_site(tmp_path_factory.mktemp("packages")) as site:
        yield site


def visiting(visitor: Visitor, site: Site, **how: Any) -> Visit:
    """Signed in."""
    visit = visitor(known=False, url=site.url, **how)
    visit.page.goto(site.link())
    visit.page.locator("nav a[aria-current=page]").wait_for(state="attached")
    visit.settled()
    return visit


def finding(site: Site, query: str) -> dict[str, Any]:
    """The first finding."""
    found: dict[str, Any] = site.ask("GET", f"/findings?{query}&limit=1")["items"][0]
    return found


def proposal(site: Site, package: str) -> dict[str, Any]:
    """The open one about a package."""
    found: dict[str, Any] = site.ask("GET", f"/proposals?package={package}")["items"][0]
    return found


def paths(site: Site) -> dict[str, str]:
    """The screens' paths with the ids of this store."""
    lodash = finding(site, "rule=CVE-2021-23337")
    key = "\n".join([lodash["cluster"], lodash["source"], lodash["ref"], lodash["path"]])
    places = {
        "{package}": quote(f"{key}\nnpm/lodash", safe=""),
        "{proposal}": proposal(site, "lodash")["id"],
        "{finding}": lodash["id"],
        "{terraform}": finding(site, "domain=iac&path=infra/database.tf")["id"],
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
    visitor: Visitor, packages: Site, lang: str, theme: str, width: int
) -> None:
    visit = visiting(visitor, packages, lang=lang, theme=theme, width=width)
    known = set(words("en"))
    found: dict[str, list[str]] = {}
    for name, path in paths(packages).items():
        visit.open(path)
        shown = visit.page.inner_text("body")
        found[name] = visit.barriers()
        found[name] += known & set(re.findall(r"[a-z]+(?:\.[a-z_]+)+", shown))
        if visit.page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found[name].append("wider than the window")
    assert {name: one for name, one in found.items() if one} == {}


def test_what_is_exploited_stands_first_with_the_upgrade_that_clears_it(
    visitor: Visitor, packages: Site
) -> None:
    visit = visiting(visitor, packages)
    visit.open("/dependencies")
    rows = visit.page.get_by_role("grid").get_by_role("row")
    first = rows.nth(1)
    expect(first).to_contain_text("lodash")
    expect(first).to_contain_text(EN["dependencies.exploited"])
    expect(first).to_contain_text("upgrade to 4.17.21 clears 2 of 2")
    expect(rows.filter(has_text="left-out")).to_contain_text(EN["dependencies.nofix"])
    expect(rows.filter(has_text="flat")).to_contain_text(EN["dependencies.development"])
    visit.page.get_by_role("combobox", name=EN["dependencies.which"]).select_option("nofix")
    expect(rows.filter(has_text="lodash")).to_have_count(0)
    expect(rows.filter(has_text="left-out")).to_have_count(1)


def test_a_package_tells_its_way_in_and_leads_to_its_findings(
    visitor: Visitor, packages: Site
) -> None:
    visit = visiting(visitor, packages)
    visit.open("/dependencies?text=CVE-2022-24999")
    visit.page.get_by_role("grid").wait_for()
    visit.page.keyboard.press("j")
    visit.page.keyboard.press("Enter")
    panel = visit.page.get_by_role("complementary")
    expect(panel.get_by_role("heading", level=2)).to_be_focused()
    steps = panel.get_by_role("list").filter(has_text="body-parser").get_by_role("listitem")
    expect(steps).to_contain_text(["express", "body-parser", "qs"])
    panel.get_by_role("link", name=re.compile("A query stops the process")).click()
    visit.page.wait_for_url("**/findings?*")
    visit.settled()
    link = panel.get_by_role("link", name="CVE-2022-24999", exact=True).last
    expect(link).to_have_attribute("rel", "noreferrer")
    expect(link).to_have_attribute("href", "https://nvd.nist.gov/vuln/detail/CVE-2022-24999")
    expect(panel.get_by_text("CVSS:3.1", exact=False).first).to_be_visible()


def test_a_finding_tells_where_the_package_is_used(visitor: Visitor, packages: Site) -> None:
    visit = visiting(visitor, packages)
    visit.open(f"/findings?domain=deps&open={finding(packages, 'rule=CVE-2021-23337')['id']}")
    panel = visit.page.get_by_role("complementary")
    expect(panel.get_by_text("src/index.js:1").first).to_be_visible()
    expect(panel.get_by_text("known to be exploited since", exact=False).last).to_be_visible()


def test_terraform_findings_name_the_address(visitor: Visitor, packages: Site) -> None:
    one = finding(packages, "domain=iac&path=infra/database.tf")
    visit = visiting(visitor, packages)
    visit.open(f"/findings?open={one['id']}")
    panel = visit.page.get_by_role("complementary")
    address = one["resource"].partition("/")[2]
    expect(panel.get_by_text(address, exact=True).first).to_be_visible()


def test_an_import_makes_a_row_and_a_proposal_appear(visitor: Visitor, packages: Site) -> None:
    visit = visiting(visitor, packages)
    other = visiting(visitor, packages)
    visit.open("/dependencies?text=psycopg")
    other.open("/dependencies/proposals")
    visit.page.get_by_text(EN["dependencies.empty.filter"]).wait_for()
    one = record(LIVE, "", "PyPI:psycopg", "3.2.10", "A made-up fault", vector=HIGH)
    imported(packages, f"{LIVE}.json", json.dumps(one).encode())
    row = visit.page.get_by_role("row").filter(has_text="psycopg")
    expect(row).to_contain_text("upgrade to 3.2.10 clears 1 of 1")
    expect(other.page.get_by_role("row").filter(has_text="psycopg → 3.2.10")).to_have_count(1)
    visit.open("/dependencies/advisories")
    changed = visit.page.get_by_role("region", name=EN["dependencies.last"])
    expect(changed).to_contain_text(f"{EN['dependencies.opened']}1")
    expect(visit.page.get_by_role("listitem").filter(has_text="PyPI").first).to_contain_text(
        EN["dependencies.single"]
    )


def test_a_file_is_imported_by_an_administrator(
    visitor: Visitor, packages: Site, tmp_path: Path
) -> None:
    file = tmp_path / "GHSA-wwww-xxxx-0003.json"
    one = record(file.stem, "", "nobody-has-it", "2.0.0", "About nothing here")
    file.write_text(json.dumps(one))
    visit = visiting(visitor, packages)
    visit.open("/dependencies/advisories")
    visit.page.get_by_label(EN["dependencies.import.file"]).set_input_files(file)
    visit.named("button", EN["dependencies.import.do"]).click()
    line = visit.page.get_by_role("region", name=EN["dependencies.imports"])
    done = line.get_by_role("listitem").filter(has_text=file.name)
    expect(done).to_contain_text(EN["dependencies.importstate.done"])


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_each_version_in_use_is_shown_with_where_it_goes(
    visitor: Visitor, packages: Site, lang: str
) -> None:
    one = proposal(packages, "qs")
    moves = [("6.5.2", "6.5.3", False), ("5.0.0", "6.0.4", True)]
    told = [{"version": was, "target": to, "major": major} for was, to, major in moves]

    def several(route: Route) -> None:
        """The server's answer, as if a second version were in use."""
        answer = route.fetch()
        found = answer.json()
        for each in found.get("items", [found]):
            if each["id"] == one["id"]:
                each.update(upgrades=told, versions=["6.5.2", "5.0.0"])
        route.fulfill(response=answer, json=found)

    visit = visiting(visitor, packages, lang=lang)
    visit.page.route(re.compile(r"/api/v1/proposals[/?]"), several)
    visit.open(f"/dependencies/proposals?open={one['id']}")
    major = {"en": EN, "ko": KO}[lang]["dependencies.major"]
    panel = visit.page.get_by_role("complementary")
    expect(panel.get_by_role("heading", name="qs → 6.5.3, 6.0.4")).to_be_visible()
    steps = panel.get_by_role("listitem")
    expect(steps.filter(has_text="5.0.0 → 6.0.4")).to_contain_text(major)
    expect(steps.filter(has_text="6.5.2 → 6.5.3")).not_to_contain_text(major)
    row = visit.page.get_by_role("row").filter(has_text="qs → 6.5.3, 6.0.4")
    expect(row).to_contain_text(f"6.5.2 → 6.5.3, 5.0.0 → 6.0.4 · {major}")
    visit.page.set_viewport_size({"width": 390, "height": 844})
    expect(steps.filter(has_text="5.0.0 → 6.0.4")).to_be_visible()
    assert visit.barriers() == []


def test_a_proposal_is_copied_and_dismissed_with_a_reason(visitor: Visitor, packages: Site) -> None:
    one = proposal(packages, "flat")
    visit = visiting(visitor, packages)
    visit.open(f"/dependencies/proposals?open={one['id']}")
    panel = visit.page.get_by_role("complementary")
    panel.get_by_role("button", name=EN["dependencies.copy"]).click()
    text = visit.page.evaluate("navigator.clipboard.readText()")
    assert text.startswith("Upgrade flat to 5.0.1 in package-lock.json\n\n")
    assert "CVE-2021-32803" in text
    panel.get_by_role("button", name=EN["dependencies.dismiss"]).click()
    dialog = visit.page.get_by_role("dialog")
    dialog.get_by_label(EN["dependencies.dismiss.why"]).fill("It never leaves the build machine")
    assert visit.barriers() == []
    dialog.get_by_role("button", name=EN["dependencies.dismiss"]).click()
    expect(dialog).to_have_count(0)
    expect(panel).to_contain_text("It never leaves the build machine")
    rows = visit.page.get_by_role("row").filter(has_text="flat → 5.0.1")
    expect(rows).to_have_count(0)
    visit.page.get_by_role("combobox", name=EN["dependencies.state"]).select_option("dismissed")
    expect(rows).to_have_count(1)


@pytest.mark.parametrize(
    ("name", "mark"), [("CycloneDX", "bomFormat"), ("SPDX", "spdxVersion")], ids=["cdx", "spdx"]
)
def test_an_sbom_is_taken_along(visitor: Visitor, packages: Site, name: str, mark: str) -> None:
    visit = visiting(visitor, packages)
    visit.open("/dependencies/sboms?package=lodash")
    row = visit.page.get_by_role("row").filter(has_text="front")
    with visit.page.expect_download() as waiting:
        row.get_by_role("link", name=re.compile(f"^{name}")).click()
    document = json.loads(waiting.value.path().read_text())
    assert mark in document
    assert "lodash" in json.dumps(document)


def test_who_may_only_look_is_offered_nothing_else(visitor: Visitor, packages: Site) -> None:
    visit = visitor(known=False, url=packages.url)
    visit.page.goto(packages.url)
    visit.page.get_by_label(EN["signin.token"]).fill(packages.viewer)
    visit.page.keyboard.press("Enter")
    visit.page.locator("nav a[aria-current=page]").wait_for(state="attached")
    visit.open("/dependencies/advisories")
    expect(visit.page.get_by_role("heading", name=EN["dependencies.known"])).to_be_visible()
    expect(visit.page.get_by_label(EN["dependencies.import.file"])).to_have_count(0)
    visit.open(f"/dependencies/proposals?open={proposal(packages, 'lodash')['id']}")
    expect(visit.page.get_by_role("complementary")).to_contain_text("haechi patch --only deps")
    expect(visit.named("button", EN["dependencies.dismiss"])).to_have_count(0)


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_views_without_data_teach_what_brings_it(
    visitor: Visitor, tmp_path: Path, lang: str
) -> None:
    commands = {
        "/dependencies": "haechi scan --push",
        "/dependencies/sboms": "haechi scan --push",
        "/dependencies/advisories": "haechi db import",
    }
    with working_site(tmp_path) as site:
        visit = visiting(visitor, site, lang=lang)
        for path, command in commands.items():
            visit.open(path)
            expect(visit.page.get_by_text(command, exact=False).first).to_be_visible()
            assert visit.barriers() == [], path
        visit.page.goto("about:blank")
