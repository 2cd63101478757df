"""Fixes of Kubernetes objects that need more than a step, as tables; and the fixer lines."""

from __future__ import annotations

import pytest

from haechi.engines.documents import Document, parse_documents
from haechi.errors import RuleError
from haechi.model.location import AttrPath
from haechi.scan.fix.changes import Refused
from haechi.scan.fix.fixer import Fixer, Step, parse_fixer
from haechi.scan.fix.subject import manifest_of

POD = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n"
C0: AttrPath = ("spec", "containers", 0)
CONTEXT: AttrPath = (*C0, "securityContext")


def fixed(fixer: str, text: str, hit: AttrPath) -> str:
    (document,) = parse_documents(text.encode())
    assert isinstance(document, Document)
    return manifest_of(document, "a.yaml", {}).fixed(parse_fixer(fixer), 0, hit).text


def pod(spec: str, annotations: str = "") -> str:
    notes = f"  annotations:\n{annotations}" if annotations else ""
    return f"{POD}{notes}spec:\n{spec}"


SECCOMP = "seccomp.security.alpha.kubernetes.io/pod"
APPARMOR = "container.apparmor.security.beta.kubernetes.io/"

ROWS: list[tuple[str, str, AttrPath, str]] = [
    (
        "no-escalation",
        pod("  containers:\n  - name: a # x\n  # y\n"),
        (*CONTEXT, "allowPrivilegeEscalation"),
        pod(
            "  containers:\n  - name: a # x\n    securityContext:\n"
            "      allowPrivilegeEscalation: false\n  # y\n"
        ),
    ),
    (
        "drop-all",
        pod("  containers:\n  - securityContext:\n      capabilities: {drop: [KILL]}\n"),
        (*CONTEXT, "capabilities", "drop"),
        pod("  containers:\n  - securityContext:\n      capabilities: {drop: [KILL, ALL]}\n"),
    ),
    (
        "capability-names",
        pod("  containers:\n  - securityContext:\n      capabilities: {add: [CAP_KILL, x]}\n"),
        (*CONTEXT, "capabilities", "add"),
        pod("  containers:\n  - securityContext:\n      capabilities: {add: [KILL, X]}\n"),
    ),
    (
        "seccomp-field",
        pod("  hostPID: true\n", f"    {SECCOMP}: localhost/a.json # old\n"),
        ("metadata", "annotations", SECCOMP),
        pod(
            "  hostPID: true\n  securityContext:\n    seccompProfile:\n      type: Localhost\n"
            "      localhostProfile: a.json\n"
        ),
    ),
    (
        "apparmor-field",
        pod("  containers:\n    - name: a\n", f"    {APPARMOR}a: runtime/default\n    b: c\n"),
        ("metadata", "annotations", f"{APPARMOR}a"),
        pod(
            "  containers:\n    - name: a\n      securityContext:\n        appArmorProfile:\n"
            "          type: RuntimeDefault\n",
            "    b: c\n",
        ),
    ),
    (
        "respell",
        pod("  containers:\n  - securityContext:\n      runAsNonroot: true # safe\n"),
        (*CONTEXT, "runAsNonroot"),
        pod("  containers:\n  - securityContext:\n      runAsNonRoot: true # safe\n"),
    ),
    (
        "relocate",
        pod("  securityContext:\n    privileged: false\n  containers:\n  - name: a\n  - name: b\n"),
        ("spec", "securityContext", "privileged"),
        pod(
            "  containers:\n  - name: a\n    securityContext:\n      privileged: false\n"
            "  - name: b\n    securityContext:\n      privileged: false\n"
        ),
    ),
    (
        "relocate",
        pod("  containers:\n  - name: a\n    securityContext: {fsGroup: 7, runAsUser: 8}\n"),
        (*CONTEXT, "fsGroup"),
        pod(
            "  containers:\n  - name: a\n    securityContext: {runAsUser: 8}\n"
            "  securityContext:\n    fsGroup: 7\n"
        ),
    ),
    (
        "retype",
        pod('  hostPID: "false"\n'),
        ("spec", "hostPID"),
        pod("  hostPID: false\n"),
    ),
    (
        "octal-mode",
        pod("  volumes: [{secret: {defaultMode: 440}}]\n"),
        ("spec", "volumes", 0, "secret", "defaultMode"),
        pod("  volumes: [{secret: {defaultMode: 0440}}]\n"),
    ),
    (
        "secret-mode",
        pod("  volumes: [{secret: {defaultMode: 0777}}]\n"),
        ("spec", "volumes", 0, "secret", "defaultMode"),
        pod("  volumes: [{secret: {defaultMode: 0770}}]\n"),
    ),
    (
        "api-version",
        "# old\napiVersion: apps/v1beta2 # x\nkind: Deployment\nspec: {selector: {a: b}}\n",
        ("apiVersion",),
        "# old\napiVersion: apps/v1 # x\nkind: Deployment\nspec: {selector: {a: b}}\n",
    ),
    (
        "policy-types",
        "apiVersion: x/v1\nkind: P\nspec:\n  egress: []\n",
        ("spec", "policyTypes"),
        "apiVersion: x/v1\nkind: P\nspec:\n  egress: []\n"
        "  policyTypes:\n    - Ingress\n    - Egress\n",
    ),
    (
        "merge-peers",
        "apiVersion: x/v1\nkind: P\nfrom:\n- namespaceSelector: {a: b}\n- podSelector:\n    c: d\n",
        ("from", 0),
        "apiVersion: x/v1\nkind: P\nfrom:\n- namespaceSelector: {a: b}\n  podSelector:\n    c: d\n",
    ),
    (
        "subject-namespace",
        "apiVersion: r/v1\nkind: RoleBinding\nmetadata: {namespace: s}\nsubjects:\n- name: a\n",
        ("subjects", 0, "namespace"),
        "apiVersion: r/v1\nkind: RoleBinding\nmetadata: {namespace: s}\nsubjects:\n- name: a\n"
        "  namespace: s\n",
    ),
    (
        "ingress-class",
        "apiVersion: n/v1\nkind: I\nmetadata:\n  name: a\n  annotations:\n"
        "    kubernetes.io/ingress.class: nginx\nspec:\n  rules: []\n",
        ("metadata", "annotations"),
        "apiVersion: n/v1\nkind: I\nmetadata:\n  name: a\nspec:\n  rules: []\n"
        "  ingressClassName: nginx\n",
    ),
    (
        "set pod.securityContext.runAsUser = 5; delete object.metadata.name",
        "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: a, x: y}\nspec: {}\n",
        (),
        "apiVersion: batch/v1\nkind: CronJob\nmetadata: {x: y}\nspec:\n  jobTemplate:\n    spec:\n"
        "      template:\n        spec:\n          securityContext:\n            runAsUser: 5\n",
    ),
]


