"""What a template is given: Gatekeeper's ``input.review`` of our ``Review``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from haechi.model.review import Review

_MEMO: Final = "gatekeeper.review"


def review_input(review: Review) -> Mapping[str, Any]:
    """``AdmissionReview.request`` with its objects, made once a review.

    Of a DELETE the object is what goes, as Gatekeeper shows it; an object that is not there is
    null, not missing. ``namespaceObject`` is the Namespace, and so is ``_unstable.namespace``,
    where older templates look for it.
    """
    found: Mapping[str, Any] | None = review.memo.get(_MEMO)
    if found is None:
        body: Mapping[str, Any] | None = review.resource.data or None
        if body is None and (review.request or {}).get("operation") == "DELETE":
            body = review.old
        made: dict[str, Any] = {
            "options": None,
            **(review.request or {}),
            "object": body,
            "oldObject": review.old,
            "namespaceObject": review.namespace,
        }
        if review.namespace is not None:
            made["_unstable"] = {"namespace": review.namespace}
        review.memo[_MEMO] = found = made
    return found
