"""What a kustomization names, which overlays are rendered, and what cannot be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.errors import InputError
from haechi.scan.iac.overlays import Overlay, Overlays, Patch, read_overlay, take_origin


class Files:
    """What exists, for overlays: paths of files, and folders written ``name/``."""

    def __init__(self, *names: str) -> None:
        self.names = {*names, "./"}

    def is_file(self, path: str) -> bool:
        return path in self.names

    def is_directory(self, path: str) -> bool:
        return f"{path}/" in self.names


THERE = Files("base/", "a/x.yaml", "a/p.yaml", "a/data.env", "a/conf.json", "parts/", "c.yaml")


def read(text: str, file: str = "a/kustomization.yaml") -> Overlay:
    return read_overlay(text.encode(), file, THERE)


@pytest.mark.parametrize(
    ("text", "uses", "consumes"),
    [
        ("resources: [x.yaml, ../base]", {"base"}, {"a/x.yaml"}),
        ("bases: [../base/]\ncrds: [x.yaml]", {"base"}, {"a/x.yaml"}),
        ("components: [../parts]", {"parts"}, set()),
        ("resources: ['./x.yaml', ./../base]", {"base"}, {"a/x.yaml"}),
        ("resources: [../]", {""}, set()),
        ("patches: [{path: p.yaml}]", set(), {"a/p.yaml"}),
        ("patchesStrategicMerge: [p.yaml]", set(), {"a/p.yaml"}),
        (
            "configMapGenerator: [{files: [k=conf.json, x.yaml]}]",
            set(),
            {"a/conf.json", "a/x.yaml"},
        ),
        ("secretGenerator: [{envs: [data.env]}, {env: data.env}]", set(), {"a/data.env"}),
        ("transformers: [x.yaml]\nreplacements: [{path: p.yaml}]", set(), {"a/x.yaml", "a/p.yaml"}),
        ('transformers: ["a: 1\\nb: 2"]', set(), set()),
        ("resources: 3\npatches: {a: 1}\nconfigMapGenerator: [4, {files: 5}]", set(), set()),
        ("[]", set(), set()),
        ("", set(), set()),
    ],
)
def test_entries_are_folders_or_files(text: str, uses: set[str], consumes: set[str]) -> None:
    overlay = read(text)
    assert overlay.uses == uses
    assert overlay.consumes == consumes | {"a/kustomization.yaml"}
    assert overlay.obstacle == ""


@pytest.mark.parametrize(
    ("text", "obstacle"),
    [
        ("resources: [https://x.dev/y.yaml]", "from the network"),
        ("resources: ['github.com/a/b//c?ref=v1']", "from the network"),
        ("bases: ['git@host:a/b']", "from the network"),
        ("resources: ['git::x']", "from the network"),
        ("resources: ['gh:a/b']", "from the network"),
        ("configMapGenerator: [{files: ['a=https://x.dev']}]", "from the network"),
        ("patches: [{path: 'https://x.dev'}]", "from the network"),
        ("openapi: {path: 'https://x.dev'}", "from the network"),
        ('transformers: ["kind: X\\npath: https://x.dev"]', "from the network"),
        ("resources: [missing.yaml]", "names 'missing.yaml', which does not exist"),
        ("resources: [../../elsewhere]", "outside the repository"),
        ("resources: [/etc]", "outside the repository"),
        ("helmCharts: [{name: a}]", "inflates Helm charts"),
    ],
)
def test_what_keeps_an_overlay_from_being_rendered(text: str, obstacle: str) -> None:
    assert obstacle in read(text).obstacle


@pytest.mark.parametrize(
    "text",
    [
        "images: [{name: github.com/a/b}]",
        "commonAnnotations: {docs: https://x.dev}",
        "configMapGenerator: [{literals: ['url=https://x.dev']}]",
        "patches: [{patch: '- {op: add, path: /x, value: https://x.dev}'}]",
    ],
)
def test_addresses_in_values_are_not_fetched_and_no_obstacle(text: str) -> None:
    assert read(text).obstacle == ""


def test_patches_are_files_or_texts() -> None:
    overlay = read(
        "patches:\n- path: p.yaml\n- target: {kind: Deployment}\n  patch: |-\n    - op: add\n"
        "patchesJson6902: [{path: x.yaml, target: {name: a}}]\n"
        'patchesStrategicMerge: ["kind: Pod\\nmetadata: {name: b}"]\n'
    )
    assert overlay.patches == (
        Patch(at=("patches", 0), file="a/p.yaml"),
        Patch(at=("patches", 1, "patch"), text="- op: add", target={"kind": "Deployment"}),
        Patch(at=("patchesJson6902", 0), file="a/x.yaml", target={"name": "a"}),
        Patch(at=("patchesStrategicMerge", 0), text="kind: Pod\nmetadata: {name: b}"),
    )
    assert overlay.partial == {"a/p.yaml", "a/x.yaml"}


@pytest.mark.parametrize("text", ["a: [", "\x00", "a: &x [*x]", "{{ .Values.a }}: ["])
def test_unreadable_kustomization_is_an_error(text: str) -> None:
    with pytest.raises(InputError):
        read(text)


@given(
    st.dictionaries(
        st.sampled_from(["resources", "patches", "components", "configMapGenerator", "openapi"]),
        st.recursive(
            st.none() | st.integers() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["path", "patch", "files", "target"]), inner)
            ),
        ),
    )
)
def test_any_content_is_read(content: dict[str, object]) -> None:
    import json

    overlay = read(json.dumps(content))
    assert overlay.directory == "a"


def make(directory: str, *uses: str, component: bool = False, obstacle: str = "") -> Overlay:
    return Overlay(
        file=f"{directory}/kustomization.yaml",
        directory=directory,
        component=component,
        uses=frozenset(uses),
        consumes=frozenset(),
        obstacle=obstacle,
    )


def tree(*overlays: Overlay) -> Overlays:
    return Overlays({overlay.directory: overlay for overlay in overlays})


def test_roots_are_what_nothing_else_uses() -> None:
    found = tree(
        make("base"),
        make("prod", "base", "part"),
        make("dev", "base"),
        make("part", component=True),
        make("loose", component=True),
    )
    assert [overlay.directory for overlay in found.roots()] == ["dev", "prod"]
    assert [o.directory for o in found.closure(found.by_directory["prod"])] == [
        "prod",
        "base",
        "part",
    ]


def test_a_circle_has_one_root_so_that_it_is_not_passed_over() -> None:
    found = tree(make("a", "b"), make("b", "a"), make("self", "self"), make("c", "a"))
    assert [overlay.directory for overlay in found.roots()] == ["c", "self"]
    alone = tree(make("a", "b"), make("b", "a"))
    assert [overlay.directory for overlay in alone.roots()] == ["a"]


def test_the_obstacle_of_a_base_is_that_of_the_overlay() -> None:
    found = tree(make("prod", "base", "gone"), make("base", obstacle="needs 'x' from the network"))
    reason = found.obstacle(found.by_directory["prod"])
    assert reason == "base/kustomization.yaml needs 'x' from the network"
    assert found.obstacle(found.by_directory["base"]) == "needs 'x' from the network"


@pytest.mark.parametrize(
    ("annotation", "path"),
    [
        ("path: ../base/x.yaml\n", "../base/x.yaml"),
        ("path: '../a b: c.yaml'\n", "../a b: c.yaml"),
        ("configuredIn: kustomization.yaml\nconfiguredBy: {kind: X}\n", None),
        ("path: [1]", None),
        ("path: {", None),
        (5, None),
        (None, None),
    ],
)
def test_the_origin_is_taken_off_the_object(annotation: object, path: str | None) -> None:
    data = {"metadata": {"annotations": {"config.kubernetes.io/origin": annotation}}}
    assert take_origin(data) == path
    assert data == {"metadata": {}}


def test_other_annotations_stay() -> None:
    data = {"metadata": {"annotations": {"a": "b", "config.kubernetes.io/origin": "path: x"}}}
    assert take_origin(data) == "x"
    assert data == {"metadata": {"annotations": {"a": "b"}}}
    for odd in ({}, {"metadata": 1}, {"metadata": {"annotations": [1]}}):
        assert take_origin(odd) is None


@pytest.mark.parametrize("key", ["resources", "generators", "transformers", "validators"])
def test_what_is_only_there_by_a_link_is_not_handed_to_kubectl(key: str) -> None:
    """``Existing`` knows no links: kubectl would follow one to a folder outside of the tree."""
    assert "does not exist" in read(f"{key}: [link]").obstacle
