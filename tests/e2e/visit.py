"""One visitor of the page: a browser's page that is watched for what must never happen.

An error in the console (also of the content security policy), a request that leaves the origin
and an answer with a server's error fail the test at its end.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import ConsoleMessage, Locator, Page, Request, Response

AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
_RUN = """async (tags) => {
  const found = await axe.run(document, {
    runOnly: [...tags], resultTypes: ["violations"], preload: false,
  });
  return found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html.slice(0, 200))}`);
}"""

_STILL = "() => !document.querySelector('.skeleton, .waiting, [aria-busy=true]')"
_PAINTED = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


@functools.cache
def _axe() -> str:
    return AXE.read_text(encoding="utf-8")


class Visit:
    """``wrong`` collects what must not happen; ``done`` says it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.wrong: list[str] = []
        self.refused: list[int] = []
        """Statuses that the test brings about itself (a wrong token)."""
        self._open: set[Request] = set()
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        page.on("request", self._asked)
        page.on("response", self._answered)
        page.on("requestfinished", lambda request: self._open.discard(request))
        page.on("requestfailed", lambda request: self._open.discard(request))

    def open(self, path: str) -> None:
        """Go there as a link within the page does, so that nothing is loaded anew."""
        self.page.evaluate(
            "(to) => { const a = document.createElement('a'); a.href = to; a.id = 'e2e';"
            " document.body.append(a); a.click(); a.remove(); }",
            path,
        )
        self.settled()

    def load(self, path: str) -> None:
        """Go there by the address bar."""
        self.page.goto(self.url + path)
        self.settled()

    def settled(self) -> None:
        """Wait until the screen shows its heading, all answers are there and it is painted."""
        self.page.locator("h1").first.wait_for()
        self.page.wait_for_function(_STILL)
        while self._open:
            self.page.wait_for_timeout(10)
        self.page.evaluate(_PAINTED)

    def named(self, role: Any, name: str, exact: bool = True) -> Locator:
        """The one thing of this role and accessible name."""
        return self.page.get_by_role(role, name=name, exact=exact)

    def barriers(self, tags: Sequence[str] = RULES) -> list[str]:
        """What axe finds on the page as it is now."""
        if not self.page.evaluate("() => 'axe' in window"):
            self.page.evaluate(_axe())
        found: list[str] = self.page.evaluate(_RUN, list(tags))
        return found

    def done(self) -> None:
        """Fail when anything went wrong on the way."""
        if self.wrong:
            pytest.fail("\n".join(self.wrong), pytrace=False)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        # The browser reports refused requests by itself; `_answered` judges those.
        if message.text.startswith("Failed to load resource: the server responded"):
            return
        self.wrong.append(f"{message.type}: {message.text}")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((self.url + "/", "blob:" + self.url)):
            self.wrong.append(f"a request left the origin: {request.url}")
        if "/api/v1/stream" not in request.url:
            self._open.add(request)

    def _answered(self, response: Response) -> None:
        asks_who = response.url.endswith("/api/v1/me") and response.status == 401
        if response.status >= 400 and not asks_who and response.status not in self.refused:
            self.wrong.append(f"{response.status} {response.request.method} {response.url}")