@pytest.mark.parametrize(("fixer", "before", "hit", "after"), ROWS, ids=[row[0] for row in ROWS])
def test_changes_the_object(fixer: str, before: str, hit: AttrPath, after: str) -> None:
    assert fixed(fixer, before, hit) == after


REFUSED: list[tuple[str, str, AttrPath, str]] = [
    (
        "no-escalation",
        pod("  containers: [{securityContext: {privileged: true}}]\n"),
        (*CONTEXT, "x"),
        "privileged",
    ),
    ("no-escalation", pod("  hostPID: true\n"), ("spec", "x"), "not one container's"),
    ("set container.a = 1", "apiVersion: v1\nkind: Service\n", ("spec",), "no pod template"),
    ("respell", pod("  zzz: 1\n"), ("spec", "zzz"), "nobody can tell"),
    (
        "respell",
        pod("  hostpid: true\n  hostPID: false\n"),
        ("spec", "hostpid"),
        "there already",
    ),
    (
        "relocate",
        pod("  runAsUser: 5 # why\n  containers: []\n"),
        ("spec", "runAsUser"),
        "comments would be lost",
    ),
    (
        "relocate",
        pod("  runAsUser: 5\n  securityContext: {runAsUser: 6}\n"),
        ("spec", "runAsUser"),
        "for a person",
    ),
    ("retype", pod("  hostPID: perhaps\n"), ("spec", "hostPID"), "does not say"),
    ("api-version", "apiVersion: extensions/v1beta1\nkind: Ingress\n", ("apiVersion",), "by hand"),
    ("api-version", "apiVersion: apps/v1beta1\nkind: Deployment\n", ("apiVersion",), "selector"),
    (
        "api-version",
        "apiVersion: policy/v1beta1\nkind: PodDisruptionBudget\nspec: {selector: {}}\n",
        ("apiVersion",),
        "empty selector",
    ),
    ("octal-mode", pod("  m: 999\n"), ("spec", "m"), "does not say"),
    ("apt-yes", pod("  m: 1\n"), ("spec", "m"), "no fix of Kubernetes"),
    (
        "prune hit",
        "x: &x {annotations: {a: b}}\napiVersion: v1\nkind: A\nmetadata: *x\n",
        ("metadata", "annotations", "a"),
        "shared by an anchor",
    ),
]


