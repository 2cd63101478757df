"""What-if over the API: other policies over what is there and what was recorded, within reach."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from haechi.errors import Forbidden, InputError, NotFound, TooManyRequests
from haechi.model.access import Grant, Principal, Reach, Role
from haechi.server.shapes_admission import WhatIf, WhatIfAsk, WhatIfDocument
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
