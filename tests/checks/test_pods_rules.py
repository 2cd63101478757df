"""The pod rules as a whole: examples, one cause one finding, precedence, hostile input."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.checks.pods.view import template_path
from haechi.model.review import Hit, Review
from haechi.model.severity import Severity
from haechi.rules.schema import Rule, RuleFile
from tests.checks.object_reviews import document, documents, resource_of, reviews

DATA = Path(__file__).parents[2] / "src/haechi/rules/data/kubernetes"
RULES: list[Rule] = [
    rule
    for path in sorted(DATA.glob("pods-*.yaml"))
    for rule in msgspec.convert(document(path.read_text("utf-8")), RuleFile).rules
]
BY_ID = {rule.id: rule for rule in RULES}
Function = Callable[[Review], Iterator[Hit]]


@functools.cache
def function_of(rule_id: str) -> Function:
    module, _, name = BY_ID[rule_id].function.partition(":")
    function: Function = getattr(importlib.import_module(f"haechi.checks.{module}"), name)
    return function


def hits(rule_id: str, text: str) -> list[Hit]:
    """Hits of one rule on the workloads of a text."""
    judge = function_of(rule_id)
    data = [one for one in documents(text) if one["kind"] in ("Pod", "Deployment", "Job")]
    others = [one for one in documents(text) if one not in data]
    found = [hit for review in [*reviews([*data, *others])][: len(data)] for hit in judge(review)]
    assert all(isinstance(hit, Hit) for hit in found)
    return found


def pod(spec: str = "{}", container: str = "{}", **metadata: Any) -> dict[str, Any]:
    """A pod from two fragments in YAML's flow style."""
    body = {"name": "app", "image": "shop/cart:1.4.2", **yaml.safe_load(container)}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "cart", **metadata},
        "spec": {"containers": [body], **yaml.safe_load(spec)},
    }


def violated(data: Any) -> set[str]:
    """Ids of all pod rules that the object violates."""
    (review,) = reviews([data])
    return {rule.id for rule in RULES if list(function_of(rule.id)(review))}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_bad_example_is_found_and_every_good_one_passes(rule: Rule) -> None:
    assert rule.bad
    assert rule.good
    for text in rule.bad:
        assert hits(rule.id, text), text
    for text in rule.good:
        assert hits(rule.id, text) == [], text


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_messages_and_paths_are_fit_for_a_report(rule: Rule) -> None:
    for text in rule.bad:
        for hit in hits(rule.id, text):
            assert hit.message
            assert not hit.message.endswith(".")
            assert "\n" not in hit.message
            assert hit.path
            assert all(isinstance(part, str | int) for part in hit.path)


def test_rules_are_many_and_complete() -> None:
    assert len(RULES) >= 100
    assert len(BY_ID) == len(RULES)
    for rule in RULES:
        assert rule.applies_to.kinds == ["pod"], rule.id
        assert rule.cwe, rule.id
        assert rule.snippet, rule.id
        assert rule.ko is not None, rule.id
        assert any("가" <= c <= "힣" for c in rule.ko.title + rule.ko.why + rule.ko.fix), rule.id


def test_dead_controls_never_block_by_default() -> None:
    dead = [rule for rule in RULES if "dead-control" in rule.tags]
    assert len(dead) >= 15
    assert all(not rule.severity.at_least(Severity.HIGH) for rule in dead)


