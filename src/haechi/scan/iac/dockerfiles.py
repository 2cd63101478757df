"""The text of a Dockerfile → a resource to judge, or the reason why there is none.

BuildKit refuses a file as a whole; here one bad line must not hide the findings of the others.
Only what is no Dockerfile at all is not judged: a template, a fragment without FROM.
"""

from __future__ import annotations

import re

from haechi.engines.dockerfile import resource_of
from haechi.errors import InputError
from haechi.model.coverage import Gap
from haechi.model.resource import Resource

_MOST = 5
_MARK = re.compile(r"\{\{|\{%|<%")


def read_dockerfile(text: str, path: str) -> tuple[Resource | None, list[Gap]]:
    """The resource, None when there is nothing to judge, and what of the file was not read."""
    if not text.strip():
        reason = "an empty Dockerfile"
        return None, [Gap(kind="syntax", path=path, reason=reason, do="delete it or write it")]
    try:
        resource, faults = resource_of(text, path)
    except InputError as error:
        do = error.do or "exclude the file in haechi.yaml if it is not a Dockerfile"
        return None, [Gap(kind="limit", path=path, reason=error.what, do=do)]
    dockerfile = resource.data
    mark = _MARK.search(text) if faults else None
    if mark and (
        not dockerfile.stages or any(_MARK.match(i.name) for i in dockerfile.instructions)
    ):
        return None, [template_gap(f"{path}:{text.count(chr(10), 0, mark.start()) + 1}")]
    gaps = [
        Gap(
            kind="syntax",
            path=f"{path}:{fault.line}",
            reason=fault.message,
            do="correct it",
        )
        for fault in faults[:_MOST]
    ]
    return (resource if dockerfile.stages else None), gaps


def template_gap(path: str) -> Gap:
    """Of a file that only becomes a Dockerfile."""
    return Gap(
        kind="template",
        path=path,
        reason="a template of a Dockerfile",
        do="render it and scan that",
    )
