"""Mutators: where they write, what they write, and who is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.admit.gatekeeper.mutation.images import Parts, check
from haechi.admit.gatekeeper.mutation.location import Field, Item, parse_location, told
from haechi.admit.mutate import Mutated, mutate
from haechi.errors import RuleError
from tests.admit.gatekeeper.texts import POD, faults, loaded, review

APPLY = '  applyTo: [{groups: [""], versions: [v1], kinds: [Pod]}]\n'


def mutator(kind: str, name: str, spec: str, *, apply: str = APPLY) -> str:
    head = f"apiVersion: mutations.gatekeeper.sh/v1\nkind: {kind}\nmetadata: {{name: {name}}}\n"
    return f"{head}spec:\n{apply}{spec}"


def assign(location: str, value: str, name: str = "a", more: str = "") -> str:
    parameters = f"  parameters: {{assign: {value}{more}}}\n"
    return mutator("Assign", name, f"  location: {location!r}\n{parameters}")


def run(texts: Sequence[str], subject: str = POD) -> Mutated:
    found = loaded(*texts)
    assert not found.faults, found.faults
    given_, view = review(subject)
    return mutate(found.mutators, given_, view)


def made(texts: Sequence[str], subject: str = POD) -> dict[str, Any]:
    result = run(texts, subject)
    assert not result.verdicts
    original = yaml.safe_load(subject)
    assert applied(original, result.patches) == result.body
    return dict(result.body)


def applied(body: Any, patches: Sequence[Any]) -> Any:
    """RFC 6902, as far as it is used: what the API server makes of a patch."""
    for patch in patches:
        *parts, last = [
            p.replace("~1", "/").replace("~0", "~") for p in patch["path"][1:].split("/")
        ]
        at = body
        for part in parts:
            at = at[int(part)] if isinstance(at, list) else at[part]
        key: Any = int(last) if isinstance(at, list) else last
        if patch["op"] == "remove":
            del at[key]
        elif patch["op"] == "add" and isinstance(at, list):
            at.insert(key, patch["value"])
        else:
            assert patch["op"] == "add" or key in range(len(at)) or key in at
            at[key] = patch["value"]
    return body


TWO = POD.replace("[{name: app,", "[{name: side, image: x}, {name: app,")


def test_a_field_is_made_with_all_that_is_above_it() -> None:
    body = made([assign("spec.securityContext.seccompProfile.type", "{value: RuntimeDefault}")])
    assert body["spec"]["securityContext"] == {"seccompProfile": {"type": "RuntimeDefault"}}


def test_all_items_or_one_of_a_list() -> None:
    every = made([assign("spec.containers[name: *].tty", "{value: true}")], TWO)
    assert [c["tty"] for c in every["spec"]["containers"]] == [True, True]
    one = made([assign("spec.containers[name: side].tty", "{value: true}")], TWO)
    assert [c.get("tty") for c in one["spec"]["containers"]] == [True, None]


def test_an_item_that_is_not_there_is_added_with_its_key() -> None:
    body = made([assign("spec.containers[name: new].image", "{value: i}")])
    assert body["spec"]["containers"][-1] == {"name": "new", "image": "i"}
    keyed = made([assign("spec.volumes[name: v]", "{value: {name: v, emptyDir: {}}}")])
    assert keyed["spec"]["volumes"] == [{"name": "v", "emptyDir": {}}]


def test_an_item_is_replaced_by_its_key() -> None:
    body = made([assign("spec.containers[name: side]", "{value: {name: side, image: z}}")], TWO)
    assert [c["image"] for c in body["spec"]["containers"]] == ["z", "shop/cart"]


@pytest.mark.parametrize(
    ("path", "condition", "changed"),
    [
        ("spec.hostPID", "MustNotExist", True),
        ("spec.hostPID", "MustExist", False),
        ("spec", "MustExist", True),
        ("spec", "MustNotExist", False),
    ],
)
def test_path_tests(path: str, condition: str, changed: bool) -> None:
    tests = f", pathTests: [{{subPath: {path}, condition: {condition}}}]"
    text = assign("spec.hostPID", "{value: false}").replace("}}\n", "}" + tests + "}\n")
    assert bool(run([text]).patches) is changed


def test_metadata_is_added_and_never_changed() -> None:
    spec = "  location: metadata.labels.owner\n  parameters: {assign: {value: bob}}\n"
    text = mutator("AssignMetadata", "m", spec, apply="")
    assert made([text])["metadata"]["labels"] == {"owner": "bob"}
    owned = POD.replace("{name: cart,", "{name: cart, labels: {owner: ann},")
    assert not run([text], owned).patches


def test_a_value_may_be_the_name_or_the_namespace() -> None:
    text = assign("spec.hostname", "{fromMetadata: {field: name}}")
    assert made([text])["spec"]["hostname"] == "cart"


SET = "  location: 'spec.containers[name: *].args'\n  parameters:\n    values: {fromList: [a, b]}\n"


@pytest.mark.parametrize(
    ("operation", "args", "expected"),
    [
        ("merge", "[b, c]", ["b", "c", "a"]),
        ("merge", None, ["a", "b"]),
        ("prune", "[a, c, b]", ["c"]),
        ("prune", None, None),
    ],
)
def test_sets(operation: str, args: str | None, expected: list[str] | None) -> None:
    text = mutator("ModifySet", "s", f"{SET}    operation: {operation}\n")
    subject = POD if args is None else POD.replace("{name: app,", f"{{name: app, args: {args},")
    assert made([text], subject)["spec"]["containers"][0].get("args") == expected


@pytest.mark.parametrize(
    ("parts", "image", "expected"),
    [
        (Parts(domain="r.io"), "nginx", "r.io/nginx"),
        (Parts(domain="r.io"), "docker.io/a/b:1", "r.io/a/b:1"),
        (Parts(path="c/d"), "r.io:5000/a:1", "r.io:5000/c/d:1"),
        (Parts(tag=":2"), "r.io/a@sha256:" + "0" * 64, "r.io/a:2"),
        (Parts(domain="localhost", tag=":1"), "a/b", "localhost/a/b:1"),
    ],
)
def test_parts_of_an_image(parts: Parts, image: str, expected: str) -> None:
    check(parts)
    assert parts.over(image) == expected
    assert parts.over(expected) == expected


def test_images_of_a_pod() -> None:
    spec = "  location: 'spec.containers[name: *].image'\n  parameters: {assignDomain: r.io}\n"
    body = made([mutator("AssignImage", "i", spec)])
    assert body["spec"]["containers"][0]["image"] == "r.io/shop/cart"


def test_mutators_see_what_others_did_until_nothing_changes() -> None:
    label = mutator(
        "AssignMetadata",
        "label",
        "  location: metadata.labels.seen\n  parameters: {assign: {value: 'yes'}}\n",
        apply="",
    )
    by_label = assign("spec.hostname", "{value: h}").replace(
        "  location", "  match: {labelSelector: {matchLabels: {seen: 'yes'}}}\n  location"
    )
    result = run([by_label, label])
    assert result.body["spec"]["hostname"] == "h"
    assert set(result.applied) == {"gatekeeper/AssignMetadata/label", "gatekeeper/Assign/a"}


def test_two_that_undo_each_other_change_nothing_and_are_told() -> None:
    texts = [
        assign("spec.hostname", "{value: one}", "one"),
        assign("spec.hostname", "{value: two}", "two"),
    ]
    result = run(texts)
    assert not result.patches
    assert {one.policy for one in result.verdicts} == {
        "gatekeeper/Assign/one",
        "gatekeeper/Assign/two",
    }
    assert all("comes to no end" in one.message for one in result.verdicts)


def test_an_object_of_another_shape_is_the_mutators_error_and_changes_nothing() -> None:
    texts = [
        assign("spec.hostname", "{value: x}", "a"),
        assign("spec.containers.x", "{value: 1}", "b"),
    ]
    result = run(texts)
    assert not result.patches
    (verdict,) = result.verdicts
    assert verdict.policy == "gatekeeper/Assign/b"
    assert not verdict.denies


@pytest.mark.parametrize(
    ("one", "other", "refused"),
    [
        ("spec.a.b", "spec.a[name: x].b", True),
        ("spec.a[name: x].b", "spec.a[key: x].b", True),
        ("spec.a[name: x].b", "spec.a[name: *].c", False),
        ("spec.a.b", "spec.a.c", False),
    ],
)
def test_locations_that_contradict_each_other(one: str, other: str, refused: bool) -> None:
    found = loaded(assign(one, "{value: 1}", "x"), assign(other, "{value: 1}", "y"))
    assert [fault.kind for fault in found.faults] == (["conflict"] * 2 if refused else [])
    assert len(found.mutators) == (0 if refused else 2)


def test_nothing_is_written_below_an_image() -> None:
    spec = "  location: spec.image\n  parameters: {assignTag: ':1'}\n"
    found = loaded(mutator("AssignImage", "i", spec), assign("spec.image.x", "{value: 1}"))
    assert [one.kind for one in found.faults] == ["conflict"] * 2


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (assign("spec.[a]", "{value: 1}"), "column 6"),
        (assign("metadata.name", "{value: 1}"), "metadata is out of reach"),
        (assign("spec.a[name: x].name", "{value: 1}"), "may not be changed"),
        (assign("spec.a[name: x]", "{value: 1}"), "is an object"),
        (assign("spec.a[name: x]", "{value: {name: y}}"), "is not 'x'"),
        (assign("spec.a", "{value: 1, fromMetadata: {field: name}}"), "either a value or"),
        (assign("spec.a", "{fromMetadata: {field: uid}}"), "neither name nor namespace"),
        (assign("spec.a", "{externalData: {provider: p}}"), "no providers"),
        (assign("spec.a", "{value: 1}").replace(APPLY, ""), "what it applies to"),
        (assign("spec.a", "{value: 1}").replace("[Pod]", "['*']"), "no globs"),
        (assign("spec.a", "{value: 1}").replace("sh/v1\n", "sh/v9\n"), "no version"),
        (mutator("AssignMetadata", "m", "  location: spec.x\n", apply=""), "neither a label"),
        (mutator("ModifySet", "s", SET + "    operation: add\n"), "neither merge nor prune"),
        (
            mutator("AssignImage", "i", "  location: spec.x\n  parameters: {assignTag: v1}\n"),
            "no tag or digest",
        ),
        (
            mutator("AssignImage", "i", "  location: spec.x\n  parameters: {assignPath: a.io/b}\n"),
            "looks like a registry",
        ),
        (
            assign("spec.a.b", "{value: 1}").replace(
                "}}\n", "}, pathTests: [{subPath: spec.x, condition: MustExist}]}\n"
            ),
            "no beginning of",
        ),
    ],
)
def test_what_is_no_mutator_is_refused_with_its_field(text: str, what: str) -> None:
    (fault,) = faults(text)
    assert what in fault.what
    assert fault.fatal
    assert fault.line > 0
    assert not loaded(text).mutators


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.b", (Field("a"), Field("b"))),
        ("a[k: v].c", (Field("a"), Item("k", "v"), Field("c"))),
        ("a [ k : * ] . c", (Field("a"), Item("k", None), Field("c"))),
        ("a[port: 80]", (Field("a"), Item("port", 80))),
        ("a.\"b.c/d\".'e\\''", (Field("a"), Field("b.c/d"), Field("e'"))),
    ],
)
def test_locations(text: str, expected: tuple[Field | Item, ...]) -> None:
    assert parse_location(text) == expected


@pytest.mark.parametrize(
    "text", ["", " ", ".", "a.", "a..b", "a[", "a[b]", "a[b:]", "a[b:c", "[a:b]"]
)
def test_what_is_no_location(text: str) -> None:
    with pytest.raises(RuleError):
        parse_location(text)


_names = st.text("ab-_", min_size=1, max_size=3)
_nodes = st.lists(
    st.builds(Field, _names) | st.tuples(_names, st.builds(Item, _names, st.none() | _names)),
    min_size=1,
    max_size=4,
)


@settings(max_examples=100, deadline=None)
@given(_nodes)
def test_a_location_is_read_as_it_is_told(nodes: list[Any]) -> None:
    flat: list[Field | Item] = []
    for node in nodes:
        flat += [Field(node[0]), node[1]] if isinstance(node, tuple) else [node]
    assert parse_location(told(flat)) == tuple(flat)


@settings(max_examples=150, deadline=None)
@given(st.text("a.[]:*'\"\\ 1é", max_size=12))
def test_any_text_is_a_location_or_refused(text: str) -> None:
    try:
        assert parse_location(text)
    except RuleError as error:
        assert error.what
