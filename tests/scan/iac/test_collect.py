"""What a tree is read into: files, gaps, and what is passed over without a word."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest

from haechi.cli.pipeline import Options, run
from haechi.scan.iac import intake
from haechi.scan.iac.sources import Source, classify
from tests.trees import POD, findings, gaps, places, scan, write

TANKA = '{"apiVersion": "tanka.dev/v1alpha1", "kind": "Environment", "metadata": {"name": "a"}}'


def packed(*names: str) -> bytes:
    """A tar archive that begins with files of these names."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name in filter(None, (*names, "x/values.yaml")):
            archive.addfile(tarfile.TarInfo(name))
    return gzip.compress(out.getvalue(), mtime=0)  # equal bytes, for they name the test


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("a/b.yaml", Source.MANIFEST),
        ("b.YML", Source.MANIFEST),
        ("b.json", Source.MANIFEST),
        ("Dockerfile", Source.DOCKERFILE),
        ("x/Dockerfile.prod", Source.DOCKERFILE),
        ("web.dockerfile", Source.DOCKERFILE),
        ("Containerfile", Source.DOCKERFILE),
        ("Dockerfile.j2", Source.DOCKERFILE_TEMPLATE),
        ("Dockerfile.md", Source.OTHER),
        ("dockerfile.go", Source.OTHER),
        (".dockerignore", Source.OTHER),
        ("kustomization.yml", Source.KUSTOMIZATION),
        ("x/Kustomization", Source.KUSTOMIZATION),
        ("Chart.yaml", Source.CHART),
        ("README", Source.OTHER),
        ("a/deploy.yaml.j2", Source.MANIFEST_TEMPLATE),
        ("deploy.yml.tmpl", Source.MANIFEST_TEMPLATE),
        ("deploy.json.erb", Source.MANIFEST_TEMPLATE),
        ("deploy.yaml.golden", Source.OTHER),
        ("page.html.j2", Source.OTHER),
        ("charts/db-1.2.3.tgz", Source.PACKED_CHART),
        ("backup.tgz", Source.OTHER),
        ("helmfile.yaml", Source.HELMFILE),
        ("x/helmfile.yaml.gotmpl", Source.HELMFILE),
        ("Dockerfile-dev", Source.DOCKERFILE),
        ("docker/prod.Dockerfile", Source.DOCKERFILE),
    ],
)
def test_files_are_told_by_their_names(path: str, source: Source) -> None:
    assert classify(path) is source


@pytest.mark.parametrize(
    ("name", "content", "kind", "path"),
    [
        ("a.yaml", "apiVersion: v1\nkind: Pod\nspec: [", "syntax", "a.yaml:4"),
        ("a.yaml", "apiVersion: v1\nkind: Pod\nm: {n: {{ .Values.a }\n", "template", "a.yaml:3"),
        ("a.yaml", b"apiVersion: v1\nkind: Pod\n# \xe9\n", "encoding", "a.yaml"),
        ("Dockerfile", b"FROM scratch\n# \xe9\n", "encoding", "Dockerfile"),
        ("Dockerfile", "\n", "syntax", "Dockerfile"),
        ("Dockerfile", "FROM a\nNONSENSE b\n", "syntax", "Dockerfile:2"),
        ("Dockerfile.tmpl", "FROM {{ a }}\n", "template", "Dockerfile.tmpl"),
        ("Dockerfile", "FROM a\n{{if x}}\nUSER 1\n{{end}}\n", "template", "Dockerfile:2"),
        ("Dockerfile", "{% from 'base' import b %}\n", "template", "Dockerfile:1"),
        ("Dockerfile", "\n{{ InsertTemplate(x) }}\nRUN {{ x }}\n", "template", "Dockerfile:2"),
        ("Dockerfile", "RUN id\n", "syntax", "Dockerfile:1"),
        ("Dockerfile", "FROM a\n" + "ENV a=b\n" * 2_000, "limit", "Dockerfile"),
        ("Dockerfile", "FROM a\nRUN " + "x" * 500_000, "limit", "Dockerfile"),
        ("a.yaml", "apiVersion: v1\nkind: Pod\nm: {n: {{name}}}\n", "template", "a.yaml:3"),
        ("kustomization.yaml", "resources: [", "kustomize", "kustomization.yaml:2"),
        ("a.yaml.j2", POD, "template", "a.yaml.j2"),
        ("x/db-1.0.0.tgz", packed("db/Chart.yaml"), "helm-chart", "x/db-1.0.0.tgz"),
        ("db-1.0.0.tgz", packed("db/é", "db/Chart.yaml"), "helm-chart", "db-1.0.0.tgz"),
        ("helmfile.yaml", "releases: []\n", "helmfile", "helmfile.yaml"),
        ("env/a/spec.json", TANKA, "jsonnet", "env/a/spec.json"),
    ],
)
def test_what_cannot_be_read_is_a_gap_at_its_line(
    tmp_path: Path, name: str, content: str | bytes, kind: str, path: str
) -> None:
    outcome = scan(tmp_path, {name: content})
    assert [(gap.kind, gap.path) for gap in gaps(outcome)] == [(kind, path)]
    assert gaps(outcome)[0].do
    assert outcome.material.decision.exit_code == 3


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.yaml.j2", "{% for x in y %}a: {{ x }}{% endfor %}"),
        ("tool-1.0.0.tgz", packed("tool/README")),
        ("tool-1.0.0.tgz", packed("")),
        ("tool-1.0.0.tgz", b"no archive"),
        ("tool-1.0.0.tgz", b""),
        ("tool-1.0.0.tgz", packed("db/Chart.yaml")[:12]),
    ],
)
def test_what_no_cluster_gets_needs_no_rendering(
    tmp_path: Path, name: str, content: str | bytes
) -> None:
    assert gaps(scan(tmp_path, {name: content})) == []


