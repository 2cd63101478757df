"""One browser and one filled server for all of these tests; each test visits by itself."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, StorageState, expect, sync_playwright

import haechi.server.page
from tests.e2e.site import Site, filled_site
from tests.e2e.visit import AXE, Visit

Visitor = Callable[..., Visit]
PAGE = Path(os.environ.get("HAECHI_PAGE_OUT") or haechi.server.page.FOLDER)
"""The built page: that of the package, or where Vite was told to put it."""
TIMEOUT_MS = 30_000


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; skips with the reason where the page cannot be shown."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if program is None:
        pytest.skip("no chromium on this machine (apt-get install chromium)")
    if not (PAGE / "index.html").is_file():
        pytest.skip("the page was not built (./dev page)")
    if not AXE.is_file():
        pytest.skip("axe-core is not installed (./dev page)")
    expect.set_options(timeout=TIMEOUT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def site(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The filled server. It asks for the browser first: without one nothing has to be filled."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(haechi.server.page, "FOLDER", PAGE)
        with filled_site(tmp_path_factory.mktemp("e2e")) as site:
            yield site


@pytest.fixture(scope="package")
def signed_in(browser: Browser, site: Site) -> StorageState:
    """The administrator's session, for tests that are not about signing in."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(site.link())
    page.locator("nav a[aria-current=page]").wait_for()
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def visitor(browser: Browser, site: Site, signed_in: StorageState) -> Iterator[Visitor]:
    """Makes visits: ``visitor(lang="ko", theme="dark", width=390, who=None)``; checks them all."""
    opened: list[tuple[BrowserContext, Visit]] = []

    def visit(
        *,
        lang: str = "en",
        theme: str = "light",
        width: int = 1280,
        known: bool = True,
        url: str = "",
    ) -> Visit:
        context = browser.new_context(
            locale={"ko": "ko-KR"}.get(lang, "en-US"),
            color_scheme="dark" if theme == "dark" else "light",
            reduced_motion="reduce",
            viewport={"width": width, "height": 860},
            storage_state=signed_in if known else None,
            permissions=["clipboard-read", "clipboard-write"],
        )
        context.set_default_timeout(TIMEOUT_MS)
        made = Visit(context.new_page(), url or site.url)
        opened.append((context, made))
        return made

    yield visit
    for context, made in opened:
        context.close()
        made.done()


@pytest.fixture
def shop(site: Site) -> Path:
    """The pushed repository's folder."""
    return site.shop
