"""How objects are shown: whole, as a Table (what `kubectl get` prints), or metadata only."""

from __future__ import annotations

import re
from typing import Any

from tests.fakes.apiserver.catalogue import Served
from tests.fakes.apiserver.columns import columns_of
from tests.fakes.apiserver.request import Request
from tests.fakes.apiserver.status import ApiError

Json = dict[str, Any]
_JSON = ("application/json", "*/*", "application/*")


def form(request: Request) -> tuple[str, str]:
    """The form asked for (`Table`, `PartialObjectMetadata…` or ``) and the media type."""
    accept = request.headers.get("accept", "*/*")
    for clause in accept.split(","):
        media, *parameters = (part.strip() for part in clause.split(";"))
        words = dict(re.findall(r"(\w+)=([\w.]+)", ";".join(parameters)))
        if words.get("g") not in (None, "meta.k8s.io"):
            continue
        if media in _JSON:
            return words.get("as", ""), "application/json"
        if media == "application/yaml":
            return words.get("as", ""), "application/yaml"
    text = (
        "only the following media types are accepted: application/json, application/yaml, "
        "application/vnd.kubernetes.protobuf"
    )
    raise ApiError(406, "NotAcceptable", text)


class View:
    """One request's way to show objects of a kind."""

    def __init__(self, request: Request, served: Served) -> None:
        self.served, self.clock_now = served, 0.0
        self.form, _ = form(request)
        self._include = request.query.get("includeObject", "Metadata")

    def one(self, body: Json, *, headed: bool = True) -> Json:
        shown = self._shown(body)
        if self.form == "Table":
            return self._table(
                [shown], {"resourceVersion": body["metadata"].get("resourceVersion", "")}, headed
            )
        if self.form.startswith("PartialObjectMetadata"):
            return _partial(shown)
        return shown

    def many(self, bodies: list[Json], meta: Json) -> Json:
        if self.form == "Table":
            return self._table([self._shown(body) for body in bodies], meta, True)
        if self.form.startswith("PartialObjectMetadata"):
            return {
                "kind": "PartialObjectMetadataList",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": meta,
                "items": [_partial(body) for body in bodies],
            }
        return {
            "kind": f"{self.served.kind}List",
            "apiVersion": self.served.api_version,
            "metadata": meta,
            "items": [self._item(body) for body in bodies],
        }

    def _shown(self, body: Json) -> Json:
        if body.get("apiVersion") == self.served.api_version:
            return body
        return body | {"apiVersion": self.served.api_version}

    def _item(self, body: Json) -> Json:
        """In lists of built-in kinds items say no kind, in those of custom kinds they do."""
        if self.served.custom:
            return self._shown(body)
        return {key: value for key, value in body.items() if key not in ("kind", "apiVersion")}

    def _table(self, bodies: list[Json], meta: Json, headed: bool) -> Json:
        columns = columns_of(self.served)
        rows = []
        for body in bodies:
            row: Json = {"cells": [column.cell(body) for column in columns]}
            if self._include == "Object":
                row["object"] = body
            elif self._include != "None":
                row["object"] = _partial(body)
            rows.append(row)
        heads = [column.head() for column in columns] if headed else []
        return {
            "kind": "Table",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": meta,
            "columnDefinitions": heads,
            "rows": rows,
        }


def _partial(body: Json) -> Json:
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": body["metadata"],
    }
