"""AKS: whether anybody watches a cluster, by an agent, by Defender or by a diagnostic setting."""

from __future__ import annotations

from collections.abc import Iterator

from haechi.checks.terraform.view import Hit, blocks, fails, linked, require_no_doubt, truth, value
from haechi.model.review import Review


def nobody_watches(review: Review) -> Iterator[Hit]:
    """Nothing that happens in the cluster is kept outside of it."""
    resource = review.resource
    for name in ("oms_agent", "microsoft_defender", "monitor_metrics"):
        if value(resource, (name, 0)) is not None:
            return
    for profile in blocks(resource, "addon_profile"):
        for agent in blocks(profile, "oms_agent"):
            if truth(agent.get("enabled"), True):
                return
    settings = "azurerm_monitor_diagnostic_setting"
    if linked(review, settings, "target_resource_id"):
        return
    require_no_doubt(review, settings, "target_resource_id")
    yield fails("nothing that happens in it is kept elsewhere")
