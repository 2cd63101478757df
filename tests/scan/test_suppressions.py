"""Suppressions beside the code: what counts as a comment, what it covers, whose ids count."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from haechi.engines.documents import Document, parse_documents
from haechi.model.location import Location
from haechi.model.severity import Severity
from haechi.model.waiver import Waiver, WaiverOrigin
from haechi.rules.schema import AppliesTo, JudgeKind, Rule
from haechi.scan.suppressions import build_index, from_object, from_peer_file, from_text
from haechi.scan.suppressions.index import normal_id
from haechi.scan.suppressions.remarks import dockerfile_remarks, yaml_remarks

KEY = "k8s:-/apps/Deployment/-/cart"
PLACE = Location(path="deploy/cart.yaml", line=4)


def _rule(rule_id: str, **refs: list[str]) -> Rule:
    return Rule(
        id=rule_id,
        title="t",
        severity=Severity.HIGH,
        why="w",
        fix="f",
        applies_to=AppliesTo(kinds=["pod"]),
        judge=JudgeKind.CEL,
        bad=["x"],
        good=["x"],
        refs={name.replace("_", "-"): ids for name, ids in refs.items()},
    )


INDEX = build_index(
    [
        _rule(
            "k8s-privileged",
            ckv=["CKV_K8S_16"],
            avd=["AVD-KSV-0017"],
            kube_linter=["privileged-container"],
        ),
        _rule("k8s-privileged-init", ckv=["CKV_K8S_16"], avd=["KSV017"]),
        _rule("k8s-run-as-root", kube_linter=["run-as-non-root"], cis=["5.2.6"]),
        _rule("docker-no-user", ckv=["CKV_DOCKER_3"], avd=["AVD-DS-0002"], dl=["DL3002"]),
        _rule("docker-apt-pin", dl=["DL3008"]),
        _rule("docker-plain"),
        _rule("workflow-checkout", zizmor=["artipacked"]),
        _rule("workflow-trigger", zizmor=["dangerous-triggers"]),
    ]
)


def _said(waivers: list[Waiver]) -> list[tuple[str, int | None, int | None, str]]:
    return [(each.rule, each.first_line, each.last_line, each.reason) for each in waivers]


# --- haechi's own comments -----------------------------------------------------------------

POD = """\
# header
apiVersion: v1
kind: Pod
spec:
  hostPID: true # haechi:allow k8s-host-pid profiler
  # haechi:allow k8s-host-ipc, k8s-host-net -- needs it
  # another remark

  hostIPC: true
  containers:
  - name: a
    args: ["# haechi:allow k8s-in-string x"]
    command:
    - |
      # haechi:allow k8s-in-block x
      # haechi:allow-file k8s-in-block x
