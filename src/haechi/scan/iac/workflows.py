"""The text of a CI file → a resource to judge: GitHub workflows and actions, GitLab pipelines.

GitHub reads YAML 1.2, where ``on`` is a word; our reader follows Kubernetes, where it is the
key "true". The trigger is therefore given back its name, so that rules address it as people
write it. One file is one resource, however many jobs it holds: rules compare jobs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from haechi.engines.documents import Document, Fault, parse_documents
from haechi.errors import InputError
from haechi.model.coverage import Gap
from haechi.model.keys import file_key
from haechi.model.location import AttrPath, Location
from haechi.model.resource import Resource
from haechi.scan.iac.sources import Source

WORKFLOW = "workflow"
ACTION = "action"
GITLAB = "gitlab-ci"
EXAMPLES = {
    WORKFLOW: ".github/workflows/example.yml",
    ACTION: "action.yml",
    GITLAB: ".gitlab-ci.yml",
}
"""The file that an example of a rule is read as."""
PIPELINES = {Source.WORKFLOW: WORKFLOW, Source.ACTION: ACTION, Source.GITLAB: GITLAB}
"""The kind of resource that a file of a source is read as."""
_RUNS = re.compile(rb"^['\"]?runs['\"]?[ \t]*:", re.MULTILINE)
_DO = {
    "syntax": "correct the YAML",
    "template": "render it and scan the result",
}


def may_be_action(data: bytes) -> bool:
    """True when a file called action.yml says what it runs; others bear the name by chance."""
    return _RUNS.search(data) is not None


def read_workflow(data: bytes, path: str, kind: str) -> tuple[Resource | None, list[Gap]]:
    """The resource, None when there is nothing to judge, and what of the file was not read."""
    gaps: list[Gap] = []
    documents: list[Document] = []
    try:
        for result in parse_documents(data):
            if isinstance(result, Fault):
                at = f"{path}:{result.line}"
                do = _DO.get(result.kind, "split the file")
                gaps.append(Gap(kind=result.kind, path=at, reason=result.message, do=do))
            else:
                documents.append(result)
    except InputError as error:
        return None, [Gap(kind="encoding", path=path, reason=error.what, do=error.do)]
    if not documents:
        return None, gaps
    document, extra = _main(documents, kind)
    if extra is not None:
        at = f"{path}:{extra.locate(())[0]}"
        reason = "a further document, which no CI reads"
        gaps.append(Gap(kind="syntax", path=at, reason=reason, do="delete it or move it"))
    if not isinstance(document.data, dict):
        at = f"{path}:{document.locate(())[0]}"
        reason = f"{_called(kind)} is a mapping of keys"
        gaps.append(Gap(kind="syntax", path=at, reason=reason, do="correct it"))
        return None, gaps
    return resource_of(document, path, kind), gaps


def resource_of(document: Document, path: str, kind: str) -> Resource:
    """The resource of a document whose data is a mapping."""
    return Resource(
        key=file_key(path),
        kind=kind,
        name=path,
        file=path,
        data=document.data if kind == GITLAB else _with_trigger(document.data),
        locate=_locator(document, path),
        duplicates=document.duplicates,
    )


def _main(documents: Sequence[Document], kind: str) -> tuple[Document, Document | None]:
    """The document that counts, and the first one that is there for nothing.

    A GitLab component writes what it takes (``spec:``) in a document of its own before it.
    """
    first, rest = documents[0], documents[1:]
    if kind == GITLAB and rest and isinstance(first.data, dict) and set(first.data) == {"spec"}:
        first, rest = rest[0], rest[1:]
    return first, rest[0] if rest else None


def _with_trigger(data: dict[str, Any]) -> dict[str, Any]:
    if "true" not in data or "on" in data:
        return data
    return {"on" if key == "true" else key: value for key, value in data.items()}


def _locator(document: Document, path: str) -> Callable[[AttrPath], Location]:
    return lambda at: document.location(at, path)


def _called(kind: str) -> str:
    return {WORKFLOW: "a workflow", ACTION: "an action", GITLAB: "a pipeline"}[kind]
