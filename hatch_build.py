"""The build hook of the wheel and the sdist: both carry the page as built files.

In a checkout (``web/`` is there) the page is built first; from an sdist its files are there
already. ``HAECHI_NO_PAGE=1`` builds without the page, as an editable install always does.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PageHook(BuildHookInterface[Any]):
    """Builds the page when there are sources for it."""

    def dependencies(self) -> list[str]:
        """Node as a wheel where the machine has none."""
        page = self._page()
        return [f"{page.WHEEL}>=22"] if page is not None and page.find_node() is None else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before the files are collected. Raises the builder's error when it fails."""
        page = self._page()
        if page is not None and version != "editable":
            page.build()

    def _page(self) -> ModuleType | None:
        path = Path(self.root) / "web" / "build.py"
        if os.environ.get("HAECHI_NO_PAGE") or not path.is_file():
            return None
        spec = importlib.util.spec_from_file_location("haechi_page_build", path)
        if spec is None or spec.loader is None:
            raise ImportError(path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
