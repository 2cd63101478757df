"""What people do on the page, by mouse and by keyboard, and what it shows while others work."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import Visitor
from tests.e2e.site import Site
from tests.e2e.test_screens import words

EN = words("en")
PRIVILEGED = """
apiVersion: v1
kind: Pod
metadata: {name: intruder, namespace: shop}
spec:
  containers:
    - name: intruder
      image: docker.io/library/busybox:1.36
      securityContext: {privileged: true}
"""


def haechi(*words: str) -> None:
    """Run the command line; fail unless it is content."""
    command = [sys.executable, "-m", "haechi", *words]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


def finding_of(site: Site, rule: str) -> str:
    """The id of one open finding of a rule."""
    found = site.ask("GET", f"/findings?state=open&rule={rule}&limit=1")["items"]
    return str(found[0]["id"])


def test_what_needs_a_person_comes_with_picture_change_and_evidence(
    visitor: Visitor, site: Site
) -> None:
    visit = visitor()
    visit.load("/")
    first = visit.page.get_by_role("list").filter(has_text="The internet reaches").last
    picture = visit.page.get_by_role("list", name=EN["now.chain.label"]).first
    stops = picture.get_by_role("listitem")
    expect(stops.first).to_contain_text(EN["now.chain.internet"])
    expect(stops.nth(1)).to_contain_text("Ingress")
    expect(stops.last).to_contain_text("ClusterRole")
    expect(first).to_contain_text("grant only the named objects")
    visit.page.get_by_role("button", name=re.compile("^Evidence: ")).first.click()
    visit.page.get_by_role("link", name="k8s-rbac-secrets-cluster-wide").wait_for()
    assert visit.barriers() == []

    head = visit.page.get_by_role("button", expanded=False).filter(has_text="SYS_PTRACE")
    head.focus()
    visit.page.keyboard.press("Enter")
    expect(
        visit.page.get_by_role("button", expanded=True, name=re.compile("SYS_PTRACE"))
    ).to_be_visible()
    assert "turned=" in visit.page.url


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_a_finding_is_waived_with_reason_owner_and_end(
    visitor: Visitor, site: Site, lang: str
) -> None:
    say = words(lang)
    rule = {"en": "k8s-host-pid", "ko": "k8s-host-network"}[lang]
    rules = {one["rule"] for one in site.ask("GET", "/findings?state=open&limit=200")["items"]}
    rule = (
        rule
        if rule in rules
        else sorted(one for one in rules if one.startswith("docker-"))[lang == "ko"]
    )
    id_ = finding_of(site, rule)
    visit = visitor(lang=lang, theme="dark" if lang == "en" else "light")
    visit.load(f"/findings?open={id_}")
    visit.named("button", say["waive.open"]).click()
    dialog = visit.page.get_by_role("dialog")
    visit.named("button", say["waive.do"]).click()
    assert dialog.locator(".wrong").count() >= 1
    assert visit.barriers() == []
    dialog.get_by_label(say["waive.reason"], exact=True).fill("Isolated node, replaced in spring")
    visit.named("button", say["waive.do"]).click()
    expect(dialog).to_have_count(0)
    expect(
        visit.page.get_by_role("complementary").get_by_text(say["state.waived"]).first
    ).to_be_visible()
    assert site.ask("GET", f"/findings/{id_}")["finding"]["state"] == "waived"


def test_an_owner_is_set_from_the_panel(visitor: Visitor, site: Site) -> None:
    id_ = finding_of(site, "k8s-privileged")
    visit = visitor()
    visit.load(f"/findings?open={id_}")
    visit.named("button", EN["findings.edit.owner"]).click()
    field = visit.page.get_by_label(EN["findings.facet.owner"], exact=True).last
    field.fill("ana@shop.example")
    visit.page.keyboard.press("Enter")
    expect(
        visit.page.get_by_role("complementary").get_by_text("ana@shop.example").first
    ).to_be_visible()
    assert site.ask("GET", f"/findings/{id_}")["finding"]["owner"] == "ana@shop.example"


def test_keys_move_open_search_and_help(visitor: Visitor) -> None:
    visit = visitor()
    visit.load("/findings")
    visit.page.keyboard.press("j")
    visit.page.keyboard.press("j")
    visit.page.keyboard.press("Enter")
    visit.page.get_by_role("complementary").get_by_role("heading", level=2).first.wait_for()
    assert "open=" in visit.page.url
    visit.page.keyboard.press("Escape")
    visit.page.wait_for_function("() => !location.search.includes('open=')")
    visit.page.keyboard.press("?")
    visit.page.get_by_role("dialog").wait_for()
    assert visit.barriers() == []
    visit.page.keyboard.press("Escape")

    visit.page.keyboard.press("Control+k")
    palette = visit.named("combobox", EN["palette.open"])
    palette.fill(EN["nav.events"].lower())
    visit.page.keyboard.press("Enter")
    visit.page.wait_for_url("**/events")
    visit.page.keyboard.press("Control+k")
    palette.fill("privileged")
    visit.page.get_by_role("option").filter(has_text="privileged").first.wait_for()
    assert visit.barriers() == []


def test_the_page_follows_a_push_without_being_loaded_again(visitor: Visitor, site: Site) -> None:
    visit = visitor()
    visit.load("/")
    visit.page.evaluate("window.stayed = true")
    file = site.shop / "deploy" / "base" / "intruder.yaml"
    file.write_text(PRIVILEGED, encoding="utf-8")
    site.push()
    expect(visit.page.get_by_role("main")).to_contain_text("Pod shop/intruder")
    assert visit.page.evaluate("window.stayed")


def test_events_are_followed_paused_and_searched(visitor: Visitor, site: Site) -> None:
    visit = visitor()
    visit.load("/events")
    rows = visit.page.locator("tbody tr")
    newest = rows.first.get_by_role("button")
    before = rows.count()
    site.send(3)
    expect(rows).to_have_count(before + 3)
    visit.named("button", EN["events.pause"]).click()
    site.send(2)
    visit.page.get_by_text("2 events have come meanwhile").wait_for()
    assert rows.count() == before + 3
    visit.named("button", EN["events.resume"]).click()
    expect(rows).to_have_count(before + 5)

    newest.click()
    panel = visit.page.get_by_role("complementary")
    expect(panel).to_contain_text("proc.name", use_inner_text=True)
    link = visit.page.url
    for _ in range(6):  # a key that is pressed while new rows are drawn may find no row to leave
        visit.page.keyboard.press("j")
        visit.page.wait_for_timeout(1_000)
        if visit.page.url != link:
            break
    assert visit.page.url != link
    panel.get_by_role("button", name=EN["dialog.close"]).click()

    visit.page.keyboard.press("/")
    visit.page.keyboard.type("203.0.113.7")
    visit.page.keyboard.press("Enter")
    visit.page.get_by_text(EN["events.searched.all"]).wait_for()
    texts = visit.page.locator("tbody tr .what").all_inner_texts()
    assert texts
    assert all("203.0.113.7" in text for text in texts)

    visit.load(link[len(site.url) :] + "&source=flows")
    expect(visit.page.get_by_role("complementary")).to_contain_text("proc.name")


def test_counts_are_a_chart_and_a_table_that_lead_to_their_events(visitor: Visitor) -> None:
    visit = visitor()
    visit.load("/events?range=15m&by=rule")
    visit.page.locator(".plot svg").wait_for()
    visit.page.get_by_role("button", name="Read sensitive file").first.click()
    assert "rule=Read+sensitive+file" in visit.page.url
    visit.named("button", EN["events.table"]).click()
    table = visit.page.get_by_role("group", name=EN["events.table"]).get_by_role("table")
    table.wait_for()
    assert visit.barriers() == []
    table.get_by_role("button").last.click()
    visit.page.get_by_text(EN["events.state.fixed"]).wait_for()
    assert "since=" in visit.page.url


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_a_token_is_made_shown_once_and_revoked(visitor: Visitor, site: Site, lang: str) -> None:
    say = words(lang)
    visit = visitor(lang=lang)
    visit.load("/settings/tokens")
    visit.named("button", say["settings.token.new"]).click()
    visit.page.get_by_label(say["settings.token.name"], exact=True).fill(f"ci-{lang}")
    visit.page.keyboard.press("Enter")
    field = visit.page.get_by_label(say["settings.token.secret"], exact=True)
    secret = field.input_value()
    assert secret.startswith("haechi_")
    assert visit.barriers() == []
    visit.named("button", say["settings.token.done"]).click()
    assert secret not in visit.page.content()
    revoke = say["settings.token.revoke.name"].replace("{name}", f"ci-{lang}")
    visit.named("button", revoke).click()
    assert visit.barriers() == []
    visit.page.get_by_role("dialog").get_by_role(
        "button", name=say["settings.token.revoke"], exact=True
    ).click()
    row = visit.page.get_by_role("row").filter(has_text=f"ci-{lang}")
    expect(row).to_contain_text(say["settings.token.isrevoked"])


def test_a_record_of_the_audit_log_gives_its_proof(
    visitor: Visitor, site: Site, tmp_path: Path
) -> None:
    visit = visitor()
    visit.load("/audit?action=token.create")
    visit.page.get_by_role("button", name=re.compile("^Open record")).last.click()
    with visit.page.expect_download() as download:
        visit.named("link", EN["audit.proof.get"]).click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    assert re.fullmatch(r"haechi-proof-\d+\.json", file.name)
    assert f"haechi audit verify --proof {file.name}" in visit.page.inner_text("main")
    anchor = tmp_path / "anchor.json"
    haechi("audit", "anchor", "--store", str(site.store), "-o", str(anchor))
    haechi("audit", "verify", "--proof", str(file), "--anchor", str(anchor))


def test_roles_of_a_user_open_in_a_dialog(visitor: Visitor) -> None:
    visit = visitor()
    visit.load("/settings/users")
    visit.page.get_by_role("button", name=re.compile("^Roles of ")).first.click()
    visit.page.get_by_role("dialog").wait_for()
    assert visit.barriers() == []
    visit.page.keyboard.press("Escape")
    expect(visit.page.get_by_role("dialog")).to_have_count(0)