# haechi:allow-file k8s-everywhere whole file
---
# haechi:allow k8s-second
apiVersion: v1
# haechi:allow k8s-nothing-follows
"""


def test_yaml_comments_cover_their_line_or_the_next_code() -> None:
    waivers = from_text(POD, "pod.yaml", "yaml", INDEX)
    assert _said(waivers) == [
        ("k8s-host-pid", 5, 5, "profiler"),
        ("k8s-host-ipc", 9, 9, "needs it"),
        ("k8s-host-net", 9, 9, "needs it"),
        ("k8s-everywhere", None, None, "whole file"),
        ("k8s-second", 20, 20, ""),
    ]
    assert {each.origin for each in waivers} == {WaiverOrigin.INLINE}
    assert {each.path for each in waivers} == {"pod.yaml"}
    assert [each.location.line for each in waivers] == [5, 6, 6, 17, 19]


@pytest.mark.parametrize(
    ("comment", "rules", "reason"),
    [
        ("# haechi:allow k8s-a", ["k8s-a"], ""),
        ("#haechi:allow k8s-a: because", ["k8s-a"], "because"),
        ("# haechi:allow k8s-a,k8s-b reason, with comma", ["k8s-a", "k8s-b"], "reason, with comma"),
        ("# haechi:allow k8s-a k8s-b", ["k8s-a"], "k8s-b"),
        ("# haechi:allow k8s-a, k8s-a twice", ["k8s-a"], "twice"),
        ("# haechi:allow * all of it", ["*"], "all of it"),
        ("# note # haechi:allow k8s-a x", ["k8s-a"], "x"),
        ("# haechi:allow", [], ""),
        ("# haechi:allow privileged", [], ""),
        ("# haechi:allow k8s-a*", [], ""),
        ("# haechi:allowed k8s-a", [], ""),
        ("# xhaechi:allow k8s-a", [], ""),
        ("# haechi:allow-line k8s-a", [], ""),
    ],
)
def test_form_of_an_allow_comment(comment: str, rules: list[str], reason: str) -> None:
    waivers = from_text(f"{comment}\na: 1\n", "x.yaml", "yaml", INDEX)
    assert [each.rule for each in waivers] == rules
    assert {each.reason for each in waivers} <= {reason}


def test_a_file_is_only_covered_by_a_comment_that_stands_alone() -> None:
    assert from_text("a: 1 # haechi:allow-file k8s-a\n", "x.yaml", "yaml", INDEX) == []


# --- Dockerfiles ---------------------------------------------------------------------------

DOCKERFILE = """\
# syntax=docker/dockerfile:1
# hadolint global ignore=DL3002
# checkov:skip=CKV_DOCKER_3: runs as root on purpose
FROM debian
# haechi:allow docker-a reason
# hadolint ignore=DL3008, DL9999,DL3002
RUN apt-get update \\
  # haechi:allow docker-inside inner
  # hadolint ignore=DL3008
  && apt-get install curl # haechi:allow docker-trail here
#trivy:ignore:AVD-DS-0002
USER root
COPY <<EOF /etc/x
# haechi:allow docker-in-heredoc x
EOF
# haechi:allow docker-last
"""


def test_dockerfile_comments_cover_whole_instructions() -> None:
    waivers = from_text(DOCKERFILE, "Dockerfile", "dockerfile", INDEX)
    assert _said(waivers) == [
        ("docker-no-user", None, None, ""),
        ("docker-no-user", None, None, "runs as root on purpose"),
        ("docker-a", 7, 10, "reason"),
        ("docker-apt-pin", 7, 10, ""),
        ("docker-no-user", 7, 10, ""),
        ("docker-inside", 7, 10, "inner"),
        ("docker-no-user", 12, 12, ""),
        ("docker-trail", 7, 10, "here"),
    ]
    assert [each.source for each in waivers][:2] == [
        "hadolint global ignore=DL3002",
        "checkov:skip=CKV_DOCKER_3",
    ]


def test_unreadable_dockerfile_holds_no_suppressions() -> None:
    text = "# haechi:allow docker-a\n" + "RUN x\n" * 10_000
    assert from_text(text, "Dockerfile", "dockerfile", INDEX) == []


# --- Trivy in YAML -------------------------------------------------------------------------

TRIVY = """\
#trivy:ignore:AVD-KSV-0017
apiVersion: v1
kind: Pod
spec:
  containers:
  # trivy:ignore:KSV017:exp:2027-01-31
  - name: a
    securityContext:

      privileged: true
  - name: b
    securityContext: {privileged: true} # trivy:ignore:ksv-0017 trivy:ignore:AVD-KSV-9999
  # trivy:ignore:KSV017:exp:someday
  - name: c