@pytest.mark.parametrize(("chart", "count"), [("app", 1), ("", 1), ("other", 2)])
def test_packed_charts_of_a_chart_are_rendered_with_it(
    tmp_path: Path, chart: str, count: int
) -> None:
    inside = "app/charts" if chart else "charts"
    files: dict[str, str | bytes] = {
        f"{chart}/Chart.yaml".lstrip("/"): "name: x\ntype: library\n",
        f"{inside}/db-1.0.0.tgz": packed("db/Chart.yaml"),
        "apart/db-1.0.0.tgz": packed("db/Chart.yaml"),
    }
    assert [gap.kind for gap in gaps(scan(tmp_path, files))] == ["helm-chart"] * count


@pytest.mark.parametrize(
    "content",
    [
        "a: [",
        "kind: Pod\nb: [",
        "{{ if }}",
        b"\xff\x00",
        "apiVersion: x\n",
        "",
        'properties: {apiVersion: {}, kind: {}, text: {default: "{{ .Values.a }}"}}',
    ],
)
def test_other_yaml_may_be_broken(tmp_path: Path, content: str | bytes) -> None:
    outcome = scan(tmp_path, {"notes.yaml": content})
    assert gaps(outcome) == []
    assert outcome.material.decision.exit_code == 0


def test_a_broken_document_leaves_its_neighbours(tmp_path: Path) -> None:
    outcome = scan(tmp_path, {"a.yaml": f"{POD}---\napiVersion: v1\nkind: [\n---\n{POD}"})
    assert [gap.kind for gap in gaps(outcome)] == ["syntax"]
    assert places(outcome, "k8s-privileged") == ["a.yaml:9", "a.yaml:22"]
    assert outcome.material.decision.exit_code == 1  # blocked counts more than not evaluated


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("json.json", '{"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [\n'
         '{"name": "a", "securityContext": {"privileged": true}}]}}', 2),
        ("list.yaml", "apiVersion: v1\nkind: List\nitems:\n- kind: Pod\n  apiVersion: v1\n  spec:\n"
         "    containers: [{name: a, securityContext: {privileged: true}}]", 7),
        ("yes.yaml", POD.replace("true", "yes"), 9),
        ("on.yaml", POD.replace("true", "On"), 9),
        ("anchor.yaml", POD.replace("securityContext:", "securityContext: &s") + "    - name: b\n"
         "      securityContext: *s\n", 9),
        ("merge.yaml", "x: &x {privileged: true}\n" + POD.replace(
            "        privileged: true\n", "        <<: *x\n"), 1),
        ("utf16.yaml", POD.encode("utf-16"), 9),
        ("bom.yaml", b"\xef\xbb\xbf" + POD.encode(), 9),
        ("crlf.yaml", POD.replace("\n", "\r\n"), 9),
    ],
)  # fmt: skip
def test_every_way_to_write_an_object_is_judged(
    tmp_path: Path, name: str, content: str | bytes, line: int
) -> None:
    outcome = scan(tmp_path, {name: content})
    assert gaps(outcome) == []
    assert places(outcome, "k8s-privileged")[0] == f"{name}:{line}"


@pytest.mark.parametrize("value", ["'true'", "1", "maybe", "[true]", "{a: true}", "no"])
def test_what_is_not_true_is_not_privileged(tmp_path: Path, value: str) -> None:
    outcome = scan(tmp_path, {"a.yaml": POD.replace("true", value)})
    assert findings(outcome, "k8s-privileged") == []
    assert gaps(outcome) == []


def test_duplicate_keys_reach_the_judges(tmp_path: Path) -> None:
    from haechi.scan.iac.collect import Collector
    from haechi.scan.suppressions import build_index
    from haechi.world.files import Tree

    (tmp_path / "a.yaml").write_text(POD.replace("kind: Pod", "kind: Job\nkind: Pod"))
    collected = Collector(Tree(root=tmp_path), build_index([])).collect()
    (resource,) = collected.resources
    assert resource.kind == "Pod"  # the last one wins, as in Kubernetes
    assert resource.duplicates == (("kind",),)


