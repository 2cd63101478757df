"""Every screen and dialog in both languages and themes, wide and narrow: no barrier that axe
knows of, no message left out, nothing wider than the window."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest

from tests.e2e.conftest import Visitor
from tests.e2e.site import Site, empty_site

WORDS = Path(__file__).parents[2] / "web" / "src" / "i18n"
SCREENS = {
    "now": "/",
    "findings": "/findings",
    "finding": "/findings?rule={rule}&open={finding}",
    "groups": "/findings?group=rule",
    "waivers": "/waivers",
    "resources": "/resources",
    "resource": "/resources/show?key={resource}",
    "rules": "/rules",
    "rule": "/rules/{rule}",
    "detections": "/rules/detections",
    "detection": "/rules/detections?name={detection}",
    "rule files": "/rules/files",
    "rule file": "/rules/files?name={file}",
    "new rule file": "/rules/new",
    "events": "/events",
    "event": "/events?range=24h&by=rule&event={event}",
    "search": "/events?text=shadow",
    "condition": "/events?filter=proc.name%20%3D%20bash&event={shell}&at={at}",
    "wrong condition": "/events?filter=proc.nam%20%3D%20bash",
    "calls": "/events?source=sensor",
    "requests": "/events?source=kubernetes-audit",
    "audit": "/audit",
    "record": "/audit?record=0",
    "health": "/settings",
    "feeds": "/settings/feeds",
    "connect": "/settings/connect?way=github",
    "connect a feed": "/settings/connect?way=kubernetes-audit",
    "tokens": "/settings/tokens",
    "new token": "/settings/tokens?new=1",
    "users": "/settings/users",
    "values": "/settings/values",
}

FILE = "screens.yaml"
RULES = """
- rule: Never here
  desc: a file's name at the start of a program
  condition: evt.type = execve and fd.name = /etc/passwd
  output: never %proc.name
  priority: NOTICE
"""


def words(lang: str) -> dict[str, str]:
    """The messages of a language, those of all rooms."""
    found: dict[str, str] = {}
    for file in (WORDS / f"{lang}.json", *sorted(WORDS.glob(f"rooms/*.{lang}.json"))):
        found |= json.loads(file.read_text(encoding="utf-8"))
    return found


def paths(site: Site) -> dict[str, str]:
    """The screens' paths with the ids of this store."""
    found = site.ask("GET", "/findings?severity=critical&rule=k8s-privileged&limit=1")["items"]
    finding = found[0]
    event = site.ask("GET", "/events?limit=1")["items"][0]
    found_shell = site.ask("GET", "/events?source=haechi&limit=1")["items"][0]
    shell = found_shell["event"]
    if FILE not in {one["name"] for one in site.ask("GET", "/runtime/files")["items"]}:
        body = {"text": RULES, "version": 0, "note": "to be looked at"}
        site.ask("PUT", f"/runtime/files/{FILE}", msgspec.json.encode(body))
    places = {
        "{finding}": finding["id"],
        "{resource}": finding["resource"],
        "{rule}": finding["rule"],
        "{event}": str(event["seq"]),
        "{detection}": quote(shell["rule"]),
        "{file}": FILE,
        "{shell}": str(found_shell["seq"]),
        "{at}": str(shell["ts_ns"]),
    }
    return {name: _put(path, places) for name, path in SCREENS.items()}


def _put(path: str, places: dict[str, str]) -> str:
    for mark, value in places.items():
        path = path.replace(mark, value)
    return path


@pytest.mark.parametrize(("lang", "theme"), [("en", "light"), ("ko", "dark")])
def test_no_screen_has_a_barrier_or_lacks_a_word(
    visitor: Visitor, site: Site, lang: str, theme: str
) -> None:
    visit = visitor(lang=lang, theme=theme)
    visit.refused.append(400)  # the wrong condition
    visit.load("/")
    assert visit.page.evaluate("document.documentElement.lang") == lang
    known = set(words("en"))
    found: dict[str, list[str]] = {}
    for name, path in paths(site).items():
        visit.open(path)
        shown = visit.page.inner_text("body")
        found[name] = visit.barriers()
        found[name] += known & set(re.findall(r"[a-z]+(?:\.[a-z_]+)+", shown))
    assert {name: one for name, one in found.items() if one} == {}


@pytest.mark.parametrize(("lang", "theme"), [("ko", "light"), ("en", "dark")])
def test_narrow_screens_fit_and_have_no_barrier(
    visitor: Visitor, site: Site, lang: str, theme: str
) -> None:
    visit = visitor(lang=lang, theme=theme, width=390)
    visit.refused.append(400)  # the wrong condition
    visit.load("/")
    found: dict[str, list[str]] = {}
    for name, path in paths(site).items():
        visit.open(path)
        found[name] = visit.barriers() if name in ("now", "finding") else []
        if visit.page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found[name].append("wider than the window")
    assert {name: one for name, one in found.items() if one} == {}


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_the_first_screen_of_an_empty_store_says_how_to_begin(
    visitor: Visitor, tmp_path: Path, lang: str
) -> None:
    with empty_site(tmp_path) as site:
        visit = visitor(lang=lang, known=False, url=site.url)
        visit.page.goto(site.link())
        visit.settled()
        visit.page.get_by_text(words(lang)["now.first.title"]).wait_for()
        command = f"haechi scan . --push {site.url}"
        assert visit.page.get_by_text(command, exact=True).is_visible()
        assert visit.barriers() == []
        for path in ("/events", "/findings", "/resources"):
            visit.open(path)
            assert visit.barriers() == [], path
        visit.page.goto("about:blank")


def test_everything_of_the_first_load_is_small(visitor: Visitor) -> None:
    visit = visitor()
    sizes: list[int] = []
    visit.page.on(
        "response",
        lambda answer: (
            sizes.append(int(answer.headers.get("content-length", "0")))
            if "/api/" not in answer.url
            else None
        ),
    )
    visit.load("/")
    assert 0 < sum(sizes) <= 200_000


def test_a_path_that_leads_nowhere_says_so(visitor: Visitor) -> None:
    visit = visitor()
    visit.page.goto(f"{visit.url}/nowhere")
    visit.named("heading", words("en")["app.nothere"]).wait_for()
    assert visit.barriers() == []
