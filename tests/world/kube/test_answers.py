"""What a server says becomes an error that names the object, the holder, the right; and what is
tried again."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.errors import (
    KubeBusy,
    KubeConflict,
    KubeError,
    KubeForbidden,
    KubeGone,
    KubeInvalid,
    KubeNotFound,
    KubeUnreachable,
)
from haechi.world.kube.answers import check
from haechi.world.kube.names import DEPLOYMENT, POD, Ref, ref_of, ref_of_resource
from haechi.world.kube.patience import Patience, reading, writing
from haechi.world.kube.wire import Answer
from tests.world.kube.raw import Asked, answer, client_of, refusal, thing

POLICY = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "deny", "namespace": "shop"},
    "spec": {},
}
PODREF = Ref(kind="Pod", namespace="shop", name="a")


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (400, "BadRequest", KubeInvalid),
        (401, "Unauthorized", KubeForbidden),
        (403, "Forbidden", KubeForbidden),
        (404, "NotFound", KubeNotFound),
        (405, "MethodNotAllowed", KubeNotFound),
        (409, "AlreadyExists", KubeConflict),
        (410, "Expired", KubeGone),
        (413, "RequestEntityTooLarge", KubeInvalid),
        (422, "Invalid", KubeInvalid),
        (429, "TooManyRequests", KubeBusy),
        (500, "InternalError", KubeError),
        (503, "ServiceUnavailable", KubeBusy),
    ],
)
def test_each_refusal_has_its_error(status: int, reason: str, kind: type[KubeError]) -> None:
    with client_of(lambda _: refusal(status, reason)) as (client, _), pytest.raises(kind) as raised:
        client.apply(POLICY, field_manager="haechi")
    error = raised.value
    assert type(error) is kind
    assert (error.status, error.reason) == (status, reason)
    assert error.where == "east: NetworkPolicy shop/deny"


def test_a_conflict_names_who_holds_what() -> None:
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": 'conflict with "kubectl" using networking.k8s.io/v1',
            "field": ".spec.podSelector",
        },
        {"reason": "FieldManagerConflict", "message": "conflict", "field": ".spec.ingress"},
    ]
    with (
        client_of(lambda _: refusal(409, "Conflict", causes=causes)) as (client, _),
        pytest.raises(KubeConflict) as raised,
    ):
        client.apply(POLICY, field_manager="haechi")
    assert raised.value.owners == (
        ("kubectl", ".spec.podSelector"),
        ("another field manager", ".spec.ingress"),
    )
    assert "kubectl holds .spec.podSelector" in raised.value.explain()


def test_an_invalid_object_names_its_fields() -> None:
    causes = [{"reason": "FieldValueInvalid", "message": "must be", "field": "spec.x"}]
    with (
        client_of(lambda _: refusal(422, "Invalid", causes=causes)) as (client, _),
        pytest.raises(KubeInvalid) as raised,
    ):
        client.create(POLICY)
    assert raised.value.causes == (("spec.x", "must be"),)


def test_a_budget_is_no_queue() -> None:
    causes = [{"reason": "DisruptionBudget", "message": "needs 3 healthy pods"}]
    with (
        client_of(lambda _: refusal(429, "TooManyRequests", causes=causes)) as (client, raw),
        pytest.raises(KubeBusy) as raised,
    ):
        client.evict("shop", "a")
    assert raised.value.budget and "3 healthy" in raised.value.why
    assert raw.targets() == ["/api/v1/namespaces/shop/pods/a/eviction"]


@pytest.mark.parametrize(
    ("operations", "causes", "kind"),
    [
        ([{"op": "test", "path": "/a", "value": 1}], [], KubeConflict),
        ([{"op": "test", "path": "/a", "value": 1}], [{"field": "spec"}], KubeInvalid),
        ([{"op": "add", "path": "/a", "value": 1}], [], KubeInvalid),
    ],
    ids=["test", "object", "no test"],
)
def test_a_patch_whose_test_fails_is_a_conflict(
    operations: list[dict[str, Any]], causes: list[dict[str, str]], kind: type[KubeError]
) -> None:
    more: dict[str, Any] = {"causes": causes} if causes else {}
    script = refusal(422, "Invalid", **more)
    with client_of(lambda _: script) as (client, _), pytest.raises(kind) as raised:
        client.patch(PODREF, operations)
    assert type(raised.value) is kind


def test_an_absent_object_is_none() -> None:
    with client_of(lambda _: refusal(404, "NotFound", name="a", kind="pods")) as (client, _):
        assert client.get(PODREF) is None


OTHER = Ref(group="x.example", version="v1", kind="X", namespace="a", name="b")


@pytest.mark.parametrize(
    ("said", "ref"),
    [(answer(b"404 page not found", 404), PODREF), (refusal(404, "NotFound"), OTHER)],
    ids=["page", "discovery"],
)
def test_an_absent_kind_is_told(said: bytes, ref: Ref) -> None:
    with client_of(lambda _: said) as (client, _), pytest.raises(KubeNotFound):
        client.get(ref)


def counted(answers: list[bytes]) -> Any:
    left = list(answers)

    def script(_: Asked) -> bytes:
        return left.pop(0) if len(left) > 1 else left[0]

    return script


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_reading_goes_on_after_what_passes(status: int) -> None:
    script = counted([refusal(status, "X"), refusal(status, "X"), answer(thing("a", 1))])
    with client_of(script) as (client, raw):
        assert client.get(PODREF) is not None
    assert len(raw.asked) == 3


@pytest.mark.parametrize(
    ("first", "times"),
    [
        (refusal(429, "TooManyRequests"), 2),
        (refusal(500, "InternalError"), 1),
        (refusal(503, "ServiceUnavailable"), 1),
        (b"", 1),
    ],
    ids=["429", "500", "503", "cut"],
)
def test_a_write_is_repeated_only_where_nothing_was_done(first: bytes, times: int) -> None:
    """A 429 comes out of the server's queue: it took nothing. All else may have been done."""
    left = [first or iter([b""]), answer(thing("a", 1))]
    with client_of(lambda _: left.pop(0)) as (client, raw):
        if times == 2:
            client.patch(PODREF, [{"op": "remove", "path": "/a"}])
        else:
            with pytest.raises(KubeError) as raised:
                client.patch(PODREF, [{"op": "remove", "path": "/a"}])
            if not first:
                assert isinstance(raised.value, KubeUnreachable) and raised.value.sent
    assert len(raw.asked) == times