---
kind: Other
"""


def test_trivy_comments_cover_the_block_below() -> None:
    waivers = [
        each
        for each in from_text(TRIVY, "pod.yaml", "yaml", INDEX)
        if each.rule == "k8s-privileged"
    ]
    assert _said(waivers) == [
        ("k8s-privileged", 2, 14, ""),
        ("k8s-privileged", 7, 10, ""),
        ("k8s-privileged", 12, 12, ""),
    ]
    assert [each.expires for each in waivers] == [None, dt.date(2027, 1, 31), None]
    assert {each.origin for each in waivers} == {WaiverOrigin.PEER}


def test_checkov_and_hadolint_comments_mean_nothing_in_yaml() -> None:
    text = "# checkov:skip=CKV_K8S_16:x\n# hadolint ignore=DL3002\na: 1\n"
    assert from_text(text, "x.yaml", "yaml", INDEX) == []


# --- ids -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written", ["AVD-KSV-0017", "KSV-0017", "KSV0017", "KSV017", "ksv017", "avd-ksv-0017", "KSV-17"]
)
def test_all_ways_to_write_a_trivy_id_are_one(written: str) -> None:
    assert INDEX.rules("avd", written) == ("k8s-privileged", "k8s-privileged-init")


@pytest.mark.parametrize(
    ("scheme", "check"),
    [
        ("avd", "KSV170"),
        ("avd", "DS-0017"),
        ("avd", ""),
        ("ckv", "CKV_K8S_160"),
        ("dl", "KSV017"),
        ("nope", "KSV017"),
        ("cis", "5.2"),
    ],
)
def test_an_id_that_no_rule_refers_to_is_not_ours(scheme: str, check: str) -> None:
    assert INDEX.rules(scheme, check) == ()


@given(st.text(max_size=30), st.sampled_from(["avd", "ckv", "dl", "kube-linter"]))
def test_normal_ids_are_stable(text: str, scheme: str) -> None:
    once = normal_id(scheme, text)
    if text.isascii():
        assert normal_id(scheme, once) == once


# --- annotations ---------------------------------------------------------------------------


def _annotated(annotations: Any) -> dict[str, Any]:
    return {"metadata": {"name": "cart", "annotations": annotations}}


@pytest.mark.parametrize(
    ("annotations", "rules", "reason"),
    [
        ({"haechi.dev/allow": "k8s-a=why not"}, ["k8s-a"], "why not"),
        ({"haechi.dev/allow": "k8s-a=x; k8s-b = x;"}, ["k8s-a", "k8s-b"], "x"),
        ({"haechi.dev/allow": "k8s-a=x\nk8s-b=x"}, ["k8s-a", "k8s-b"], "x"),
        ({"haechi.dev/allow": "k8s-a"}, ["k8s-a"], ""),
        ({"haechi.dev/allow": "nonsense; =x"}, [], ""),
        ({"checkov.io/skip1": "CKV_K8S_16=x"}, ["k8s-privileged", "k8s-privileged-init"], "x"),
        ({"checkov.io/skip": "CKV_K8S_16"}, ["k8s-privileged", "k8s-privileged-init"], ""),
        ({"checkov.io/skipper": "CKV_K8S_16"}, [], ""),
        ({"checkov.io/skip2": "CKV_K8S_99=x"}, [], ""),
        (
            {"ignore-check.kube-linter.io/privileged-container": "x"},
            ["k8s-privileged"],
            "x",
        ),
        ({"ignore-check.kube-linter.io/unknown": "x"}, [], ""),
        ({"kube-linter.io/ignore-all": "x"}, ["k8s-privileged", "k8s-run-as-root"], "x"),
        ({"haechi.dev/allow": 3, "checkov.io/skip1": None, "a": []}, [], ""),
        (["haechi.dev/allow"], [], ""),
        (None, [], ""),
    ],
)
def test_annotations_cover_their_object(annotations: Any, rules: list[str], reason: str) -> None:
    waivers = from_object(_annotated(annotations), KEY, PLACE, INDEX)
    assert [each.rule for each in waivers] == rules
    for each in waivers:
        assert (each.resource, each.path, each.location) == (KEY, "deploy/cart.yaml", PLACE)
        assert each.reason == reason
        own = "haechi.dev/allow" in annotations
        assert each.origin is (WaiverOrigin.INLINE if own else WaiverOrigin.PEER)


@pytest.mark.parametrize(
    "path", [(), ("spec", "template"), ("template",), ("spec", "jobTemplate", "spec", "template")]
)
def test_annotations_of_the_pod_template_count(path: tuple[str, ...]) -> None:
    data: Any = _annotated({"haechi.dev/allow": "k8s-a=x"})
    for part in reversed(path):
        data = {part: data}
    assert [each.rule for each in from_object(data, KEY, PLACE, INDEX)] == ["k8s-a"]


_ODD: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.integers() | st.text(max_size=4) | st.sampled_from(["k8s-a=x", "CKV_K8S_16"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                [
                    "metadata",
                    "annotations",
                    "spec",
                    "template",
                    "jobTemplate",
                    "haechi.dev/allow",
                    "checkov.io/skip1",
                    "kube-linter.io/ignore-all",
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@given(_ODD)
def test_objects_of_any_shape_are_read(data: Any) -> None:
    for each in from_object(data, KEY, PLACE, INDEX):
        assert each.resource == KEY


# --- peers' files --------------------------------------------------------------------------


def test_trivyignore() -> None:
    text = (
        "# accepted by security\nAVD-KSV-0017\n\nCVE-2024-1 exp:2027-01-01\n"
        "DS002 exp:2027-02-01 # soon\nAVD-DS-0002 exp:never\n"
    )
    waivers = from_peer_file(".trivyignore", text, INDEX)
    assert [(each.rule, each.location.line, each.reason, each.expires) for each in waivers] == [
        ("k8s-privileged", 2, "accepted by security", None),
        ("k8s-privileged-init", 2, "accepted by security", None),
        ("docker-no-user", 5, "soon", dt.date(2027, 2, 1)),
    ]
    assert {each.path for each in waivers} == {None}


@pytest.mark.parametrize("name", [".hadolint.yaml", "images/.hadolint.yml"])
def test_hadolint_file_covers_its_folder(name: str) -> None:
    text = "failure-threshold: error\nignored:\n  - DL3008\n  - 5\n  - DL9999\n"
    (waiver,) = from_peer_file(name, text, INDEX)
    assert (waiver.rule, waiver.location.line) == ("docker-apt-pin", 3)
    assert waiver.path == (None if name == ".hadolint.yaml" else "images/**")


@pytest.mark.parametrize("text", ["", "a: [", "- x", "ignored: x", "ignored: {a: b}", "[" * 999])
def test_broken_hadolint_file_holds_none(text: str) -> None:
    assert from_peer_file(".hadolint.yaml", text, INDEX) == []


ZIZMOR = """\
rules:
  artipacked:
    ignore: [ci.yml, "release.yml:12", 7, "../x.yml", "ci.yml:0"]
  dangerous-triggers: {disable: true}
  unpinned-uses: {disable: true}
