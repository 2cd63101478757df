"""No secret survives in what is recorded of a request, and what policies read does."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.admit.redact import redacted
from haechi.engines.masking import masked

MARK = "hunter2-"
NAMES = st.sampled_from(
    ["DB_PASSWORD", "API_TOKEN", "apiKey", "client-secret", "AWS_SECRET_ACCESS_KEY", "passwd"]
)
PLAIN = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.text("abc/.:", max_size=6)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text("abcdef", max_size=4), inner)
    ),
    max_leaves=8,
)
SECRET = st.integers(0, 10**6).map(lambda n: f"{MARK}{n}")


def _holder(kind: str, key: str, values: dict[str, str]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": "x"}, key: values}


HIDDEN = st.one_of(
    st.builds(
        _holder,
        st.sampled_from(["Secret", "ConfigMap", "SealedSecret"]),
        st.sampled_from(["data", "stringData", "binaryData"]),
        st.dictionaries(st.text("abcd", min_size=1, max_size=4), SECRET),
    ),
    st.builds(lambda n, v: {"env": [{"name": n, "value": v}]}, NAMES, SECRET),
    st.builds(lambda n, v: {n: v}, st.sampled_from(["password", "token", "apiKey"]), SECRET),
    st.builds(lambda v: {"args": ["serve", f"--password={v}"]}, SECRET),
    st.builds(lambda v: {"command": ["serve", "--token", v]}, SECRET),
    st.builds(
        lambda v: {
            "annotations": {
                "kubectl.kubernetes.io/last-applied-configuration": json.dumps({"data": {"a": v}})
            }
        },
        SECRET,
    ),
    st.builds(
        lambda v: {"annotations": {"tool/was": json.dumps(_holder("Secret", "data", {"a": v}))}},
        SECRET,
    ),
    st.builds(lambda v: {"url": f"https://someone:{v}@host/path"}, SECRET),
    st.builds(
        lambda v: {"kind": "SecretList", "items": [{"data": {"a": v}}], "metadata": {}}, SECRET
    ),
)


def _placed(hidden: Any, path: list[str | int]) -> Any:
    for part in path:
        hidden = {part: hidden} if isinstance(part, str) else [hidden] * (part + 1)
    return hidden


@settings(max_examples=150, deadline=None)
@given(
    hidden=HIDDEN,
    path=st.lists(st.one_of(st.sampled_from(["spec", "template", "x"]), st.integers(0, 2))),
    beside=PLAIN,
    old=st.booleans(),
)
def test_no_secret_survives(hidden: Any, path: list[str | int], beside: Any, old: bool) -> None:
    body = {"kind": "Thing", "spec": _placed(hidden, path), "beside": beside}
    request = {"kind": {"kind": "Thing"}, "oldObject" if old else "object": body}
    found = redacted(request)
    assert MARK not in json.dumps(found.body)
    assert found.body["oldObject" if old else "object"]["beside"] == beside


@settings(max_examples=300)
@given(
    text=st.lists(
        st.sampled_from(
            [
                *("password", "apiKey", "=", ": ", " ", "Bearer ", "abcdefgh12", "://u:p@h", "eyJ"),
                *("eyJhbGciOi.eyJzdWIiOi", "$6$abcdefgh/ijkl", "-----BEGIN PRIVATE KEY-----", "x"),
                *("token", "\n", "basic\tQWxhZGRpbjpv", "Session_id", "PIN=", "a-b", "cookie:"),
            ]
        ),
        max_size=5,
    ).map("".join)
)
def test_what_is_looked_over_quickly_holds_nothing(text: str) -> None:
    assert redacted({"object": {"x": text}}).body == {"object": {"x": masked(text)}}


@given(value=PLAIN)
def test_what_holds_no_secret_stays_as_it_is(value: Any) -> None:
    assert redacted({"object": {"spec": value}}).body == {"object": {"spec": value}}


def test_a_deep_object_is_cut_not_followed() -> None:
    deep: Any = "end"
    for _ in range(5_000):
        deep = {"a": deep}
    assert "end" not in json.dumps(redacted({"object": deep}).body)


POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "a", "managedFields": [{"manager": "x"}], "labels": {"app": "cart"}},
    "spec": {
        "serviceAccountName": "cart",
        "automountServiceAccountToken": False,
        "volumes": [{"name": "v", "secret": {"secretName": "cart-db"}}],
        "containers": [
            {
                "name": "c",
                "image": "ghcr.io/shop/cart@sha256:0",
                "args": ["--level", "debug"],
                "env": [
                    {"name": "LEVEL", "value": "debug"},
                    {
                        "name": "DB_PASSWORD",
                        "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}},
                    },
                ],
                "securityContext": {"privileged": True},
            }
        ],
    },
}


def test_what_policies_read_of_a_pod_stays() -> None:
    body = redacted({"kind": {"kind": "Pod"}, "object": POD}).body["object"]
    assert body["spec"] == POD["spec"]
    assert body["metadata"] == {"name": "a", "labels": {"app": "cart"}}


def test_keys_of_a_secret_stay_without_their_values() -> None:
    encoded = base64.b64encode(b"correct horse").decode()
    request = {"kind": {"kind": "Secret"}, "object": {"type": "Opaque", "data": {"key": encoded}}}
    found = redacted(request)
    assert found.body["object"] == {"type": "Opaque", "data": {"key": "***"}}
    assert found.clean(f"{encoded} means correct horse") == "*** means ***"


def test_what_an_authenticator_adds_to_a_user_is_left_out() -> None:
    user = {"username": "ann", "groups": ["dev"], "uid": "1", "extra": {"scope": ["x"]}}
    assert redacted({"userInfo": user}).body["userInfo"] == {
        "username": "ann",
        "uid": "1",
        "groups": ["dev"],
    }


@pytest.mark.parametrize("kind", ["Secret", "ConfigMap"])
def test_an_object_that_does_not_say_its_kind_is_judged_by_the_request(kind: str) -> None:
    request = {"kind": {"kind": kind}, "object": {"data": {"a": "secret-value"}}}
    assert redacted(request).body["object"] == {"data": {"a": "***"}}