@pytest.mark.parametrize("work", ["apply", "dry"])
def test_what_is_the_same_done_twice_is_repeated(work: str) -> None:
    left = [iter([b""]), answer(thing("deny", 1))]
    with client_of(lambda _: left.pop(0)) as (client, raw):  # type: ignore[arg-type, return-value]
        if work == "apply":
            client.apply(POLICY, field_manager="haechi")
        else:
            client.patch(PODREF, [{"op": "remove", "path": "/a"}], dry_run=True)
    assert len(raw.asked) == 2


def test_pauses_grow_and_mind_what_the_server_says() -> None:
    slept: list[float] = []
    patience = Patience(tries=4, sleep=slept.append, chance=lambda: 0.5)
    busy = KubeBusy("x", status=429)

    def fails() -> None:
        raise busy

    with pytest.raises(KubeBusy):
        patience.repeated(fails, again=reading)
    assert slept == [0.25, 0.5, 1.0]
    slept.clear()
    busy.retry_after = 12.0
    with pytest.raises(KubeBusy):
        patience.repeated(fails, again=reading)
    assert slept == [12.0, 12.0]  # no more than half a minute in all


@pytest.mark.parametrize(
    ("error", "read", "write"),
    [
        (KubeUnreachable("x", sent=True), True, False),
        (KubeUnreachable("x", sent=False), True, True),
        (KubeError("x", status=500), True, False),
        (KubeError("x", status=418), False, False),
        (KubeConflict("x", status=409), False, False),
        (KubeGone("x", status=410), False, False),
    ],
    ids=["sent", "unsent", "500", "418", "409", "410"],
)
def test_what_is_tried_again(error: KubeError, read: bool, write: bool) -> None:
    assert (reading(error), writing(error)) == (read, write)


@pytest.mark.parametrize(
    "name", ["..", ".", "a/../secrets", "a/b", "a?b", "a#b", "a b", "", "a\n", "é", "a" * 300]
)
def test_a_name_that_is_none_never_becomes_a_path(name: str) -> None:
    with client_of(lambda _: answer({})) as (client, raw), pytest.raises(KubeInvalid):
        client.delete(Ref(kind="Pod", namespace="shop", name=name or "x/"))
    assert raw.asked == []


@given(st.text(max_size=60), st.text(max_size=30))
def test_every_path_stays_below_its_kind(name: str, namespace: str) -> None:
    try:
        path = DEPLOYMENT.path(namespace, name)
    except KubeInvalid:
        return
    parts = path.split("/")
    assert parts[:4] == ["", "apis", "apps", "v1"]
    assert "deployments" in parts and not {"", ".", ".."} & set(parts[1:])


@given(
    st.integers(0, 999),
    st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=20),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(
                        ["details", "causes", "message", "metadata", "code", "continue"]
                    ),
                    inner,
                    max_size=4,
                )
            ),
            max_leaves=12,
        ),
    ),
    st.text(st.characters(max_codepoint=255), max_size=12),
)
def test_any_answer_is_good_or_one_of_our_errors(status: int, body: Any, retry: str) -> None:
    import msgspec

    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    given_ = Answer(status=status, headers={"retry-after": retry}, body=data)
    try:
        check(given_, "x")
    except KubeError as error:
        assert error.what.isprintable() and len(error.what) <= 500
    else:
        assert 200 <= status < 300


@pytest.mark.parametrize(
    "body",
    [
        5,
        {},
        {"metadata": []},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {}},
        {"metadata": {"name": "a"}},
    ],
)
def test_an_object_that_does_not_say_what_it_is_is_refused(body: Any) -> None:
    with pytest.raises(KubeInvalid):
        ref_of(body)


def test_a_key_leads_back_to_its_object() -> None:
    ref = Ref(group="apps", version="v1", kind="Deployment", namespace="shop", name="cart:1")
    assert ref_of_resource(ref.key("east")) == ref
    assert ref_of_resource("file:-/a") is None
    assert ref_of_resource("k8s:-/core/Node/-/n1") == Ref(kind="Node", name="n1")
    assert POD.right == "pods" and DEPLOYMENT.right == "deployments.apps"