BASELINE = [
    ("k8s-privileged", "{}", "{securityContext: {privileged: true}}"),
    ("k8s-host-pid", "{hostPID: true}", "{}"),
    ("k8s-host-ipc", "{hostIPC: true}", "{}"),
    ("k8s-host-network", "{hostNetwork: true}", "{}"),
    ("k8s-host-path", "{volumes: [{name: a, hostPath: {path: /srv}}]}", "{}"),
    ("k8s-host-port", "{}", "{ports: [{containerPort: 80, hostPort: 80}]}"),
    ("k8s-capability-added", "{}", "{securityContext: {capabilities: {add: [SYSLOG]}}}"),
    ("k8s-capability-case", "{}", "{securityContext: {capabilities: {add: [chown]}}}"),
    ("k8s-proc-mount", "{}", "{securityContext: {procMount: Unmasked}}"),
    ("k8s-seccomp-unconfined", "{securityContext: {seccompProfile: {type: Unconfined}}}", "{}"),
    ("k8s-apparmor-unconfined", "{securityContext: {appArmorProfile: {type: Unconfined}}}", "{}"),
    ("k8s-selinux-options", "{securityContext: {seLinuxOptions: {user: root}}}", "{}"),
    ("k8s-selinux-options", "{securityContext: {seLinuxOptions: {role: x}}}", "{}"),
    ("k8s-unsafe-sysctl", "{securityContext: {sysctls: [{name: kernel.msgmax}]}}", "{}"),
    ("k8s-windows-host-process", "{}", "{securityContext: {windowsOptions: {hostProcess: true}}}"),
    ("k8s-probe-host", "{}", "{livenessProbe: {tcpSocket: {host: localhost, port: 1}}}"),
    ("k8s-probe-host", "{}", "{lifecycle: {preStop: {httpGet: {host: a, port: 1}}}}"),
]
RESTRICTED = [
    ("k8s-restricted-volume", "{volumes: [{name: a, nfs: {server: a, path: /}}]}", "{}"),
    ("k8s-git-repo-volume", "{volumes: [{name: a, gitRepo: {repository: a}}]}", "{}"),
    ("k8s-privilege-escalation", "{}", "{}"),
    ("k8s-run-as-non-root", "{}", "{}"),
    ("k8s-run-as-root", "{}", "{securityContext: {runAsUser: 0}}"),
    ("k8s-seccomp-missing", "{}", "{}"),
    ("k8s-capabilities-not-dropped", "{}", "{}"),
    ("k8s-capability-default-added", "{}", "{securityContext: {capabilities: {add: [CHOWN]}}}"),
    ("k8s-proc-mount-nested", "{hostUsers: false}", "{securityContext: {procMount: Unmasked}}"),
]


@pytest.mark.parametrize(("rule", "spec", "container"), BASELINE)
def test_every_control_of_pod_security_baseline_is_judged(
    rule: str, spec: str, container: str
) -> None:
    assert rule in violated(pod(spec, container))
    assert any(ref.startswith("baseline/") for ref in BY_ID[rule].refs["pss"])


@pytest.mark.parametrize(("rule", "spec", "container"), RESTRICTED)
def test_every_control_of_pod_security_restricted_is_judged(
    rule: str, spec: str, container: str
) -> None:
    assert rule in violated(pod(spec, container))
    assert any(ref.startswith("restricted/") for ref in BY_ID[rule].refs["pss"])


HARDENED_POD = """{automountServiceAccountToken: false, restartPolicy: Never,
  securityContext: {runAsNonRoot: true, runAsUser: 10001,
    seccompProfile: {type: RuntimeDefault}}}"""
HARDENED = """{image: "shop/cart:1.4.2@sha256:%s",
  securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true,
    capabilities: {drop: [ALL]}},
  resources: {requests: {cpu: 100m}, limits: {cpu: 1, memory: 64Mi, ephemeral-storage: 1Gi}}}""" % (
    "0123456789abcdef" * 4
)


def test_a_hardened_pod_is_clean() -> None:
    assert violated(pod(HARDENED_POD, HARDENED)) == set()


