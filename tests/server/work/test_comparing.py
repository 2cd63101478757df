"""What-if over the API: other policies over what is there and what was recorded, within reach."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from haechi.errors import Forbidden, InputError, NotFound, TooManyRequests
from haechi.model.access import Grant, Principal, Reach, Role
from haechi.server.shapes_admission import Forecasts, WhatIf, WhatIfAsk, WhatIfDocument
from haechi.server.work.audits import comparing
from tests.server.api.rig import ADMIN
from tests.server.test_admission import HOOK, told
from tests.server.work.test_auditing import CONSTRAINT, ID, TEMPLATE, Folder, pod

STRICTER = CONSTRAINT.replace("label: owner}", "label: tier}")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    made = Folder(tmp_path)
    made.put(
        pod("a", labels={"owner": "x"}),
        pod("b", labels={"tier": "x"}),
        pod("c"),
        pod("d", namespace="pay", labels={"owner": "x"}),
    )
    made.tick()
    made.rig.world.audits["east"] = made.audit
    yield made
    made.close()


def ask(folder: Folder, text: str, *, who: Principal = ADMIN, **more: Any) -> WhatIf:
    document = WhatIfDocument(text=text)
    body = WhatIfAsk(cluster="east", policies=[document], **more)
    found: WhatIf = folder.rig.call("policies.what_if", body, who=who)
    return found


def test_the_difference_is_told(folder: Folder) -> None:
    found = ask(folder, TEMPLATE + STRICTER)
    assert found.counts.judged == 4
    assert (found.counts.denied_before, found.counts.denied_after) == (2, 3)
    assert {(one.kind, one.name, one.namespace) for one in found.appeared} == {
        ("Pod", "a", "shop"),
        ("Pod", "d", "pay"),
    }
    assert [one.name for one in found.disappeared] == ["b"]
    [same] = found.changed
    assert (same.name, same.before, same.after, same.policy) == ("c", "denied", "denied", ID)
    assert "no tier" in same.message and len(same.disappeared) == 1
    counts = found.by_policy[ID]
    assert (counts.denied_before, counts.denied_after, counts.warned_after) == (2, 3, 0)
    assert (found.left_out, found.gaps) == (0, [])


def test_only_what_is_within_reach_is_asked_about(folder: Folder) -> None:
    reach = Reach(cluster="east", namespace="shop")
    shop = Principal(id="s", name="s", grants=(Grant(role=Role.OPERATOR, reach=reach),))
    found = ask(folder, TEMPLATE + STRICTER, who=shop)
    assert found.counts.judged == 3
    assert "pay" not in str(found)
    west = Principal(
        id="w", name="w", grants=(Grant(role=Role.OPERATOR, reach=Reach(cluster="west")),)
    )
    with pytest.raises(NotFound):
        ask(folder, TEMPLATE, who=west)
    with pytest.raises(Forbidden):
        ask(folder, TEMPLATE, who=Principal(id="n", name="n"))


def test_recorded_requests_are_asked_again(folder: Folder) -> None:
    folder.rig.call("admission.send", told(), who=HOOK)
    found = ask(folder, TEMPLATE + STRICTER, over="history")
    assert found.counts.judged == 1
    assert found.counts.denied_after == 1
    assert [(one.user, one.name, one.request) for one in found.changed] == [("ann", "cart", True)]
    nothing = ask(folder, TEMPLATE + STRICTER, over="history", namespace=["pay"])
    assert nothing.gaps == ["no request of that time was recorded"]


def test_policies_that_are_none_are_told_as_faults(folder: Folder) -> None:
    found = ask(folder, "a: [")
    assert found.counts.denied_after == 0
    assert len(found.faults) == 1
    with pytest.raises(InputError) as refused:
        ask(folder, "", packs=["no-such-pack"])
    assert "no-such-pack" in refused.value.explain()


def test_kinds_that_nobody_looked_at_are_told(folder: Folder) -> None:
    services = STRICTER.replace("kinds: [Pod]", "kinds: [Service]")
    assert any("core/Service" in one for one in ask(folder, TEMPLATE + services).gaps)


def test_one_comparison_runs_at_a_time(folder: Folder) -> None:
    with comparing._lock, pytest.raises(TooManyRequests):
        ask(folder, TEMPLATE)


STAGED = """---
apiVersion: haechi.dev/v1alpha1
kind: PolicyRollout
metadata: {name: owners}
spec:
  policies: ["gatekeeper/**"]
  stages:
    - {stage: observe, from: 2020-01-01}
    - {stage: all, from: 2999-01-01}
