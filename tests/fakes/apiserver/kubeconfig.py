"""A kubeconfig for one server and one user."""

from __future__ import annotations

import base64
from typing import Any

import yaml

from tests.fakes.apiserver.certificates import Pair


def _data(text: bytes) -> str:
    return base64.b64encode(text).decode()


def written(
    url: str, user: str, *, ca: bytes | None, token: str = "", pair: Pair | None = None
) -> str:
    cluster: dict[str, Any] = {"server": url}
    if ca is not None:
        cluster["certificate-authority-data"] = _data(ca)
    who: dict[str, Any] = {"token": token}
    if pair is not None:
        who = {
            "client-certificate-data": _data(pair.certificate),
            "client-key-data": _data(pair.key),
        }
    body = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "fake", "cluster": cluster}],
        "users": [{"name": user, "user": who}],
        "contexts": [
            {"name": "fake", "context": {"cluster": "fake", "user": user, "namespace": "default"}}
        ],
        "current-context": "fake",
        "preferences": {},
    }
    return yaml.safe_dump(body, sort_keys=False)