"""


@pytest.mark.parametrize(
    ("name", "root"),
    [("zizmor.yml", ""), (".github/zizmor.yml", ""), ("sub/.github/zizmor.yaml", "sub/")],
)
def test_configuration_of_zizmor_names_workflows(name: str, root: str) -> None:
    found = [(w.rule, w.path, w.first_line) for w in from_peer_file(name, ZIZMOR, INDEX)]
    assert found == [
        ("workflow-checkout", f"{root}.github/workflows/ci.yml", None),
        ("workflow-checkout", f"{root}.github/workflows/release.yml", 12),
        ("workflow-trigger", f"{root}.github/**", None),
    ]


@pytest.mark.parametrize(
    "text", ["", "a: [", "rules: 1", "rules: {artipacked: 1}", "rules: {artipacked: {ignore: x}}"]
)
def test_broken_configuration_of_zizmor_holds_none(text: str) -> None:
    assert from_peer_file("zizmor.yml", text, INDEX) == []


def test_other_files_hold_none() -> None:
    assert from_peer_file("trivyignore.txt", "AVD-KSV-0017", INDEX) == []


@given(st.text(max_size=80), st.sampled_from([".trivyignore", ".hadolint.yaml", "zizmor.yml"]))
def test_peer_files_of_any_text_are_read(text: str, name: str) -> None:
    for content in (
        text,
        f"ignored:\n- {text}",
        f"KSV017 {text}",
        f"rules:\n  artipacked:\n    {text}",
    ):
        from_peer_file(name, content, INDEX)


# --- the comment scanners ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a: 1 # x", ["x"]),
        ("a: http://h#x", []),
        ("a: it's # x", ["x"]),
        ("a: 'it''s # no' # x", ["x"]),
        ('a: "q\\" # no" # x', ["x"]),
        ('a: "two\n  # no\n  lines" # x', ["x"]),
        ("a: [b, # x\n 'c # no', \"d\"] # y", ["x", "y"]),
        ("a: {'b':'c # no'} # x", ["x"]),
        ("a: | # x\n  # no\n\n  # no\n# y", ["x", "y"]),
        ("a: |\n    # no\n  # x\n", ["x"]),
        ("- |\n # no\n- >-\n  # no\n- b # x", ["x"]),
        ("- k: |\n    # no\n  l: m # x", ["x"]),
        ("- k: |\n  l: m # x", ["x"]),
        ("a: |2\n    # no\n  # no\n # x\n", ["x"]),
        ("a: !!str |\n  # no\nb: c # x", ["x"]),
        ("a: &b 'c # no' # x", ["x"]),
        ("--- |\n# no\n---\na: b # x", ["x"]),
        ("a: b | c # x\n  # y", ["x", "y"]),
        ("? |\n  # no\n: b # x", ["x"]),
        ("a: > b # x", ["x"]),
        ("a: '\n---\nb: 1 # x", ["x"]),
        ("\ufeff# x\r\na: 1 # y\r\n", ["x", "y"]),
        ("#", [""]),
    ],
)
def test_only_comments_are_comments(text: str, found: list[str]) -> None:
    assert [each.text for each in yaml_remarks(text)] == found


_TEXTS = st.text("ab#'\" :-|>[]{},\n", max_size=12)
_DATA: st.SearchStrategy[Any] = st.recursive(
    _TEXTS | st.integers(0, 9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(
    st.lists(_DATA, max_size=4),
    st.sampled_from([None, "'", '"', "|", ">"]),
    st.sampled_from([True, False, None]),
)
def test_every_comment_is_found_and_no_data_is_taken_for_one(
    values: list[Any], style: str | None, flow: bool | None
) -> None:
    """The values come back unchanged when what was found is cut out, and marks put between
    the entries are all found."""
    parts = [
        yaml.safe_dump([value], default_style=style, default_flow_style=flow) for value in values
    ]
    parts = [part if part.startswith("-") else f"- {part}" for part in parts]
    text = "".join(f"# mark\n{part}" for part in parts)
    remarks = list(yaml_remarks(text))
    assert [each.text for each in remarks] == ["mark"] * len(parts)
    lines = text.split("\n")
    for each in remarks:
        lines[each.line - 1] = lines[each.line - 1][: each.column - 1]
    assert _parsed("\n".join(lines)) == _parsed(text)


def _parsed(text: str) -> list[Any]:
    found = list(parse_documents(text.encode()))
    return [each.data if isinstance(each, Document) else each for each in found]


_SNIPPETS = st.lists(
    st.sampled_from(
        [
            "# haechi:allow k8s-a x",
            "a: ",
            "|",
            ">-",
            "'",
            '"',
            "\n",
            "  ",
            "- ",
            "[",
            "}",
            ":",
            "#",
            "---",
            "RUN x \\",
            "FROM a",
            "<<E",
            "E",
            "# hadolint ignore=DL3008",
            "b",
            "`",
            "# trivy:ignore:KSV017:exp:2027-01-01",
            "# checkov:skip=CKV_DOCKER_3:x",
            "\t",
            "\r",
        ]
    ),
    max_size=25,
).map("".join)


@given(_SNIPPETS | st.text(max_size=60))
def test_any_text_is_read_and_lines_stay_in_the_file(text: str) -> None:
    count = text.count("\n") + 1
    for each in (*yaml_remarks(text), *dockerfile_remarks(text)):
        assert 1 <= each.line <= count
        if each.first is not None:
            assert each.last is not None
            assert 1 <= each.first <= each.last <= count
            assert each.block_last is None or each.last <= each.block_last <= count
    for kind in ("yaml", "dockerfile"):
        for waiver in from_text(text, "x", kind, INDEX):
            assert waiver.path == "x"


def test_hostile_files_finish() -> None:
    deep = "".join(
        f"{' ' * (n % 400)}# trivy:ignore:KSV017\n{' ' * (n % 400)}a:\n" for n in range(8000)
    )
    assert len(from_text(deep, "x.yaml", "yaml", INDEX)) == 10_000
    assert from_text("# haechi:allow " + "k8s-a, " * 50_000 + "*\nx", "x", "yaml", INDEX)
    assert from_text("# haechi:allow " + "a-" * 100_000 + "\nx", "x", "yaml", INDEX) == []
