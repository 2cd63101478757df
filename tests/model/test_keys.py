"""Keys of Kubernetes objects, read back into what they name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.model.keys import ObjectName, k8s_key, key_parts, namespace_of, object_name

_NAMES = st.text(min_size=1, max_size=12).filter(lambda name: name != "-")


@given(
    cluster=_NAMES | st.just(""),
    group=_NAMES.filter(lambda name: name != "core") | st.just(""),
    kind=_NAMES,
    namespace=_NAMES | st.just(""),
    name=_NAMES,
)
def test_what_a_key_was_made_of_is_read_back(
    cluster: str, group: str, kind: str, namespace: str, name: str
) -> None:
    key = k8s_key(cluster=cluster, group=group, kind=kind, namespace=namespace, name=name)
    named = ObjectName(cluster=cluster, group=group, kind=kind, namespace=namespace, name=name)
    assert object_name(key) == named
    assert namespace_of(key) == (namespace or "-")


@pytest.mark.parametrize(
    "key", ["", "k8s:", "host:prod/a", "k8s:a/b/c/d", "k8s:a/b/c/d/e/f", "file:-/a/b/c/d"]
)
def test_other_keys_name_no_object(key: str) -> None:
    assert key_parts(key) is None
    assert object_name(key) is None
    assert namespace_of(key) == "-"
