"""Charts without helm: what a template covers, and where a rendered value stands in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.model.location import AttrPath
from haechi.scan.iac.charts import (
    Template,
    TemplatePlaces,
    in_templates,
    is_library,
    last_source,
    outermost,
    source_of,
)
from tests.trees import documents

TEMPLATE = """\
{{- if .Values.on }}
# about the service
apiVersion: v1
kind: Service
metadata:
  name: {{ .Release.Name }}
spec:
  type: NodePort
{{- end }}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "x" . }}
  {{- with .Values.notes }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  template:
    metadata:
      name: not this one
    spec:
{{- if .Values.host }}
      hostPID: {{ .Values.host }}
{{- end }}
      containers:
      - image: busybox
        name: side
        securityContext:
          privileged: false
      - name: {{ .Chart.Name }}
        image: "{{ .Values.image }}"
        resources: {{ toYaml .Values.resources | nindent 10 }}
        env:
        - name: A
          value: b
        - {name: C, value: d}
        securityContext:
          privileged: true
"""
RENDERED = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: release-x, annotations: {a: b}}
spec:
  template:
    metadata: {name: n}
    spec:
      hostPID: true
      containers:
        - {image: busybox, name: side, securityContext: {privileged: false}}
        - name: web
          image: nginx
          resources: {limits: {cpu: 1}}
          env: [{name: A, value: b}, {name: C, value: d}]
          securityContext: {privileged: true}
"""
AT = ("spec", "template", "spec", "containers")


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ((), 11),
        (("metadata", "name"), 14),
        (("metadata", "annotations", "a"), 16),
        (("spec", "template", "metadata", "name"), 22),
        (("spec", "template", "spec", "hostPID"), 25),
        (("spec", "template", "spec", "hostNetwork"), 23),
        (AT, 27),
        ((*AT, 0, "image"), 28),
        ((*AT, 0, "securityContext", "privileged"), 31),
        ((*AT, 1), 32),
        ((*AT, 1, "image"), 33),
        ((*AT, 1, "resources", "limits", "cpu"), 34),
        ((*AT, 1, "env", 0, "value"), 37),
        ((*AT, 1, "env", 1), 38),
        ((*AT, 1, "securityContext", "privileged"), 40),
        ((*AT, 1, "securityContext", "runAsUser"), 39),
        ((*AT, 5, "image"), 27),
    ],
)
def test_places_in_a_template(path: AttrPath, line: int) -> None:
    (document,) = documents(RENDERED)
    places = TemplatePlaces("t.yaml", Template(TEMPLATE), document.data)
    assert places(path).line == line
    assert places(path).path == "t.yaml"
    assert places.document == 11


def test_the_second_object_of_a_kind_is_the_second_document_that_writes_it() -> None:
    template = Template("kind: Pod\nspec:\n  a: 1\n---\nkind: Pod\nspec:\n  a: 2\n")
    data = {"kind": "Pod", "spec": {"a": 2}}
    assert TemplatePlaces("t.yaml", template, data, nth=1)(("spec", "a")).line == 7
    third = TemplatePlaces("t.yaml", template, data, nth=2)
    assert third.document is None  # a loop made more objects than the template has documents


def test_objects_of_a_loop_have_one_document() -> None:
    lines = ["{{ range until 3 }}", "---", "kind: Pod", "spec: 1", "{{ end }}"]
    found = [
        TemplatePlaces("t.yaml", Template("\n".join(lines)), {"kind": "Pod"}, nth=n)
        for n in range(3)
    ]
    assert [places.document for places in found] == [3, 3, 3]
    assert [places(("spec",)).line for places in found] == [4, 4, 4]


def test_a_long_template_is_not_searched_for_ever() -> None:
    template = Template("kind: Pod\nspec:\n" + "  # more\n" * 1_000 + "  a: 1\n", visits=2_500)
    places = TemplatePlaces("t.yaml", template, {"kind": "Pod", "spec": {"a": 1}})
    assert [places(("spec", "a")).line for _ in range(3)] == [1_003, 1, 1]
    wide = Template("kind: Pod\na" + " " * 100_000 + "b\n" * 20)
    assert TemplatePlaces("t.yaml", wide, {"kind": "Pod"})(("a", "b")).line == 1


@given(
    st.lists(st.text(alphabet="ab:- {}\"'#\t\n", max_size=12), max_size=20),
    st.lists(st.sampled_from(["a", "b", 0, 1, "spec"]), max_size=5),
)
def test_any_template_gives_a_line_of_it(lines: list[str], path: list[str | int]) -> None:
    template = Template("\n".join(lines))
    places = TemplatePlaces("t.yaml", template, {"kind": "a", "a": [{"name": "b"}]})
    assert 1 <= places(tuple(path)).line <= len(template.lines)


@pytest.mark.parametrize(
    ("text", "file"),
    [
        ("---\n# Source: web/templates/a.yaml\nkind: Pod", "charts/web/templates/a.yaml"),
        ("# Source: web/charts/db/templates/b c.yaml", "charts/web/charts/db/templates/b c.yaml"),
        ("# Source: a/../../../etc/passwd", None),
        ("# Source: web/..", None),
        ("# Source: web", None),
        ("kind: Pod\n", None),
    ],
)
def test_the_template_that_rendered_text_names(text: str, file: str | None) -> None:
    assert source_of(text, "charts/web") == file


def test_a_fault_in_the_rendering_is_told_by_its_template() -> None:
    text = "---\n# Source: w/templates/a.yaml\na: 1\n---\n# Source: w/templates/b.yaml\nb: [\n"
    assert last_source(text, 3, "w") == "w/templates/a.yaml"
    assert last_source(text, 6, "") == "templates/b.yaml"


def test_charts_within_charts_belong_to_the_outer_one() -> None:
    assert outermost(["a", "a/charts/b", "c/d", "a-b", "c/d/charts/x/charts/y"]) == [
        "a",
        "a-b",
        "c/d",
    ]
    assert outermost(["", "a", "b/c"]) == [""]


@pytest.mark.parametrize(
    ("path", "covered"),
    [
        ("web/templates/a.yaml", True),
        ("web/templates/deep/a.yaml", True),
        ("web/charts/db/templates/a.yaml", True),
        ("web/charts/db/charts/x/templates/a.yaml", True),
        ("web/crds/a.yaml", False),
        ("web/values.yaml", False),
        ("webs/templates/a.yaml", False),
        ("templates/a.yaml", False),
    ],
)
def test_what_a_rendering_covers(path: str, covered: bool) -> None:
    assert in_templates(path, ["web"]) is covered
    assert in_templates(path.removeprefix("web/"), [""]) is (covered or path == "templates/a.yaml")


@pytest.mark.parametrize(
    ("text", "library"),
    [("name: a\ntype: library", True), ("type: application", False), ("a: [", False), ("", False)],
)
def test_library_charts_render_nothing_by_themselves(text: str, library: bool) -> None:
    assert is_library(text.encode()) is library
    assert is_library(b"\xff\xfe\xff") is False