"""


def foreseen(folder: Folder, *, who: Principal = ADMIN, **more: Any) -> Forecasts:
    found: Forecasts = folder.rig.call("policies.forecast", who=who, cluster="east", **more)
    return found


def test_new_policies_are_forecast_by_their_rollout(folder: Folder) -> None:
    found = ask(folder, TEMPLATE + STRICTER + STAGED)
    assert found.counts.denied_after == 0
    rows = {one.namespace: one for one in found.forecast}
    assert rows.keys() == {"shop", "pay"}
    shop = rows["shop"]
    assert (shop.policy, shop.rollout, shop.stage, shop.next) == (ID, "owners", "observe", "all")
    assert (shop.refused, shop.ready, str(shop.begins)) == (2, False, "2999-01-01")
    assert len(shop.examples) == 2
    assert ask(folder, TEMPLATE + STRICTER).forecast == []


def test_what_is_in_force_is_forecast_within_reach(folder: Folder) -> None:
    assert foreseen(folder).items == []
    (folder.policies / "all.yaml").write_text(TEMPLATE + CONSTRAINT + STAGED)
    folder.tick()
    found = foreseen(folder)
    assert found.judged == 4
    assert [(one.namespace, one.refused, one.ready) for one in found.items] == [
        ("shop", 2, False),
        ("pay", 0, True),
    ]
    assert foreseen(folder) is found  # nothing is judged again while all is as it was
    reach = Reach(cluster="east", namespace="pay")
    pay = Principal(id="p", name="p", grants=(Grant(role=Role.VIEWER, reach=reach),))
    assert [one.namespace for one in foreseen(folder, who=pay).items] == ["pay"]
    assert foreseen(folder, namespace=["pay"]).judged == 1
    folder.put(pod("d", namespace="pay"))
    folder.tick()
    assert all(not one.ready for one in foreseen(folder).items)
    west = Principal(
        id="w", name="w", grants=(Grant(role=Role.VIEWER, reach=Reach(cluster="west")),)
    )
    with pytest.raises(NotFound):
        foreseen(folder, who=west)


def test_one_forecast_is_made_at_a_time(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "PATIENCE_S", 0.01)
    with comparing._foreseeing, pytest.raises(TooManyRequests):
        foreseen(folder)


QUOTING = (
    TEMPLATE.replace(
        'sprintf("%v has no %v", [input.review.name, input.parameters.label])',
        'sprintf("%v %v", [data.inventory.namespace[_]["v1"].Pod[_].metadata.name, '
        "input.review.object.spec.containers[0].env])",
    )
    + CONSTRAINT
)


def test_policies_of_the_asker_tell_nothing_that_the_asker_may_not_see(folder: Folder) -> None:
    body = pod("a")
    body["spec"]["containers"][0]["env"] = [{"name": "DB_PASSWORD", "value": "hunter2-long"}]
    folder.put(body, pod("elsewhere", namespace="pay"))
    folder.tick()
    every = ask(folder, QUOTING)
    assert "elsewhere" in str(every) and "hunter2" not in str(every)
    reach = Reach(cluster="east", namespace="shop")
    shop = Principal(id="s", name="s", grants=(Grant(role=Role.OPERATOR, reach=reach),))
    narrow = ask(folder, QUOTING, who=shop)
    assert narrow.changed and "elsewhere" not in str(narrow)
    assert narrow.gaps == [comparing.NARROW]
