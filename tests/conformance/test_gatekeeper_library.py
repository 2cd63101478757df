"""Gatekeeper's public library, when it is at hand: every template loads, every case is right.

Upstream's suites say what is to be found by Rego and by CEL; where OPA is there, it is asked
about every case, too, and must give the very same violations, not only as many.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from haechi.admit.gatekeeper import Engine, load
from haechi.admit.gatekeeper.constraint import Constraint, read_constraint
from haechi.admit.gatekeeper.framework import prepared
from haechi.admit.gatekeeper.given import review_input
from haechi.admit.gatekeeper.rego_code import RegoCode, compile_rego
from haechi.admit.gatekeeper.running import Outcome, request_review, run_suites
from haechi.admit.gatekeeper.suites import Suite, Test, find_suites
from haechi.admit.gatekeeper.template import Template, read_template
from haechi.admit.reviews import review_of
from haechi.admit.view import ObjectsView
from haechi.engines.rego.parser import parse
from haechi.engines.rego.tree import Version
from haechi.engines.rego.writer import write
from haechi.model.review import Point
from haechi.world.manifests import read_manifests
from tests.oracles.opa import require_opa

ROOT = Path(os.environ.get("HAECHI_GATEKEEPER_LIBRARY", "/tmp/pub/gatekeeper-library"))
LIBRARY = ROOT / "library"

pytestmark = pytest.mark.skipif(
    not LIBRARY.is_dir(), reason=f"gatekeeper-library is not in {ROOT} (HAECHI_GATEKEEPER_LIBRARY)"
)


def _suites() -> list[Suite]:
    suites, unreadable = find_suites([LIBRARY])
    assert not unreadable
    return suites


def test_every_template_loads_with_its_constraints() -> None:
    templates = sorted(LIBRARY.rglob("template.yaml"))
    faults: list[str] = []
    for path in templates:
        samples = sorted(path.parent.glob("samples/*/constraint.yaml"))
        loaded = load(read_manifests([path, *samples]).resources, engine=Engine.REGO)
        faults += [f"{one.file}:{one.line}: {one.what}" for one in loaded.faults if one.fatal]
        assert len(loaded.policies) == len(samples)
    assert not faults
    assert len(templates) >= 49


@pytest.mark.parametrize(("engine", "least"), [(Engine.REGO, 270), (Engine.CEL, 131)])
def test_every_case_is_right(engine: Engine, least: int) -> None:
    counts: Counter[Outcome] = Counter()
    wrong: list[str] = []
    for suite in _suites():
        for result in run_suites([suite], engine=engine, wanted=lambda _test, _case: True):
            counts[result.outcome] += 1
            if result.outcome in (Outcome.FAILED, Outcome.ERROR):
                wrong.append(f"{result.file}:{result.line}: {result.case}: {result.reason}")
    print(f"{engine}: {dict(counts)}")
    assert not wrong
    assert counts[Outcome.PASSED] >= least


class _Asked(msgspec.Struct, frozen=True):
    """One case as the engines see it."""

    name: str
    given: dict[str, Any]
    inventory: dict[str, Any]


def _asked(folder: Path, test: Test, constraint: Constraint) -> Iterator[_Asked]:
    for case in test.cases:
        view = ObjectsView.of(
            [one for name in case.inventory for one in read_manifests([folder / name]).resources]
        )
        subject = read_manifests([folder / case.object]).resources[0]
        if subject.kind == "AdmissionReview":
            review = request_review(subject, view)
        else:
            review = review_of(subject, view, point=Point.FILE, operation="")
        parameters = {} if constraint.parameters is None else constraint.parameters
        given = {"review": review_input(review), "parameters": parameters}
        yield _Asked(case.name, given, dict(view.inventory()))


def _loaded(folder: Path, test: Test) -> tuple[Template, Constraint]:
    template, _ = read_template(read_manifests([folder / test.template]).resources[0])
    assert template is not None
    (body,) = read_manifests([folder / test.constraint]).resources
    constraint, faults = read_constraint(body, template)
    assert constraint is not None, faults
    return template, constraint


def _as_v1(template: Template) -> list[str]:
    source = template.rego
    assert source is not None
    version = Version(source.version)
    libs = [parse(text, version=version) for text in source.libs]
    return [write(one) for one in prepared(parse(source.text, version=version), libs)]


def _canonical(values: list[Any]) -> list[str]:
    return sorted(json.dumps(value, sort_keys=True) for value in values)


def test_opa_gives_the_very_same_violations() -> None:
    opa = require_opa()
    asked = 0
    wrong: list[str] = []
    for suite in _suites():
        for test in suite.tests:
            template, constraint = _loaded(suite.file.parent, test)
            code = compile_rego(template)
            assert isinstance(code, RegoCode)
            modules = _as_v1(template)
            for one in _asked(suite.file.parent, test, constraint):
                data = {"inventory": one.inventory}
                (theirs,) = opa.evaluate(modules, "data.template.violation", one.given, data)
                ours = [
                    {"msg": found.message, "details": found.details}
                    for found in code.violations(one.given, one.inventory)
                ]
                expected = [{"msg": v["msg"], "details": v.get("details", {})} for v in theirs]
                asked += 1
                if _canonical(ours) != _canonical(expected):
                    wrong.append(f"{template.kind} {one.name}: {ours} but OPA {expected}")
    assert not wrong
    assert asked >= 270
