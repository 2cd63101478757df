"""Reviews of CI files for tests: text → resource by the real reader, and what a judge says."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import msgspec
import yaml

from haechi.model.location import AttrPath, Location
from haechi.model.resource import Resource
from haechi.model.review import Hit, Review
from haechi.rules.schema import Rule, RuleFile
from haechi.scan.iac.workflows import EXAMPLES, read_workflow

DATA = Path(__file__).parents[3] / "src/haechi/rules/data/workflows"
Judge = Callable[[Review], Iterator[Hit]]


def own_rules() -> list[Rule]:
    """The rules that judges of this package serve; others are tested where theirs are."""
    rules: list[Rule] = []
    for path in sorted(DATA.glob("*.yaml")):
        rules += msgspec.convert(yaml.safe_load(path.read_text("utf-8")), RuleFile).rules
    return [rule for rule in rules if rule.function.startswith("workflows.")]


def judge_of(function: str) -> Judge:
    """The judge that a rule names."""
    module, _, name = function.partition(":")
    judge: Judge = getattr(importlib.import_module(f"haechi.checks.{module}"), name)
    return judge


def review_of(text: str, kind: str = "workflow") -> Review:
    """The review of a file's text."""
    resource, gaps = read_workflow(dedent(text).encode(), EXAMPLES[kind], kind)
    assert resource is not None, gaps
    return Review(resource=resource)


def review_of_value(data: Any, kind: str) -> Review:
    """The review of a plain value of any shape."""

    def locate(path: AttrPath) -> Location:
        return Location(path="ci.yml")

    return Review(
        resource=Resource(key="file:-/ci.yml", kind=kind, data=data, locate=locate, file="ci.yml")
    )


def said(function: str, text: str, kind: str = "workflow") -> list[str]:
    """The messages of a judge (``references:on_branch``) about a file."""
    return [hit.message for hit in judge_of(f"workflows.{function}")(review_of(text, kind))]


def steps(*steps: str) -> str:
    """A workflow of one job with these steps, each given as YAML of one step."""
    lines = ["on: push", "jobs:", "  job:", "    runs-on: ubuntu-latest", "    steps:"]
    for step in steps:
        first, *rest = dedent(step).strip().split("\n")
        lines += [f"      - {first}", *(f"        {line}" for line in rest)]
    return "\n".join(lines) + "\n"


def run(script: str, **env: str) -> str:
    """A workflow of one step that runs a script with variables."""
    step: dict[str, Any] = {"run": dedent(script)}
    if env:
        step["env"] = env
    job = {"runs-on": "ubuntu-latest", "steps": [step]}
    return yaml.safe_dump({"on": "push", "jobs": {"job": job}})
