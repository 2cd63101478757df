"""What a built-in rule says about files of Terraform, by the address of each resource."""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from typing import Any

from haechi.checks.judge import Judge
from haechi.engines.cel import CelEngine
from haechi.model.review import Review
from haechi.rules.catalogue import load_catalogue
from haechi.scan.iac.kubernetes import Inventory
from haechi.scan.iac.terraform.read import resources_of_terraform


@cache
def judge_of(rule: str) -> Judge:
    """The judge of one rule."""
    return Judge([load_catalogue().by_id[rule]], CelEngine())


def states(rule: str, files: str | dict[str, str]) -> dict[str, list[str]]:
    """The states of every resource that the rule is about."""
    texts = {"main.tf": files} if isinstance(files, str) else files
    resources = resources_of_terraform({path: text.encode() for path, text in texts.items()})
    scope, shared = Inventory(resources), dict[str, Any]()
    found: dict[str, list[str]] = defaultdict(list)
    for resource in resources:
        review = Review(resource=resource, scope=scope, shared=shared)
        for verdict in judge_of(rule).review(review):
            found[resource.name].append(str(verdict.state))
    return dict(found)


def state(rule: str, files: str | dict[str, str]) -> str:
    """The one state that the rule has for the only resource that it is about."""
    found = states(rule, files)
    assert len(found) == 1, found
    (said,) = found.values()
    assert len(set(said)) == 1, said
    return said[0]
