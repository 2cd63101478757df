"""Suppressions written beside the code, ours and other tools', as waivers.

Whoever moves here keeps what they have: comments for Checkov, hadolint and Trivy and the
annotations of Checkov and kube-linter count, as far as a rule of ours refers to the same check.
The gate decides under ``gate.inline_waivers`` whether they hold; here they are only collected.
"""

from __future__ import annotations

from haechi.scan.suppressions.annotations import from_object
from haechi.scan.suppressions.audits import from_audit
from haechi.scan.suppressions.index import Index, build_index
from haechi.scan.suppressions.inline import from_text
from haechi.scan.suppressions.peers import PEER_FILES, from_peer_file

__all__ = [
    "PEER_FILES",
    "Index",
    "build_index",
    "from_audit",
    "from_object",
    "from_peer_file",
    "from_text",
]