@pytest.mark.parametrize(("fixer", "text", "hit", "reason"), REFUSED)
def test_leaves_to_a_person_what_it_cannot_know(
    fixer: str, text: str, hit: AttrPath, reason: str
) -> None:
    with pytest.raises(Refused, match=reason):
        fixed(fixer, text, hit)


ODD: list[object] = [None, True, 3, 1.5, "x", [], {}, [None], {"a": None}, [[{}]]]


@pytest.mark.parametrize("value", ODD, ids=repr)
def test_functions_never_fail_on_odd_values(value: object) -> None:
    import json

    from haechi.scan.fix.fixer import Case
    from haechi.scan.fix.kubernetes_fixers import KUBERNETES

    places: list[AttrPath] = [
        ("spec",),
        ("spec", "containers", 0, "securityContext", "x"),
        ("metadata", "annotations", f"{APPARMOR}a"),
        ("subjects", 0, "name"),
        (0,),
    ]
    for kind in ("v1 Pod", "apps/v1beta1 Deployment", "policy/v1beta1 PodDisruptionBudget"):
        version, _, name = kind.partition(" ")
        data = {"apiVersion": version, "kind": name, "metadata": value, "spec": value}
        data["subjects"] = value
        for whole in (data, {**data, "spec": {"containers": value, "policyTypes": value}}):
            (document,) = parse_documents(json.dumps(whole).encode())
            assert isinstance(document, Document)
            resource = manifest_of(document, "a", {}).resources[0]
            for hit in places:
                for function in KUBERNETES.values():
                    try:
                        function(Case(resource=resource, hit=hit, templates={}), "a b")
                    except Refused as reason:
                        assert reason.what


def test_a_fixer_line_is_steps_or_a_function() -> None:
    line = "risky set container.a['b.c/d'] = {\"x\": 1}; prune hit"
    step = Step("set", "container", ("a", "b.c/d"), {"x": 1})
    assert parse_fixer(line) == Fixer(steps=(step, Step("prune", "hit", ())), risky=True)
    assert parse_fixer("clean-up rm -rf /a") == Fixer(function="clean-up", argument="rm -rf /a")


@pytest.mark.parametrize(
    "line",
    [
        "set hit",
        "set nowhere.a = 1",
        "set hit = {",
        "delete hit = 1",
        "rename hit",
        "Set hit = 1",
        "",
    ],
)
def test_a_wrong_fixer_line_is_an_error_of_the_rule(line: str) -> None:
    with pytest.raises(RuleError):
        parse_fixer(line)
