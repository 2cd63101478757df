"""What a policy is called where findings and waivers live."""

from __future__ import annotations

from haechi.model.admission import Family

_PREFIX = "policy:"
_RULES = f"{Family.RULES.value}/"


def rule_id(policy: str) -> str:
    """The rule id of a policy's findings: ``policy:gatekeeper/K8sRequiredLabels/owner``.

    A rule of the catalogue keeps its own id, so that one waiver means the same in a scan and
    at the door.
    """
    if policy.startswith(_RULES):
        return policy.removeprefix(_RULES)
    return _PREFIX + policy


def policy_id(rule: str) -> str:
    """The policy whose findings carry this rule id."""
    if rule.startswith(_PREFIX):
        return rule.removeprefix(_PREFIX)
    return _RULES + rule
