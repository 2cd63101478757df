"""Overlays and charts by the real kubectl and helm, and without them."""

from __future__ import annotations

import http.server
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from haechi.errors import InputError
from haechi.scan.iac import renderings
from haechi.world import render
from tests.trees import POD, findings, gaps, places, scan

needs_kubectl = pytest.mark.skipif(
    shutil.which("kubectl") is None, reason="kubectl is not installed"
)
HELM = os.environ.get("HAECHI_TEST_HELM") or shutil.which("helm")
needs_helm = pytest.mark.skipif(
    HELM is None, reason="helm is neither installed nor named by HAECHI_TEST_HELM"
)

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          image: registry.example/web:1.0
          securityContext:
            privileged: true
"""
PATCH = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      hostPID: true
"""
PROJECT = {
    "base/kustomization.yaml": "resources: [web.yaml]\n",
    "base/web.yaml": DEPLOYMENT,
    "overlays/prod/kustomization.yaml": "namespace: prod\nnamePrefix: p-\nresources: [../../base]\n"
    "patches: [{path: host.yaml}]\n",
    "overlays/prod/host.yaml": PATCH,
    "overlays/dev/kustomization.yaml": "namespace: dev\nresources: [../../base]\n"
    "images: [{name: registry.example/web, newTag: latest}]\n",
}


@needs_kubectl
def test_a_base_is_judged_once_and_each_overlay_for_what_it_does(tmp_path: Path) -> None:
    outcome = scan(tmp_path, PROJECT)
    assert gaps(outcome) == []
    assert places(outcome, "k8s-privileged") == ["base/web.yaml:13"]
    assert places(outcome, "k8s-host-pid") == ["overlays/prod/host.yaml:7"]
    assert places(outcome, "k8s-image-latest") == ["overlays/dev/kustomization.yaml:3"]
    found = {r.label for r in outcome.looked.inventory.resources}
    assert found == {"Deployment dev/web", "Deployment prod/p-web"}


@needs_kubectl
def test_fingerprints_of_one_overlay_do_not_depend_on_the_others(tmp_path: Path) -> None:
    latest = PROJECT["overlays/dev/kustomization.yaml"]
    both = {**PROJECT, "overlays/prod/kustomization.yaml": latest}
    outcome = scan(tmp_path, both)
    found = {str(f.location): f.fingerprint for f in findings(outcome, "k8s-image-latest")}
    assert len(found) == len(set(found.values())) == 2
    (tmp_path / "overlays/dev/kustomization.yaml").write_text("resources: [../../base]\n")
    (left,) = findings(scan(tmp_path, {}), "k8s-image-latest")
    assert left.fingerprint == found["overlays/prod/kustomization.yaml:3"]


@needs_kubectl
def test_objects_that_one_patch_changes_have_each_their_finding(tmp_path: Path) -> None:
    patch = (
        "patches:\n- target: {kind: Deployment}\n"
        "  patch: |\n    - {op: add, path: /spec/template/spec/hostPID, value: true}\n"
    )
    other = DEPLOYMENT.replace("web", "api")
    outcome = scan(
        tmp_path,
        {
            "kustomization.yaml": f"resources: [a.yaml]\n{patch}",
            "a.yaml": f"{DEPLOYMENT}---\n{other}",
        },
    )
    assert len(findings(outcome, "k8s-host-pid")) == 2


@needs_kubectl
def test_a_narrower_scan_still_finds_the_base(tmp_path: Path) -> None:
    outcome = scan(tmp_path, PROJECT, path=tmp_path)
    narrow = scan(tmp_path, {}, path=tmp_path / "overlays" / "prod")
    assert gaps(narrow) == []
    assert places(narrow, "k8s-privileged") == ["base/web.yaml:13"]
    (one,), (other,) = (findings(o, "k8s-host-pid") for o in (outcome, narrow))
    assert one.fingerprint == other.fingerprint


@needs_kubectl
@pytest.mark.parametrize(
    ("kustomization", "reason"),
    [
        ("resources: [web.yaml]\nnonsense: 1\n", 'unknown field "nonsense"'),
        ("resources: [web.yaml]\npatches: [{path: host.yaml}]\n", "no matches for"),
        ("resources: [web.yaml]\npatches: [{patch: '[{op: x}]'}]\n", "unable to parse"),
        ("resources: [web.yaml, gone.yaml]\n", "'gone.yaml', which does not exist"),
        ("resources: [web.yaml, ../..]\n", "outside the repository"),
        ("resources: [web.yaml, 'https://x.invalid/a.yaml']\n", "from the network"),
    ],
)
def test_an_overlay_that_cannot_be_rendered_is_a_gap_and_its_files_are_judged(
    tmp_path: Path, kustomization: str, reason: str
) -> None:
    files = {
        "a/kustomization.yaml": kustomization,
        "a/web.yaml": DEPLOYMENT,
        "a/host.yaml": PATCH.replace("web", "other"),
    }
    outcome = scan(tmp_path, files)
    (gap,) = gaps(outcome)
    assert (gap.kind, gap.path) == ("kustomize", "a/kustomization.yaml")
    assert reason in gap.reason
    assert str(tmp_path) not in gap.reason
    assert places(outcome, "k8s-privileged") == ["a/web.yaml:13"]


