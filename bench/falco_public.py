"""The public Falco rule files, where they are on this machine. Not a benchmark.

``HAECHI_FALCO_RULES`` names a folder with ``falco_rules.yaml`` and kin; without it they are read
out of bare copies of the repositories under ``HAECHI_MIRRORS`` (``/work/.mirror``). They are never
part of this repository.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import msgspec

from haechi.engines.falco.load import load
from haechi.engines.falco.ruleset import Rule, RuleText

SYSCALL = ("falco_rules.yaml", "falco-incubating_rules.yaml", "falco-sandbox_rules.yaml")
AUDIT = ("k8s_audit_rules.yaml",)
_MIRRORS = Path(os.environ.get("HAECHI_MIRRORS", "/work/.mirror"))
_PLACES = {
    **{name: ("falcosecurity+rules", f"rules/{name}") for name in SYSCALL},
    AUDIT[0]: ("falcosecurity+plugins", f"plugins/k8saudit/rules/{AUDIT[0]}"),
}


def rule_text(name: str) -> RuleText | None:
    """One file, None when it is not here."""
    folder = os.environ.get("HAECHI_FALCO_RULES")
    if folder:
        path = Path(folder) / name
        return RuleText(name=name, text=path.read_text()) if path.is_file() else None
    repository, path_in = _PLACES[name]
    place = _MIRRORS / repository / "repo"
    if not place.is_dir():
        return None
    shown = subprocess.run(
        ["git", "-C", str(place), "show", f"HEAD:{path_in}"], capture_output=True, check=False
    )
    return RuleText(name=name, text=shown.stdout.decode()) if shown.returncode == 0 else None


def public_rules(*names: str) -> tuple[Rule, ...]:
    """The rules of these files, disabled ones enabled; empty when a file is not here."""
    texts = [rule_text(name) for name in names]
    found = [text for text in texts if text is not None]
    if len(found) != len(names):
        return ()
    rules = load(found).rules
    return tuple(msgspec.structs.replace(rule, enabled=True) for rule in rules)
