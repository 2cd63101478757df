"""Plans and state in JSON, also such as are made to harm."""

from __future__ import annotations

import json
from typing import Any

import pytest

from haechi.model.unknown import Unknown
from haechi.scan.iac.terraform import plan_origins
from haechi.scan.iac.terraform.plans import Planned, read_plan
from tests.scan.iac.terraform.declared import read


def plan(resources: list[dict[str, Any]], **others: Any) -> Planned:
    content = {
        "format_version": "1.2",
        "planned_values": {"root_module": {"resources": resources}},
        **others,
    }
    found = read_plan(json.dumps(content).encode(), "plan.json")
    assert found is not None
    return found


def resource(name: str = "a", **values: Any) -> dict[str, Any]:
    return {"address": f"aws_x.{name}", "type": "aws_x", "name": name, "values": values}


def changed(name: str, **unknown: Any) -> dict[str, Any]:
    return {"address": f"aws_x.{name}", "change": {"after_unknown": unknown}}


def chained(levels: int) -> dict[str, Any]:
    """Modules in modules, each of whose two inputs need both of the caller's."""
    both = {"references": ["var.a", "var.b"]}
    module: dict[str, Any] = {
        "resources": [{"address": "aws_x.a", "expressions": {"v": {"references": ["var.a"]}}}]
    }
    for _ in range(levels):
        call = {"module": module, "expressions": {"a": both, "b": both}}
        module = {"module_calls": {"m": call}}
    return {"root_module": module}


def test_an_unknown_value_says_where_it_comes_from() -> None:
    expressions = {"v": {"references": ["aws_y.b.arn", "aws_y.b"]}}
    found = plan(
        [resource(known=1)],
        resource_changes=[changed("a", v=True, known=False)],
        configuration={
            "root_module": {"resources": [{"address": "aws_x.a", "expressions": expressions}]}
        },
    )
    (one,) = found.resources
    assert one.data["known"] == 1
    assert isinstance(one.data["v"], Unknown)
    assert [(ref.address, ref.path) for ref in one.data["v"].refs] == [("aws_y.b", ("arn",))]


def test_references_through_many_modules_are_each_followed_once() -> None:
    address = "module.m." * 30 + "aws_x.a"
    found = plan(
        [{"address": address, "type": "aws_x", "name": "a", "values": {}}],
        resource_changes=[{"address": address, "change": {"after_unknown": {"v": True}}}],
        configuration=chained(30),
    )
    assert isinstance(found.resources[0].data["v"], Unknown)


def test_many_references_are_cut() -> None:
    expressions = {"v": {"references": [f"aws_y.r{n}.id" for n in range(20_000)]}}
    found = plan(
        [resource()],
        resource_changes=[changed("a", v=True)],
        configuration={
            "root_module": {"resources": [{"address": "aws_x.a", "expressions": expressions}]}
        },
    )
    assert len(found.resources[0].data["v"].refs) <= 200


def test_values_past_a_limit_are_told() -> None:
    deep: Any = 1
    for _ in range(150):
        deep = [deep]
    found = plan([resource(v=deep, w=2)])
    assert found.resources[0].data["w"] == 2
    assert [gap.reason for gap in found.gaps] == [
        "values nested deeper than 100 levels are not judged"
    ]


def test_an_old_state_is_a_gap_and_not_silence() -> None:
    state = {
        "version": 3,
        "lineage": "x",
        "modules": [{"path": ["root"], "resources": {"aws_x.a": {"type": "aws_x"}}}],
    }
    found = read_plan(json.dumps(state).encode(), "terraform.tfstate")
    assert found is not None
    assert found.state is not None
    assert "before 0.12" in found.gaps[0].reason


def test_what_is_destroyed_is_not_judged() -> None:
    found = plan([], resource_changes=[changed("gone")])
    assert (found.resources, found.gaps) == ([], [])


def test_a_million_values_of_one_expression_read_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    most = plan_origins._most

    def counted(names: Any) -> list[str]:
        read.append(len(names))
        return most(names)

    monkeypatch.setattr(plan_origins, "_most", counted)
    expressions = {"v": {"references": ["aws_y.b.id"]}}
    found = plan(
        [resource(v=[])],
        resource_changes=[changed("a", v=[True] * 1_000)],
        configuration={
            "root_module": {"resources": [{"address": "aws_x.a", "expressions": expressions}]}
        },
    )
    assert len(found.resources[0].data["v"]) == 1_000
    assert read == [1]


def test_names_that_lead_nowhere_are_followed_so_far_only() -> None:
    inputs = {
        f"v{n}": {"references": [f"var.v{(n * 20 + k) % 400}" for k in range(20)]}
        for n in range(400)
    }
    module: dict[str, Any] = {
        "resources": [{"address": "aws_x.a", "expressions": {"v": {"references": ["var.v1"]}}}]
    }
    for _ in range(30):
        module = {"module_calls": {"m": {"module": module, "expressions": inputs}}}
    origin = plan_origins.Origin(module, "module.m." * 30 + "aws_x.a", {})
    asked: set[tuple[str, int]] = set()
    assert list(origin._resolved(["var.v1"], 30, asked)) == []
    assert len(asked) == 2_000


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["aws_y.b.id", "aws_y.b", "aws_y.b-c", "aws_y"], ["aws_y.b.id", "aws_y.b-c"]),
        (["a.b[0].c", "a.b[0]", "a.b", "a.bc"], ["a.b[0].c", "a.bc"]),
        (["a.b", "a.b"], ["a.b", "a.b"]),
        (None, []),
    ],
)
def test_references_that_begin_another_one_are_left_out(names: Any, expected: list[str]) -> None:
    assert plan_origins._most(names) == expected


def test_modules_nested_too_deep_are_told() -> None:
    module: dict[str, Any] = {"resources": [resource("deep")]}
    for _ in range(50):
        module = {"child_modules": [module]}
    content = {"format_version": "1.2", "planned_values": {"root_module": module}}
    found = read_plan(json.dumps(content).encode(), "plan.json")
    assert found is not None
    assert found.resources == []
    assert [gap.reason for gap in found.gaps] == [
        "modules nested deeper than 40 levels are not judged"
    ]


def test_secrets_are_masked_however_deep_they_lie() -> None:
    values: Any = "hunter2hunter2"
    marks: Any = True
    for _ in range(45):
        values, marks = {"v": values}, {"v": marks}
    assert plan([{**resource(), "values": values, "sensitive_values": marks}]).secrets == {
        "hunter2hunter2"
    }


def test_a_plan_calls_an_instance_as_the_files_do() -> None:
    address = 'aws_x.a["b c%é/d"]'
    planned = plan([{"address": address, "type": "aws_x", "name": "a", "values": {}}])
    declared = read('resource "aws_x" "a" {\n  for_each = toset(["b c%é/d"])\n}')
    assert [one.key for one in planned.resources] == [one.key for one in declared.resources]
    assert planned.resources[0].name == declared.resources[0].name == address