@needs_kubectl
def test_patches_are_not_objects_whether_rendered_or_not(tmp_path: Path) -> None:
    outcome = scan(tmp_path, PROJECT)
    assert not [
        f
        for f in outcome.material.scan.findings
        if f.location.path.endswith("host.yaml") and f.rule != "k8s-host-pid"
    ]
    broken = {**PROJECT, "overlays/prod/kustomization.yaml": "patches: [{path: host.yaml}]\nx: 1\n"}
    outcome = scan(tmp_path, broken)
    assert not [f for f in outcome.material.scan.findings if "host.yaml" in f.location.path]


@needs_kubectl
def test_a_circle_of_overlays_is_a_gap(tmp_path: Path) -> None:
    outcome = scan(
        tmp_path,
        {"a/kustomization.yaml": "resources: [../b]", "b/kustomization.yaml": "resources: [../a]"},
    )
    (gap,) = gaps(outcome)
    assert (gap.kind, gap.path) == ("kustomize", "a/kustomization.yaml")
    assert "visited" in gap.reason


@pytest.fixture
def visits() -> Iterator[tuple[str, list[str]]]:
    """A web server on this machine and the paths that it was asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(POD.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    thread.join()
    server.server_close()


@needs_kubectl
@pytest.mark.parametrize("key", ["resources", "bases", "components", "crds", "transformers"])
def test_remote_bases_are_not_fetched(
    tmp_path: Path, visits: tuple[str, list[str]], key: str
) -> None:
    address, asked = visits
    files = {"a/kustomization.yaml": f"{key}: ['{address}/pod.yaml']", "a/pod.yaml": POD}
    outcome = scan(tmp_path, files)
    assert [gap.kind for gap in gaps(outcome)] == ["kustomize"]
    assert places(outcome, "k8s-privileged") == ["a/pod.yaml:9"]
    assert asked == []


def test_without_kubectl_an_overlay_is_a_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(render, "kubectl_path", lambda _: None)
    outcome = scan(tmp_path, PROJECT)
    assert [gap.path for gap in gaps(outcome)] == [
        "overlays/dev/kustomization.yaml",
        "overlays/prod/kustomization.yaml",
    ]
    assert all("kubectl is not installed" in gap.reason for gap in gaps(outcome))
    assert places(outcome, "k8s-privileged") == ["base/web.yaml:13"]


@needs_kubectl
def test_rendering_ends_with_the_patience(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renderings, "RENDER_SECONDS", -1.0)
    outcome = scan(tmp_path, {**PROJECT, **CHART})
    assert {gap.kind for gap in gaps(outcome)} >= {"kustomize"}
    assert all("in all" in gap.reason for gap in gaps(outcome) if gap.kind == "kustomize")


NEW = "apiVersion: v2\nname: t\nversion: 1.0.0\n"
CHART = {
    "web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
    "web/values.yaml": "tag: latest\nhost: true\ndb: {root: true}\n",
    "web/templates/_helpers.tpl": '{{- define "labels" -}}\napp: web\n{{- end }}\n',
    "web/templates/web.yaml": """\
{{- if .Values.host }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
  namespace: {{ .Release.Namespace }}
spec:
  template:
    metadata:
      labels: {{- include "labels" . | nindent 8 }}
    spec:
      hostPID: {{ .Values.host }}
      containers:
      - name: side
        image: registry.example/side:1
      - name: {{ .Chart.Name }}
        image: "registry.example/web:{{ .Values.tag }}"
{{- end }}
""",
    "web/charts/db/Chart.yaml": "apiVersion: v2\nname: db\nversion: 1.0.0\n",
    "web/charts/db/templates/db.yaml": POD.replace("true", "{{ .Values.root }}").replace(
        "name: ok", 'name: "{{ .Release.Name }}"'
    ),
}


def test_without_helm_a_chart_is_one_gap_and_no_broken_yaml(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(render, "helm_path", lambda _: None)
    outcome = scan(tmp_path, CHART)
    assert [(gap.kind, gap.path) for gap in gaps(outcome)] == [("helm-chart", "web/Chart.yaml")]
    assert "helm is not installed" in gaps(outcome)[0].reason
    assert outcome.material.decision.exit_code == 3
    config = "coverage: {accept: [{kind: helm-chart, reason: rendered in the release pipeline}]}"
    outcome = scan(tmp_path, {"haechi.yaml": config})
    assert outcome.material.decision.exit_code == 0


@pytest.fixture
def helm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "helm_path", lambda _: HELM)


@needs_helm
@pytest.mark.usefixtures("helm")
def test_a_chart_is_judged_at_its_templates(tmp_path: Path) -> None:
    outcome = scan(tmp_path, CHART)
    assert gaps(outcome) == []
    assert places(outcome, "k8s-host-pid") == ["web/templates/web.yaml:12"]
    assert places(outcome, "k8s-image-latest") == ["web/templates/web.yaml:17"]
    assert places(outcome, "k8s-privileged") == ["web/charts/db/templates/db.yaml:9"]
    assert findings(outcome, "k8s-default-namespace") == []


@needs_helm
@pytest.mark.usefixtures("helm")
@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"t/templates/a.yaml": "a: {{ .Values.x.y.z }}"}, "t/templates/a.yaml:1"),
        ({"t/templates/a.yaml": '{{ required "say who" .Values.who }}'}, "say who"),
        ({"t/templates/a.yaml": "a: [{{ 1 }}"}, "YAML parse error on t/templates/a.yaml"),
        (
            {"t/Chart.yaml": f"{NEW}dependencies:\n"
             "- {name: redis, version: 1.x.x, repository: 'https://x.invalid'}\n"},
            "missing in charts/ directory: redis",
        ),
        ({"t/Chart.yaml": "name: t\n"}, "validation"),
        ({"t/Chart.yaml": f"{NEW}kubeVersion: '>=1.99'\n"}, "1.33"),
        ({"t/templates/a.yaml": '{{ repeat 2000000000 (repeat 1000 "x") }}'}, "memory"),
    ],
)  # fmt: skip
def test_a_chart_that_cannot_be_rendered_is_a_gap_with_helms_reason(
    tmp_path: Path, files: dict[str, str], reason: str
) -> None:
    chart = {"t/Chart.yaml": NEW}
    (gap,) = gaps(scan(tmp_path, {**chart, **files}))
    assert (gap.kind, gap.path) == ("helm-chart", "t/Chart.yaml")
    assert reason in gap.reason


@needs_helm
@pytest.mark.usefixtures("helm")
def test_a_library_chart_has_nothing_to_judge(tmp_path: Path) -> None:
    chart = "apiVersion: v2\nname: lib\ntype: library\nversion: 1.0.0\n"
    files = {"lib/Chart.yaml": chart, "lib/templates/_a.tpl": '{{ define "a" }}{{ end }}'}
    assert gaps(scan(tmp_path, files)) == []


@needs_helm
@pytest.mark.usefixtures("helm")
def test_a_chart_at_the_root_of_the_project(tmp_path: Path) -> None:
    files = {name.removeprefix("web/"): text for name, text in CHART.items()}
    outcome = scan(tmp_path, files)
    assert gaps(outcome) == []
    assert places(outcome, "k8s-host-pid") == ["templates/web.yaml:12"]


@needs_helm
@pytest.mark.usefixtures("helm")
def test_helm_asks_no_cluster_and_no_network(
    tmp_path: Path, visits: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, asked = visits
    config = tmp_path / "kubeconfig"
    config.write_text(
        f"apiVersion: v1\nkind: Config\nclusters: [{{name: c, cluster: {{server: '{address}'}}}}]\n"
        "contexts: [{name: c, context: {cluster: c}}]\ncurrent-context: c\n"
    )
    monkeypatch.setenv("KUBECONFIG", str(config))
    monkeypatch.setenv("HELM_NAMESPACE", "other")
    template = (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
        'data: {a: "{{ lookup "v1" "Secret" "" "" }}", b: "{{ getHostByName "localhost" }}", '
        'ns: "{{ .Release.Namespace }}"}\n'
    )
    outcome = scan(
        tmp_path / "p",
        {
            "t/Chart.yaml": NEW,
            "t/templates/a.yaml": template,
        },
    )
    assert gaps(outcome) == []
    (resource,) = outcome.looked.inventory.resources
    assert resource.data["data"] == {"a": "map[]", "b": "", "ns": "release"}
    assert asked == []


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo nothing >&2; exit 3", "nothing"),
        ("exit 3", "tool ended with code 3"),
        ("echo 'Error: a: b' >&2; echo 'Use --debug flag' >&2; exit 1", "a: b"),
        ("head -c 30000000 /dev/zero", "renders to more than"),
        ("head -c 90000000 /dev/zero || exit 7", "File size limit exceeded"),
        ("exec sleep 30", "took longer than"),
    ],
)
def test_every_end_of_a_tool_has_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, reason: str
) -> None:
    tool = tmp_path / "tool"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    monkeypatch.setattr(render, "DEADLINE", 1.0)
    with pytest.raises(InputError) as told:
        render.helm_template(str(tool), tmp_path)
    assert reason in told.value.what


def test_a_tool_gets_none_of_the_users_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\nenv\n")
    tool.chmod(0o755)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not for charts")
    said = render.helm_template(str(tool), tmp_path).decode()
    assert "AWS_SECRET" not in said
    assert "KUBECONFIG=/dev/null" in said
    assert "/haechi-render-" in said.split("\nHOME=")[1].splitlines()[0]
