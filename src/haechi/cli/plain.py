"""Lines for standard error and of small commands: no escapes, no commands to a CI server.

Errors quote what scanned files hold, as reports do.
"""

from __future__ import annotations


def plain(text: str) -> str:
    """The text line by line, fit for a terminal and a CI log."""
    from haechi.report.text import inert, visible

    return inert("\n".join(map(visible, text.split("\n"))))