def test_a_file_asked_for_by_name_that_is_not_known_is_a_gap(tmp_path: Path) -> None:
    outcome = scan(tmp_path, {"pod.yaml.txt": POD}, path=tmp_path / "pod.yaml.txt")
    assert [(gap.kind, gap.path) for gap in gaps(outcome)] == [("unknown", "pod.yaml.txt")]
    assert gaps(scan(tmp_path, {})) == []


def test_a_single_file_is_judged_with_paths_of_its_project(tmp_path: Path) -> None:
    outcome = scan(tmp_path, {"a/pod.yaml": POD, "b.yaml": POD}, path=tmp_path / "a/pod.yaml")
    assert places(outcome, "k8s-privileged") == ["a/pod.yaml:9"]


def test_links_matter_when_they_could_hold_manifests(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.yaml").write_text(POD)
    root = tmp_path / "root"
    root.mkdir()
    for name, target in {
        "a.yaml": "../outside/a.yaml",
        "folder": "../outside",
        "README": "../outside/a.yaml",
        "gone": "nowhere",
    }.items():
        (root / name).symlink_to(target)
    outcome = scan(root, {})
    assert sorted(gap.path for gap in gaps(outcome)) == ["a.yaml", "folder"]


def test_links_within_the_tree_matter_when_nothing_looks_at_their_target(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "k8s/pod.yaml": POD,
            ".k8s/pod.yaml": POD,
            "node_modules/x/pod.yaml": POD,
            "build.txt": "FROM scratch\n",
            "haechi.yaml": "exclude: [left/**]\n",
            "left/pod.yaml": POD,
        },
    )
    for name, target in {
        "a.yaml": "k8s/pod.yaml",
        "folder": "k8s",
        "here": ".",
        "hidden": ".k8s",
        "notes": "build.txt",
        "Dockerfile": "build.txt",
        "b.yaml": "node_modules/x/pod.yaml",
        "vendored": "node_modules/x",
        "c.yaml": "left/pod.yaml",
    }.items():
        (root / name).symlink_to(target)
    found = gaps(run(Options(path=root)))
    assert sorted(gap.path for gap in found) == ["Dockerfile", "b.yaml", "c.yaml", "vendored"]
    assert {gap.kind for gap in found} == {"link"}
    assert "build.txt" in found[0].reason


def test_past_the_budget_the_rest_is_a_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "MAX_TEXT", len(POD) + 10)
    outcome = scan(tmp_path, {"a.yaml": POD, "b.yaml": POD, "c.yaml": POD})
    assert [(gap.kind, gap.path) for gap in gaps(outcome)] == [("too-much", "b.yaml")]
    assert places(outcome, "k8s-privileged") == ["a.yaml:9"]


def test_nodes_past_their_budget_are_composed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "KEEP_NODES", 1)
    outcome = scan(tmp_path, {"a.yaml": f"{POD}---\n{POD.replace('ok', 'b')}"})
    assert places(outcome, "k8s-privileged") == ["a.yaml:9", "a.yaml:19"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_a_gap(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(POD)
    (tmp_path / "a.yaml").chmod(0)
    outcome = scan(tmp_path, {})
    assert [gap.kind for gap in gaps(outcome)] == ["unreadable"]


ROLLOUT = (
    POD.replace("v1\nkind: Pod", "argoproj.io/v1alpha1\nkind: Rollout")
    .replace("spec:", "spec:\n  template:\n   spec:")
    .replace("\n  containers", "\n    containers")
)


def test_custom_resources_carry_pod_templates_by_configuration(tmp_path: Path) -> None:
    assert places(scan(tmp_path, {"a.yaml": ROLLOUT}), "k8s-privileged") == []
    config = "pod_templates: [{kind: argoproj.io/Rollout, path: spec.template}]"
    outcome = scan(tmp_path, {"haechi.yaml": config})
    assert places(outcome, "k8s-privileged") == ["a.yaml:11"]
    assert [r.kind for r in outcome.looked.inventory.workloads()] == ["Rollout"]


def test_accepted_gaps_do_not_count(tmp_path: Path) -> None:
    config = "coverage: {accept: [{kind: syntax, path: 'old/**', reason: never applied}]}"
    broken = "apiVersion: v1\nkind: ["
    outcome = scan(tmp_path, {"haechi.yaml": config, "old/a.yaml": broken})
    assert gaps(outcome) == []
    assert [gap.accepted for gap in outcome.material.scan.coverage.gaps] == [True]
    assert outcome.material.decision.exit_code == 0
    assert (
        scan(tmp_path, {"haechi.yaml": config, "a.yaml": broken}).material.decision.exit_code == 3
    )