@pytest.mark.parametrize(
    ("spec", "container", "only"),
    [
        ("{}", "{securityContext: {privileged: true}}", {"k8s-privileged"}),
        (
            "{}",
            "{securityContext: {privileged: true, capabilities: {add: [SYS_ADMIN]}}}",
            {"k8s-privileged"},
        ),
        (
            "{}",
            "{securityContext: {capabilities: {add: [ALL, SYS_ADMIN]}}}",
            {"k8s-capability-all"},
        ),
        ("{hostNetwork: true}", "{ports: [{containerPort: 1, hostPort: 1}]}", {"k8s-host-network"}),
        (
            "{volumes: [{name: a, hostPath: {path: /var/run/docker.sock}}]}",
            "{volumeMounts: [{name: a, mountPath: /a}]}",
            {"k8s-runtime-socket"},
        ),
        (
            "{}",
            "{env: [{name: DB_PASSWORD, value: 'postgres://a:h4nd1ebar@db/x'}]}",
            {"k8s-secret-url-literal"},
        ),
        (
            "{securityContext: {runAsNonRoot: true}}",
            "{securityContext: {runAsUser: 0}}",
            {"k8s-run-as-non-root-contradiction"},
        ),
        ("{}", "{image: cart:latest}", {"k8s-image-latest"}),
        ("{}", "{securityContext: {runAsNonRoot: 'true'}}", {"k8s-security-context-type"}),
        ("{}", "{securityContext: {seccompProfile: {type: Foo}}}", {"k8s-seccomp-invalid"}),
    ],
)
def test_one_cause_gives_one_finding_of_note(spec: str, container: str, only: set[str]) -> None:
    serious = {"k8s-seccomp-missing", "k8s-privilege-escalation", "k8s-memory-limit"} | {
        "k8s-capabilities-not-dropped",
        "k8s-run-as-non-root",
        "k8s-default-account-token",
    }
    plain = violated(pod("{}", "{}"))
    found = violated(pod(spec, container))
    new = {rule for rule in found - plain if BY_ID[rule].severity.at_least(Severity.MEDIUM)}
    assert new == only
    if "privileged" in container or "runAsN" in container + spec or "seccompP" in container:
        assert found & serious < plain & serious


@pytest.mark.parametrize(
    ("spec", "container", "rule", "places"),
    [
        # The container's word counts in both directions.
        (
            "{securityContext: {runAsUser: 0}}",
            "{securityContext: {runAsUser: 1}}",
            "run-as-root",
            0,
        ),
        (
            "{securityContext: {runAsUser: 1}}",
            "{securityContext: {runAsUser: 0}}",
            "run-as-root",
            1,
        ),
        (
            "{securityContext: {runAsNonRoot: true}}",
            "{securityContext: {runAsNonRoot: false}}",
            "run-as-non-root",
            1,
        ),
        (
            "{securityContext: {runAsNonRoot: false}}",
            "{securityContext: {runAsNonRoot: true}}",
            "run-as-non-root",
            0,
        ),
        # An explicit null is nothing.
        (
            "{securityContext: {runAsNonRoot: true}}",
            "{securityContext: {runAsNonRoot: null}}",
            "run-as-non-root",
            0,
        ),
        (
            "{securityContext: {seccompProfile: {type: Unconfined}}}",
            "{securityContext: {seccompProfile: {type: RuntimeDefault}}}",
            "seccomp-unconfined",
            0,
        ),
        (
            "{securityContext: {seccompProfile: {type: RuntimeDefault}}}",
            "{securityContext: {seccompProfile: {type: Unconfined}}}",
            "seccomp-unconfined",
            1,
        ),
        # Fields that only containers have are not inherited.
        ("{securityContext: {allowPrivilegeEscalation: false}}", "{}", "privilege-escalation", 1),
        ("{securityContext: {readOnlyRootFilesystem: true}}", "{}", "read-only-root-filesystem", 1),
    ],
)
def test_container_settings_override_the_pod(
    spec: str, container: str, rule: str, places: int
) -> None:
    (review,) = reviews([pod(spec, container)])
    assert len(list(function_of(f"k8s-{rule}")(review))) == places


def test_an_inherited_value_is_reported_once_at_the_pod() -> None:
    data = pod("{securityContext: {runAsUser: 0}}")
    data["spec"]["containers"] += [{"name": "b", "image": "b:1"}, {"name": "c", "image": "c:1"}]
    (review,) = reviews([data])
    (hit,) = function_of("k8s-run-as-root")(review)
    assert hit.path == ("spec", "securityContext", "runAsUser")
    assert hit.message == "pod runs as root (runAsUser: 0)"


def test_linux_only_rules_leave_windows_pods_alone() -> None:
    user = "windowsOptions: {runAsUserName: ContainerUser}"
    windows = violated(pod(f"{{os: {{name: windows}}, securityContext: {{{user}}}}}"))
    linux = violated(pod())
    spared = {
        "k8s-privilege-escalation",
        "k8s-capabilities-not-dropped",
        "k8s-seccomp-missing",
        "k8s-read-only-root-filesystem",
        "k8s-run-as-non-root",
    }
    assert spared <= linux
    assert not spared & windows


