"""What is registered: only what policies match, in two groups, and nothing that hurts a cluster."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec import structs

from haechi.admit.plurals import plural_of
from haechi.model.admission import FailureChoice, Family, Matched, PolicyInfo
from haechi.server.webhook.deployment import Deployment, objects
from haechi.server.webhook.registration import Registration, configurations, rules_of

Json = dict[str, Any]
POD = Matched(kinds=(("", "Pod"),))
IMAGE = "registry.example/haechi@sha256:" + "a" * 64


def info(*matched: Matched, failure: FailureChoice = FailureChoice.FAIL, **more: Any) -> PolicyInfo:
    return PolicyInfo(
        id="rules/x",
        family=Family.RULES,
        name="x",
        title="x",
        failure=failure,
        matched=matched,
        **more,
    )


def short(rules: Sequence[Json]) -> list[str]:
    return [
        f"{rule['apiGroups'][0] or 'core'} {','.join(rule['resources'])} "
        f"{','.join(rule['operations'])} {rule['scope']}"
        for rule in rules
    ]


@pytest.mark.parametrize(
    ("matched", "expected"),
    [
        ([POD], ["core pods CREATE,UPDATE *", "core pods/ephemeralcontainers UPDATE *"]),
        (
            [Matched(kinds=(("", "Pod"),), operations=("CREATE",))],
            ["core pods CREATE *"],
        ),
        (
            [Matched(groups=("",), resources=("pods/exec",), operations=("CONNECT",))],
            ["core pods/exec CONNECT *"],
        ),
        (
            [
                Matched(kinds=(("apps", "Deployment"),)),
                Matched(kinds=(("apps", "StatefulSet"),)),
                Matched(kinds=(("apps", "Deployment"),), operations=("DELETE",)),
            ],
            [
                "apps statefulsets CREATE,UPDATE *",
                "apps deployments CREATE,UPDATE,DELETE *",
            ],
        ),
        (
            [Matched(kinds=(("apps", "*"),)), Matched(kinds=(("apps", "Deployment"),))],
            ["apps * CREATE,UPDATE *"],
        ),
        (
            [Matched(kinds=(("networking.k8s.io", "Ingress"),), scope="Namespaced")],
            ["networking.k8s.io ingresses CREATE,UPDATE Namespaced"],
        ),
        ([], ["* * CREATE,UPDATE *", "core pods/ephemeralcontainers UPDATE *"]),
        (
            [Matched(kinds=(("*", "*"),))],
            ["* * CREATE,UPDATE *", "core pods/ephemeralcontainers UPDATE *"],
        ),
        (
            [
                Matched(
                    groups=("",), resources=("*", "pods", "pods/*", "pods/exec"), scope="Cluster"
                )
            ],
            [
                "core * CREATE,UPDATE Cluster",
                "core pods,pods/exec CREATE,UPDATE Cluster",
                "core pods/* CREATE,UPDATE Cluster",
                "core pods/ephemeralcontainers UPDATE Cluster",
            ],
        ),
    ],
    ids=["pods", "created", "exec", "merged", "wildcard", "scope", "unknown", "all", "apart"],
)
def test_rules_name_what_policies_match(matched: list[Matched], expected: list[str]) -> None:
    found = short(rules_of([info(*matched)], plural_of))
    assert sorted(found) == sorted(expected)


SERVICE = Matched(kinds=(("", "Service"),))
SCALES = "deployments/scale,replicasets/scale,statefulsets/scale"


@pytest.mark.parametrize(
    ("matched", "expected"),
    [
        (SERVICE, ["core services/status UPDATE *"]),
        (Matched(kinds=(("*", "Service"),), operations=("CREATE",)), []),
        (POD, ["core pods/ephemeralcontainers,pods/resize UPDATE *"]),
        (
            Matched(kinds=(("autoscaling", "Scale"),)),
            [f"apps {SCALES} UPDATE *", "core replicationcontrollers/scale UPDATE *"],
        ),
        (
            Matched(kinds=(("", "PodExecOptions"),), operations=("CONNECT",)),
            ["core pods/exec CONNECT *"],
        ),
        (Matched(kinds=(("", "PodExecOptions"),)), []),
        (
            Matched(kinds=(("*", "*"),)),
            [
                f"apps {SCALES} UPDATE *",
                "core pods/binding,pods/eviction CREATE *",
                "core pods/ephemeralcontainers,pods/resize,replicationcontrollers/scale,"
                "services/status UPDATE *",
            ],
        ),
    ],
    ids=["status", "of what is made", "pods", "scale", "exec", "exec not asked for", "all"],
)
def test_constraints_see_the_subresources_that_gatekeeper_registers(
    matched: Matched, expected: list[str]
) -> None:
    (one,) = [info(matched, failure=FailureChoice.IGNORE)]
    found = short(rules_of([structs.replace(one, family=Family.GATEKEEPER)], plural_of))
    assert sorted(rule for rule in found if "/" in rule) == sorted(expected)
    others = short(rules_of([one], plural_of))
    assert not [rule for rule in others if "/" in rule and "pods/ephemeralcontainers" not in rule]


@pytest.mark.parametrize(("matched", "asked"), [(SERVICE, True), (POD, False)])
def test_the_status_of_services_is_asked_about_where_constraints_name_services(
    matched: Matched, asked: bool
) -> None:
    one = structs.replace(info(matched), family=Family.GATEKEEPER)
    (found,) = configurations(Registration(), [one], [], plural_of)
    names = {condition["name"] for condition in found["webhooks"][0]["matchConditions"]}
    assert ("not-status" not in names) is asked


def test_two_groups_by_the_failure_choice() -> None:
    (found,) = configurations(
        Registration(exempt=("ops",)),
        [info(POD), info(Matched(kinds=(("apps", "Deployment"),)), failure=FailureChoice.IGNORE)],
        [],
        plural_of,
    )
    closed, opened = found["webhooks"]
    assert (closed["failurePolicy"], opened["failurePolicy"]) == ("Fail", "Ignore")
    assert closed["clientConfig"]["service"]["path"] == "/admit/fail"
    assert opened["clientConfig"]["service"]["path"] == "/admit/ignore"
    assert [rule["resources"] for rule in opened["rules"]] == [["deployments"]]
    (selector,) = closed["namespaceSelector"]["matchExpressions"]
    assert selector["operator"] == "NotIn"
    assert selector["values"] == ["haechi", "kube-node-lease", "kube-system", "ops"]
    assert (closed["sideEffects"], closed["matchPolicy"]) == ("None", "Equivalent")
    assert closed["timeoutSeconds"] == 3
    names = [condition["name"] for condition in closed["matchConditions"]]
    assert names == ["not-leases", "not-events", "not-status", "not-own-account"]


@pytest.mark.parametrize("resource", ["nodes/*", "*/*", "*/status"])
def test_status_is_not_dropped_where_a_policy_names_all_subresources(resource: str) -> None:
    named = info(Matched(groups=("",), resources=(resource,), operations=("UPDATE",)))
    (found,) = configurations(Registration(), [named], [], plural_of)
    names = [condition["name"] for condition in found["webhooks"][0]["matchConditions"]]
    assert "not-status" not in names


def test_conditions_do_not_drop_what_a_policy_is_about() -> None:
    leases = info(Matched(kinds=(("coordination.k8s.io", "Lease"),)))
    status = info(Matched(groups=("",), resources=("nodes/status",), operations=("UPDATE",)))
    (found,) = configurations(Registration(), [leases, status], [], plural_of)
    names = [condition["name"] for condition in found["webhooks"][0]["matchConditions"]]
    assert names == ["not-events", "not-own-account"]


def test_mutations_are_registered_apart_and_again_after_others() -> None:
    found = configurations(Registration(), [], [info(POD, failure=FailureChoice.IGNORE)], plural_of)
    (mutating,) = found
    assert mutating["kind"] == "MutatingWebhookConfiguration"
    (hook,) = mutating["webhooks"]
    assert hook["clientConfig"]["service"]["path"] == "/mutate/ignore"
    assert hook["reinvocationPolicy"] == "IfNeeded"


def test_no_more_rights_than_it_works_with() -> None:
    options = Registration()
    files = {"a.yaml": "x"}
    found = objects(options, Deployment(image=IMAGE, files=files, reads=(("", "configmaps"),)))
    (role,) = [one for one in found if one["kind"] == "ClusterRole"]
    assert [(rule["resources"], rule["verbs"]) for rule in role["rules"]] == [
        (["validatingwebhookconfigurations", "mutatingwebhookconfigurations"], ["get", "patch"]),
        (["namespaces"], ["get", "list", "watch"]),
    ]
    assert role["rules"][0]["resourceNames"] == ["haechi-webhook"]
    assert "secrets" not in str(found)
    kinds = [one["kind"] for one in found]
    assert {"PodDisruptionBudget", "NetworkPolicy", "Deployment", "Service"} <= set(kinds)


def test_the_manifest_is_what_our_own_rules_let_pass(tmp_path: Path) -> None:
    policies = Path(__file__).parents[3] / "examples" / "policies"
    made = _haechi("webhook", "manifest", "--policies", str(policies), "--deploy", "--image", IMAGE)
    assert made.returncode == 0, made.stderr
    documents = [one for one in yaml.safe_load_all(made.stdout) if one]
    # What fails closed is registered last: before it answers, it would refuse.
    assert documents[-1]["kind"] == "ValidatingWebhookConfiguration"
    assert {hook["failurePolicy"] for hook in documents[-1]["webhooks"]} == {"Fail", "Ignore"}
    assert "it protects nothing" in made.stderr
    (tmp_path / "webhook.yaml").write_text(made.stdout)
    judged = _haechi("scan", str(tmp_path), "--fail-on", "high")
    assert judged.returncode == 0, judged.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["manifest"], "no policies"),
        (["manifest", "--policies", "."], "match nothing"),
        (["serve", "--policies", "."], "which certificate"),
        (["serve", "--certificates", "c"], "policies come from one place"),
        (["serve", "--certificates", "c", "--policies", ".", "--listen", "x"], "has no port"),
        (["serve", "--certificates", "c", "--cluster"], "needs a cluster"),
        (["certs", "--certificates", "nowhere"], "no certificate yet"),
    ],
    ids=[
        "no-policies",
        "no-matches",
        "no-certificate",
        "no-source",
        "no-port",
        "no-cluster",
        "no-folder",
    ],
)
def test_wrong_use_is_told(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from click.testing import CliRunner

    from haechi.cli.webhook import command
    from haechi.errors import HaechiError

    monkeypatch.chdir(tmp_path)
    found = CliRunner().invoke(command, arguments)
    assert isinstance(found.exception, HaechiError)
    assert words in found.exception.explain()


def test_certificates_are_shown(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from haechi.cli.webhook import command

    folder = ["certs", "--certificates", str(tmp_path / "keys")]
    made = CliRunner().invoke(command, [*folder, "--renew"])
    assert made.exit_code == 0
    assert "served" in made.output and "authority" in made.output
    bundle = CliRunner().invoke(command, [*folder, "--bundle"])
    assert bundle.output == (tmp_path / "keys" / "ca.crt").read_text()


def _haechi(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "haechi", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
