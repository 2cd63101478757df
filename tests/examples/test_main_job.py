"""The main job on the sample system, for real: the attack is one incident, with its plan."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from examples.history import materialise
from examples.record import POD

from examples import attack, door, run
from haechi.runtime.pack import builtin
from haechi.store.state.action_records import ActionFilter, StoredAction
from haechi.store.state.admission_records import DecisionFilter
from haechi.store.state.incidents_records import IncidentFilter, StoredIncident
from haechi.store.store import Store
from tests.store.state.made import ALL

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """What ``./dev run --once`` leaves behind, made in a folder of the test's."""
    folder = tmp_path_factory.mktemp("job")
    materialise(folder / "shop")
    # `up` names the shop and the store below ROOT; here they lie elsewhere.
    command, environment = run.up(run.ROOT / "build/shop", ["--once"])
    command[command.index("build/shop")] = str(folder / "shop")
    command[command.index(".haechi")] = str(folder / "store")
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, check=False, timeout=180
    )
    assert done.returncode == 1, done.stderr.decode()[-2_000:]
    kept = Store.open(folder / "store")
    yield kept
    kept.close()


@pytest.fixture(scope="module")
def incident(store: Store) -> StoredIncident:
    page = store.state.incidents.page(IncidentFilter(), within=ALL)
    assert len(page.items) == 1
    return page.items[0]


@pytest.fixture(scope="module")
def action(store: Store) -> StoredAction:
    page = store.state.actions.page(ActionFilter())
    assert len(page.items) == 1
    return page.items[0]


def test_the_attack_is_one_critical_incident_of_all_its_rules(incident: StoredIncident) -> None:
    promised = {id_ for step in attack.STEPS for id_ in step.expects}
    names = {rule.name for rule in builtin().rules if rule.id in promised}
    assert set(incident.rules) == names
    assert incident.level == "critical"
    assert incident.resource == "k8s:-/apps/Deployment/shop/cart"


def test_its_level_says_who_reaches_the_workload_and_what_its_account_may_do(
    store: Store, incident: StoredIncident
) -> None:
    reasons = {one.kind: one.text for one in store.state.incidents.get(incident.id).reasons}
    assert "Ingress shop/shop" in reasons["exposure"]
    assert "read every Secret" in reasons["rights"]


def test_isolating_the_one_pod_is_recommended_and_not_applied(
    incident: StoredIncident, action: StoredAction
) -> None:
    assert (action.incident, action.state.value) == (incident.id, "recommended")
    assert action.plan.action.value == "isolate_workload"
    touched = json.dumps([step.target for step in action.plan.steps])
    assert POD["k8s.pod.name"] in touched
    assert all(step.state.value == "planned" for step in action.steps)


def test_the_plan_names_the_traffic_that_a_policy_for_all_pods_would_still_let_through(
    action: StoredAction,
) -> None:
    assert action.plan.contained is False
    assert [(flow.direction, flow.because) for flow in action.plan.residual] == [
        ("egress", ("NetworkPolicy shop/names",))
    ]
    assert any(
        one.name == "source" and "nothing can be applied" in one.says for one in action.checks
    )


def test_what_came_to_the_door_was_judged_and_told(store: Store) -> None:
    asked = {json.loads(line)["request"]["uid"] for line in door.REVIEWS.read_text().splitlines()}
    found = {one.uid: one for one in store.state.decisions.each(DecisionFilter(), within=ALL)}
    assert found.keys() <= asked
    shell = [one for one in found.values() if one.name == "node-shell"]
    assert shell
    assert not any(one.allowed for one in shell if one.outcome == "denied")
    assert any(one.outcome == "denied" for one in shell)


def test_what_the_cluster_holds_is_judged_by_its_policies(store: Store) -> None:
    failing = {(one.policy, one.name) for one in store.state.policy_states.each(within=ALL)}
    assert ("images/shop", "cart") in failing
    assert ("gatekeeper/ShopOwner/workloads", "cart") in failing
    faults = store.state.policies.faults(within=ALL)
    assert any(fault.fault.kind == "wrong-group" for fault in faults)