def test_probes_are_asked_of_services_only() -> None:
    template = {"spec": {"containers": [{"name": "a", "image": "a:1"}], "restartPolicy": "Never"}}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {}, "spec": {"template": template}}
    cron = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {},
        "spec": {"jobTemplate": {"spec": {"template": template}}},
    }
    service = {**job, "apiVersion": "apps/v1", "kind": "Deployment"}
    probes = {"k8s-readiness-probe", "k8s-liveness-probe"}
    assert not probes & violated(job)
    assert not probes & violated(cron)
    assert probes <= violated(service)


def test_paths_lead_into_the_template_of_the_owner() -> None:
    inner = {"spec": {"containers": [{"name": "a", "image": "a/b"}]}}
    cron = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "spec": {"jobTemplate": {"spec": {"template": inner}}},
    }
    (review,) = reviews([cron])
    (hit,) = function_of("k8s-image-latest")(review)
    assert hit.path == (
        *("spec", "jobTemplate", "spec", "template"),
        *("spec", "containers", 0, "image"),
    )


KEYS = sorted(
    {
        word
        for rule in RULES
        for text in rule.bad
        for word in text.replace("{", " ").replace(":", " ").split()
        if word.isidentifier()
    }
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=12)
    | st.sampled_from(KEYS)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), inner, max_size=5)
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(spec=JSON, context=JSON, container=JSON, annotations=JSON, kind=st.sampled_from("PDC"))
def test_no_rule_raises_on_hostile_types(
    spec: Any, context: Any, container: Any, annotations: Any, kind: str
) -> None:
    body = {"containers": [container, {"name": "a", "securityContext": context}], "volumes": spec}
    template = {"metadata": {"annotations": annotations}, "spec": body}
    if isinstance(spec, dict):
        body.update(spec)
    data: dict[str, Any] = {"apiVersion": "v1", "kind": "Pod", **template}
    if kind == "D":
        data = {"apiVersion": "apps/v1", "kind": "StatefulSet", "spec": {"template": template}}
        data["spec"]["volumeClaimTemplates"] = spec
    elif kind == "C":
        inner = {"spec": {"template": template}}
        data = {"apiVersion": "batch/v1", "kind": "CronJob", "spec": {"jobTemplate": inner}}
    review = Review(resource=resource_of(data))
    for rule in RULES:
        for hit in function_of(rule.id)(review):
            assert isinstance(hit.message, str)
            assert hit.message.isprintable()


@settings(max_examples=60, deadline=None)
@given(others=st.lists(JSON, max_size=3), kind=st.sampled_from(["ServiceAccount", "LimitRange"]))
def test_no_rule_raises_on_hostile_neighbours(others: list[Any], kind: str) -> None:
    binding = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding"}
    scope: list[Any] = [pod("{serviceAccountName: app}"), pod()]
    for other in others:
        scope.append({"apiVersion": "v1", "kind": kind, "metadata": {"name": "app"}, "spec": other})
        scope.append({**binding, "metadata": other, "subjects": other})
        scope.append({**binding, "metadata": {}, "subjects": [other]})
    for review in [*reviews(scope)][:2]:
        for rule in RULES:
            list(function_of(rule.id)(review))


HOSTILE: list[Any] = [
    None,
    True,
    0,
    -1,
    2**70,
    1.5,
    "",
    "x",
    "$(A)",
    [],
    [[]],
    [None],
    [{}],
    {},
    {"a": []},
]


def mutants(value: Any, replace: Any) -> Iterator[Any]:
    """The value with each of its inner values replaced in turn."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield {**value, key: replace}
            yield from ({**value, key: mutant} for mutant in mutants(inner, replace))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            for mutant in (replace, *mutants(inner, replace)):
                yield [*value[:index], mutant, *value[index + 1 :]]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_no_value_in_an_example_can_be_of_a_type_that_breaks_its_rule(rule: Rule) -> None:
    judge = function_of(rule.id)
    judged = 0
    for text in rule.bad:
        first, *others = documents(text)
        for replace in HOSTILE:
            for mutant in mutants(first, replace):
                resource = resource_of({**mutant, "kind": first["kind"]})
                if template_path(resource) is None:
                    continue
                for review in [*reviews([mutant, *others])][:1]:
                    for hit in judge(Review(resource=resource, scope=review.scope)):
                        assert hit.message.isprintable()
                    judged += 1
    assert judged > 50
