"""Details of pod judges: host paths, quantities, dead controls, accounts, placement, wiring."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from haechi.checks.pods import (
    accounts,
    capabilities,
    confinement,
    host_paths,
    images,
    lifecycle,
    misplaced,
    placement,
    resources,
    seccomp_annotations,
    startup,
    volumes,
    wiring,
)
from haechi.checks.pods.host_paths import Reach, reach
from haechi.checks.pods.quantity import parse_quantity
from haechi.checks.pods.words import listed, quoted
from haechi.model.review import Point, Review
from tests.checks.object_reviews import documents, reviews


def said(judge: Any, spec: str = "{}", container: str = "{}", **top: Any) -> list[str]:
    """Messages of a judge on a pod made of two fragments in flow style."""
    body = {"name": "app", "image": "a:1", **yaml.safe_load(container)}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {}, **top}
    pod["spec"] = {"containers": [body], **yaml.safe_load(spec)}
    (review,) = reviews([pod])
    return [hit.message for hit in judge(review)]


@pytest.mark.parametrize(
    ("path", "writable", "expected"),
    [
        ("/var/run/docker.sock", False, Reach.RUNTIME),
        ("/run/containerd/containerd.sock", True, Reach.RUNTIME),
        ("/var/run//crio/crio.sock", False, Reach.RUNTIME),
        ("/run", False, Reach.RUNTIME),
        ("/var/run/", True, Reach.RUNTIME),
        ("/", True, Reach.TAKEOVER),
        ("/", False, Reach.SECRETS),
        ("/etc", True, Reach.TAKEOVER),
        ("/etc", False, Reach.SECRETS),
        ("/etc/kubernetes/pki", False, Reach.SECRETS),
        ("/etc/systemd", False, Reach.OTHER),
        ("/etc/ssl/certs", True, Reach.OTHER),
        ("/etc/localtime", True, Reach.OTHER),
        ("/etcetera", True, Reach.OTHER),
        ("/proc", True, Reach.TAKEOVER),
        ("/proc", False, Reach.SECRETS),
        ("/sys", False, Reach.OTHER),
        ("/sys/fs/cgroup", True, Reach.TAKEOVER),
        ("/var/lib/kubelet", False, Reach.SECRETS),
        ("/var/lib/kubelet/pods", True, Reach.TAKEOVER),
        ("/var/lib/kubelet/plugins/csi", True, Reach.OTHER),
        ("/usr/share/zoneinfo", True, Reach.OTHER),
        ("/usr/bin", True, Reach.TAKEOVER),
        ("/var/log", True, Reach.OTHER),
        ("/srv/data", True, Reach.OTHER),
        ("/dev", False, Reach.SECRETS),
        ("/dev/fuse", True, Reach.OTHER),
        ("", True, Reach.TAKEOVER),
    ],
)
def test_how_far_a_host_path_leads(path: str, writable: bool, expected: Reach) -> None:
    assert reach(path, writable=writable) is expected


def test_a_volume_is_writable_if_any_container_may_write() -> None:
    mounts = "[{name: e, mountPath: /e, readOnly: %s}]"
    first = f"{{volumeMounts: {mounts % 'true'}}}"
    both = "{volumes: [{name: e, hostPath: {path: /etc}}], initContainers: [{name: i, %s}]}"
    read = both % f"volumeMounts: {mounts % 'true'}"
    write = both % f"volumeMounts: {mounts % 'false'}"
    assert said(host_paths.takeover, read, first) == []
    assert len(said(host_paths.sensitive, read, first)) == 1
    assert said(host_paths.takeover, write, first) == ['volume "e" is /etc of the node (writable)']


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("500m", "0.5"),
        ("1", "1"),
        (2, "2"),
        (0.5, "0.5"),
        ("1.5Gi", "1610612736"),
        ("64Mi", "67108864"),
        ("1e3", "1000"),
        ("1E3", "1000"),
        ("5E", "5000000000000000000"),
        (".5", "0.5"),
        ("5.", "5"),
        ("-1", "-1"),
        ("100n", "1E-7"),
        ("0", "0"),
    ],
)
def test_quantities(value: Any, expected: str) -> None:
    assert parse_quantity(value) == Decimal(expected)


@pytest.mark.parametrize(
    "value", ["512MB", "1 Gi", "", "Gi", "1KI", "0x10", "1e999", True, None, [], {}, "१", 10**40]
)
def test_what_is_no_quantity(value: Any) -> None:
    assert parse_quantity(value) is None


@given(st.text(max_size=40) | st.floats() | st.integers())
def test_any_value_can_be_read_as_a_quantity(value: Any) -> None:
    amount = parse_quantity(value)
    assert amount is None or isinstance(amount, Decimal)


@pytest.mark.parametrize(
    ("limits", "requests", "judge", "count"),
    [
        ("{memory: 0}", "{}", resources.zero_limit, 1),
        ("{cpu: '0'}", "{}", resources.zero_limit, 1),
        ("{nvidia.com/gpu: 0}", "{}", resources.zero_limit, 0),
        ("{}", "{memory: 0}", resources.zero_limit, 0),
        ("{memory: 1Gi}", "{memory: 1024Mi}", resources.request_over_limit, 0),
        ("{memory: 1Gi}", "{memory: 1025Mi}", resources.request_over_limit, 1),
        ("{cpu: 500m}", "{cpu: 1}", resources.request_over_limit, 1),
        ("{memory: 0}", "{memory: 1Gi}", resources.request_over_limit, 0),
        ("{memory: '$(MEM)'}", "{}", resources.invalid_quantity, 0),
        ("{cpu: 100m, memory: 100m}", "{}", resources.invalid_quantity, 1),
    ],
)
def test_limits_that_limit_nothing(limits: str, requests: str, judge: Any, count: int) -> None:
    container = f"{{resources: {{limits: {limits}, requests: {requests}}}}}"
    assert len(said(judge, "{}", container)) == count


def test_resources_of_the_pod_or_a_limit_range_suffice() -> None:
    assert said(resources.memory_limit, "{resources: {limits: {memory: 1Gi}}}") == []
    assert len(said(resources.memory_limit)) == 1
    text = (
        "{apiVersion: v1, kind: Pod, metadata: {namespace: a}, spec: {containers: [{name: x}]}}\n"
        "---\n{apiVersion: v1, kind: LimitRange, metadata: {namespace: %s},"
        " spec: {limits: [{type: %s, default: {memory: 1Gi}}]}}"
    )
    for namespace, kind, count in (("a", "Container", 0), ("b", "Container", 1), ("a", "Pod", 1)):
        review = next(reviews(documents(text % (namespace, kind))))
        assert len(list(resources.memory_limit(review))) == count


@pytest.mark.parametrize(
    ("annotation", "spec", "dead", "leftover"),
    [
        ("seccomp.security.alpha.kubernetes.io/pod", "{}", 1, 0),
        (
            "seccomp.security.alpha.kubernetes.io/pod",
            "{securityContext: {seccompProfile: {type: RuntimeDefault}}}",
            0,
            1,
        ),
        ("container.seccomp.security.alpha.kubernetes.io/app", "{}", 1, 0),
        # Of no container: nobody is unconfined by it.
        ("container.seccomp.security.alpha.kubernetes.io/other", "{}", 0, 1),
        ("example.com/note", "{}", 0, 0),
    ],
)
def test_dead_seccomp_annotations(annotation: str, spec: str, dead: int, leftover: int) -> None:
    metadata = {"annotations": {annotation: "runtime/default"}}
    assert len(said(seccomp_annotations.dead_annotation, spec, metadata=metadata)) == dead
    assert len(said(seccomp_annotations.leftover_annotation, spec, metadata=metadata)) == leftover
    missing = said(confinement.seccomp_missing, spec, metadata=metadata)
    assert bool(missing) is (spec == "{}" and not dead)


@pytest.mark.parametrize(
    ("container", "meant"),
    [
        ("{securityContext: {runAsNonroot: true}}", "runAsNonRoot"),
        ("{securityContext: {run_as_non_root: true}}", "runAsNonRoot"),
        ("{securityContext: {readOnlyRootFileSystem: true}}", "readOnlyRootFilesystem"),
        ("{securityContext: {allowPriviledgeEscalation: false}}", "allowPrivilegeEscalation"),
        ("{securityContext: {seccompprofile: {}}}", "seccompProfile"),
        ("{securityContext: {capabilities: {dropp: [ALL]}}}", "drop"),
        ("{securityContexts: {}}", "securityContext"),
        ("{SecurityContext: {}}", "securityContext"),
        ("{livenessprobe: {}}", "livenessProbe"),
        ("{resources: {limit: {memory: 1Gi}}}", "limits"),
    ],
)
def test_misspelt_fields_are_recognised(container: str, meant: str) -> None:
    (message,) = said(misplaced.misspelt, "{}", container)
    assert message.endswith(f"probably meant as {meant}")


@pytest.mark.parametrize(
    ("spec", "container"),
    [
        ("{automountServiceAccountToken: false, hostUsers: false}", "{env: [], ports: []}"),
        ("{someNewField: 1, resources: {}}", "{anotherNewField: 1, stdin: true}"),
        ("{securityContext: {fsGroup: 1}}", "{securityContext: {privileged: false}}"),
    ],
)
def test_known_and_unrelated_fields_are_left_alone(spec: str, container: str) -> None:
    assert said(misplaced.misspelt, spec, container) == []
    assert said(misplaced.wrong_level, spec, container) == []


@pytest.mark.parametrize(
    ("spec", "container", "count"),
    [
        ("{securityContext: {privileged: false, capabilities: {}}}", "{}", 2),
        ("{}", "{securityContext: {sysctls: [], fsGroup: 1}}", 2),
        ("{}", "{automountServiceAccountToken: false}", 1),
        ("{runAsNonRoot: true}", "{}", 1),
    ],
)
def test_settings_at_the_wrong_level(spec: str, container: str, count: int) -> None:
    assert len(said(misplaced.wrong_level, spec, container)) == count
    assert said(misplaced.misspelt, spec, container) == []


def test_fields_around_the_template_of_a_known_kind_only() -> None:
    template: dict[str, Any] = {"spec": {"containers": []}, "securityContext": {}}
    spec = {"template": template, "automountServiceAccountToken": False}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "spec": spec}
    (review,) = reviews([deployment])
    found = list(misplaced.wrong_level(review))
    assert [hit.path for hit in found] == [
        ("spec", "automountServiceAccountToken"),
        ("spec", "template", "securityContext"),
    ]
    custom = {**deployment, "apiVersion": "example.com/v1", "kind": "App"}
    (review,) = reviews([custom])
    review.memo["templates"] = {"example.com/App": ("spec", "template")}
    assert list(misplaced.wrong_level(review)) == []


@pytest.mark.parametrize(
    ("container", "fragment"),
    [
        ("{securityContext: {runAsNonRoot: 'true'}}", 'runAsNonRoot of container "app" is "true"'),
        ("{securityContext: {runAsUser: '1000'}}", "accepts only an integer"),
        ("{securityContext: {capabilities: {drop: ALL}}}", "accepts only a list"),
        ("{securityContext: {runAsUser: '${UID}'}}", "unfilled placeholder"),
    ],
)
def test_settings_of_the_wrong_type(container: str, fragment: str) -> None:
    (message,) = said(misplaced.wrong_type, "{}", container)
    assert fragment in message


@pytest.mark.parametrize(
    ("names", "judge", "count"),
    [
        ("{add: [sys_admin]}", capabilities.add_takeover, 1),
        ("{add: [CAP_SYS_ADMIN]}", capabilities.add_takeover, 1),
        ("{add: [all]}", capabilities.add_all, 1),
        ("{add: [NET_BIND_SERVICE]}", capabilities.add_default, 0),
        ("{drop: [all]}", capabilities.not_dropped, 0),
        ("{drop: ALL}", capabilities.not_dropped, 0),
        ("{drop: [All]}", capabilities.letter_case, 1),
        ("{drop: [net_raw, ALL]}", capabilities.letter_case, 0),
        ("{drop: [CAP_NET_RAW]}", capabilities.prefixed, 1),
        ("{drop: [NET_RAW]}", capabilities.not_dropped, 1),
    ],
)
def test_spellings_of_capabilities(names: str, judge: Any, count: int) -> None:
    assert len(said(judge, "{}", f"{{securityContext: {{capabilities: {names}}}}}")) == count


@pytest.mark.parametrize(
    ("image", "judge", "count"),
    [
        ("nginx", images.latest, 1),
        ("a/b", images.latest, 1),
        ("a", images.latest, 0),
        ("{IMAGE}", images.latest, 0),
        ("@IMAGE@", images.latest, 0),
        ("IMAGE_PLACEHOLDER", images.invalid, 0),
        ("a:latest", images.latest, 1),
        ("a:latest@sha256:" + "0" * 64, images.latest, 0),
        ("localhost:5000/a", images.latest, 1),
        ("a:1.2", images.no_digest, 1),
        ("a", images.no_digest, 0),
        ("a:main", images.no_digest, 0),
        ("a:main", images.moving_tag, 1),
        ("a:main-1.2", images.moving_tag, 0),
        ("a@sha256:123", images.invalid, 1),
        ("a@sha256:123", images.latest, 0),
        ("A B", images.invalid, 1),
        ("${IMAGE}", images.invalid, 0),
        ("{{ .Values.image }}", images.latest, 0),
        ("10.1.2.3:5000/a:1", images.address_registry, 1),
        ("[fd00::1]:5000/a:1", images.address_registry, 1),
        ("ghcr.io/a/b:1", images.address_registry, 0),
        ("docker:dind", images.docker_in_docker, 1),
        ("docker:27.1-dind-rootless", images.docker_in_docker, 1),
        ("docker:27.1-cli", images.docker_in_docker, 0),
        ("node:14", images.end_of_life, 1),
        ("node:14-alpine", images.end_of_life, 1),
        ("registry.example.com/node:14", images.end_of_life, 0),
    ],
)
def test_images(image: str, judge: Any, count: int) -> None:
    assert len(said(judge, "{}", f"{{image: '{image}'}}")) == count


BINDING = """
apiVersion: rbac.authorization.k8s.io/v1
kind: %s
metadata: {name: b, namespace: %s}
subjects: [%s]
"""


@pytest.mark.parametrize(
    ("kind", "namespace", "subject", "bound"),
    [
        ("RoleBinding", "shop", "{kind: ServiceAccount, name: default, namespace: shop}", True),
        ("RoleBinding", "shop", "{kind: ServiceAccount, name: default}", True),
        ("RoleBinding", "shop", "{kind: ServiceAccount, name: default, namespace: ci}", False),
        ("RoleBinding", "ci", "{kind: ServiceAccount, name: default}", False),
        ("ClusterRoleBinding", "", "{kind: ServiceAccount, name: default, namespace: shop}", True),
        ("ClusterRoleBinding", "", "{kind: Group, name: 'system:serviceaccounts'}", True),
        ("ClusterRoleBinding", "", "{kind: Group, name: 'system:serviceaccounts:shop'}", True),
        ("ClusterRoleBinding", "", "{kind: Group, name: 'system:masters'}", False),
        ("RoleBinding", "shop", "{kind: User, name: 'system:serviceaccount:shop:default'}", True),
    ],
)
def test_rights_of_the_default_account(
    kind: str, namespace: str, subject: str, bound: bool
) -> None:
    pod = "{apiVersion: v1, kind: Pod, metadata: {namespace: shop}, spec: {containers: []}}"
    review = next(reviews(documents(f"{pod}\n---{BINDING % (kind, namespace, subject)}")))
    assert bool(list(accounts.default_bound(review))) is bound
    assert bool(list(accounts.default_token(review))) is not bound


ACCOUNT = """
{apiVersion: v1, kind: Pod, metadata: {namespace: shop}, spec: {serviceAccountName: cart}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: cart, namespace: shop, annotations: {%s: x}}
automountServiceAccountToken: %s
"""


@pytest.mark.parametrize(
    ("annotation", "mounts", "count"),
    [
        ("note", "null", 1),
        ("note", "true", 1),
        ("note", "false", 0),
        ("eks.amazonaws.com/role-arn", "null", 0),
        ("iam.gke.io/gcp-service-account", "null", 0),
    ],
)
def test_idle_tokens(annotation: str, mounts: str, count: int) -> None:
    review = next(reviews(documents(ACCOUNT % (annotation, mounts))))
    assert len(list(accounts.idle_token(review))) == count


@pytest.mark.parametrize(
    ("spec", "count"),
    [
        ("{tolerations: [{operator: Exists}]}", 1),
        ("{tolerations: [{operator: Exists, effect: NoExecute}]}", 0),
        ("{tolerations: [{key: node-role.kubernetes.io/master}]}", 1),
        ("{tolerations: [{key: spot, operator: Exists}]}", 0),
        ("{nodeSelector: {kubernetes.io/role: master}}", 1),
        ("{nodeSelector: {kubernetes.io/role: agent}}", 0),
        (
            "{nodeSelector: {node-role.kubernetes.io/control-plane: ''},"
            " tolerations: [{operator: Exists}]}",
            1,
        ),
    ],
)
def test_placement_on_the_control_plane(spec: str, count: int) -> None:
    assert len(said(placement.control_plane, spec)) == count
    system = {"name": "a", "namespace": "kube-system"}
    assert said(placement.control_plane, spec, metadata=system) == []


def test_required_affinity_for_the_control_plane() -> None:
    need = "requiredDuringSchedulingIgnoredDuringExecution"
    term = "{matchExpressions: [{key: node-role.kubernetes.io/control-plane, operator: %s}]}"
    spec = "{affinity: {nodeAffinity: {" + need + ": {nodeSelectorTerms: [" + term + "]}}}}"
    assert len(said(placement.control_plane, spec % "Exists")) == 1
    assert said(placement.control_plane, spec % "DoesNotExist") == []


def test_a_node_chosen_by_the_scheduler_is_no_fixed_node() -> None:
    spec = "{nodeName: worker-1}"
    assert len(said(placement.fixed_node, spec)) == 1
    assert said(placement.fixed_node, spec, status={"phase": "Running"}) == []
    owned = {"ownerReferences": [{"kind": "ReplicaSet"}]}
    assert said(placement.fixed_node, spec, metadata=owned) == []
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": {"nodeName": "worker-1"}}
    (review,) = reviews([pod])
    assert list(placement.fixed_node(Review(resource=review.resource, point=Point.AUDIT))) == []


@pytest.mark.parametrize(
    ("modes", "judge", "count"),
    [
        ("0400", volumes.secret_mode, 0),
        ("0644", volumes.secret_mode, 0),
        ("0755", volumes.secret_mode, 1),
        ("0666", volumes.secret_mode, 1),
        ("400", volumes.secret_mode, 0),
        ("400", volumes.decimal_mode, 1),
        ("644", volumes.decimal_mode, 1),
        ("420", volumes.decimal_mode, 0),
        ("0400", volumes.decimal_mode, 0),
    ],
)
def test_file_modes(modes: str, judge: Any, count: int) -> None:
    spec = f"{{volumes: [{{name: s, secret: {{secretName: s, defaultMode: {modes}}}}}]}}"
    assert len(said(judge, spec)) == count


def test_claim_templates_of_a_stateful_set_are_volumes() -> None:
    pod = {"containers": [{"name": "a", "volumeMounts": [{"name": "data", "mountPath": "/d"}]}]}
    spec: dict[str, Any] = {"template": {"spec": pod}}
    data = {"apiVersion": "apps/v1", "kind": "StatefulSet", "spec": spec}
    (review,) = reviews([data])
    assert len(list(wiring.unknown_volume(review))) == 1
    spec["volumeClaimTemplates"] = [{"metadata": {"name": "data"}}]
    (review,) = reviews([data])
    assert list(wiring.unknown_volume(review)) == []


@pytest.mark.parametrize(
    ("env", "count"),
    [
        ("[{name: A, value: $(B)}]", 1),
        ("[{name: B, value: x}, {name: A, value: $(B)}]", 0),
        ("[{name: A, value: $(B)}, {name: B, value: x}]", 1),
        ("[{name: A, value: $$(B)}]", 0),
        ("[{name: A, value: $(DB_SERVICE_HOST)}]", 0),
        ("[{name: A, value: 'echo $(hostname -f)'}]", 0),
    ],
)
def test_references_between_variables(env: str, count: int) -> None:
    assert len(said(wiring.undefined_variable, "{}", f"{{env: {env}}}")) == count
    both = f"{{env: {env}, envFrom: [{{configMapRef: {{name: a}}}}]}}"
    assert said(wiring.undefined_variable, "{}", both) == []


@pytest.mark.parametrize(
    ("grace", "hook", "count"),
    [
        ("30", "{exec: {command: [sleep, '30']}}", 1),
        ("60", "{exec: {command: [sh, -c, 'sleep 30 && stop']}}", 0),
        ("10", "{sleep: {seconds: 15}}", 1),
        ("0", "{sleep: {seconds: 15}}", 0),
    ],
)
def test_hooks_and_the_grace_period(grace: str, hook: str, count: int) -> None:
    spec = f"{{terminationGracePeriodSeconds: {grace}}}"
    container = f"{{lifecycle: {{preStop: {hook}}}}}"
    assert len(said(lifecycle.hook_outlasts_grace, spec, container)) == count


def test_a_more_patient_liveness_probe_may_repeat_readiness() -> None:
    probe = "{httpGet: {path: /, port: 80}%s}"
    container = "{livenessProbe: %s, readinessProbe: %s}"
    same = container % (probe % "", probe % "")
    patient = container % (probe % ", failureThreshold: 10", probe % "")
    assert len(said(lifecycle.identical_probes, "{}", same)) == 1
    assert said(lifecycle.identical_probes, "{}", patient) == []


@pytest.mark.parametrize(
    ("command", "count"),
    [
        ("curl -sSL https://a.example/i.sh | bash", 1),
        ("wget -qO- http://a | sudo sh -s -- -y", 1),
        ("curl https://a/x.py | python3 -", 1),
        ('sh -c "$(curl -fsSL https://a)"', 1),
        ("bash <(curl -s https://a)", 1),
        ("curl -o /tmp/x https://a && chmod +x /tmp/x && /tmp/x", 1),
        ("curl -s http://a/health | grep ok", 0),
        ("curl -o /data/list.json https://a; chmod 644 /data/other", 0),
        ("wget http://a -O- | tar xz", 0),
        ("curl http://a | shasum", 0),
    ],
)
def test_code_fetched_at_start(command: str, count: int) -> None:
    container = yaml.safe_dump({"command": ["sh", "-c", command]})
    assert len(said(startup.fetched_code, "{}", container)) == count


@given(st.text(max_size=300) | st.integers() | st.none())
def test_quoted_text_is_short_and_printable(value: Any) -> None:
    text = quoted(value)
    assert text.isprintable()
    assert len(text) <= 82


def test_long_lists_are_cut() -> None:
    assert listed("abc") == "a, b, c"
    assert listed("abcdefgh", most=3) == "a, b, c and 5 more"
