"""What every report format is given: the gated scan, the decision, and the rules' words."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from haechi.model.scan import Decision, Scan
from haechi.rules.schema import Rule


class Material(msgspec.Struct, frozen=True, kw_only=True):
    """``rules`` holds every rule that a finding names, with its texts. ``read`` gives the text
    of a scanned file (path relative to the root) for code frames, or None."""

    scan: Scan
    decision: Decision
    rules: Mapping[str, Rule]
    read: Callable[[str], str | None]
    version: str
