"""Events and rules for the runtime's tests."""

from __future__ import annotations

from typing import Any

from haechi.engines.falco.engine import Engine
from haechi.engines.falco.load import load
from haechi.engines.falco.ruleset import RuleText
from haechi.model.event import Event

AT_NS = 1_795_348_800 * 10**9
"""2026-11-22T12:00:00Z."""
SHELL = """
- rule: Shell
  desc: a shell was started
  condition: evt.type = execve and proc.name in (bash, sh)
  output: shell %proc.name by %proc.pname
  priority: WARNING
  tags: [process]
- rule: Secret read
  desc: a secret was read
  condition: evt.type in (open, openat) and fd.name startswith /etc/shadow
  output: read %fd.name
  priority: CRITICAL
- rule: Secrets listed
  desc: secrets were listed
  condition: ka.verb = list and ka.target.resource = secrets
  output: listed by %ka.user.name
  priority: NOTICE
  source: k8s_audit
"""


def execve(name: str = "bash", number: int = 0, **given: Any) -> Event:
    """A program was started."""
    fields = {"proc.name": name, "proc.pname": "nginx", **given.pop("fields", {})}
    plain = {"id": f"e{number}", "ts_ns": AT_NS + number, "source": "sensor", "type": "execve"}
    return Event(**{**plain, "cluster": "east", "namespace": "shop", "fields": fields, **given})


def audit(number: int = 0, **given: Any) -> Event:
    """Secrets were listed."""
    fields = {
        "ka.verb": "list",
        "ka.target.resource": "secrets",
        "ka.user.name": "eve",
        "jevt.obj": {"verb": "list"},
    }
    plain = {"id": f"k{number}", "ts_ns": AT_NS + number, "type": "list"}
    return Event(**{**plain, "source": "kubernetes-audit", "fields": fields, **given})


def engine(text: str = SHELL) -> Engine:
    """An engine of a rule file without faults."""
    loaded = load([RuleText(name="rules.yaml", text=text)])
    assert not [one for one in loaded.problems if one.error], loaded.problems
    return Engine(loaded.rules)
