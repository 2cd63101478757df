"""Tell people and machines: terminal, JSON, SARIF, JUnit, HTML, Markdown.

Every format is a module with ``render(material) -> str``: pure, and the same text for the same
material. Formats are named here and imported when asked for, because a run writes one or two.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from haechi.errors import UsageError

if TYPE_CHECKING:
    from haechi.report.material import Material

FORMATS: Mapping[str, str] = {
    "terminal": "haechi.report.terminal",
    "json": "haechi.report.json",
    "sarif": "haechi.report.sarif",
    "junit": "haechi.report.junit",
    "html": "haechi.report.html",
    "markdown": "haechi.report.markdown",
}
"""Format name → module."""


def write(material: Material, format: str) -> str:
    """Render the material in a format with its defaults.

    Raises UsageError for a format that does not exist.
    """
    try:
        module = FORMATS[format]
    except KeyError:
        raise UsageError(
            f'there is no report format "{format}"', do="use one of: " + ", ".join(FORMATS)
        ) from None
    text: str = import_module(module).render(material)
    return text
