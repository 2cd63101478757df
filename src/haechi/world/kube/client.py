"""The Kubernetes client: read, follow and change objects of one cluster.

Synchronous and thread-safe. What it gives are plain dictionaries as the API server wrote them,
without ``managedFields``; ``read`` gives typed parts of many. Every refusal is an error that names
the object and says what to do (``errors.KubeError``). Values of Secrets and ConfigMaps never come:
of these kinds it reads the metadata only (``wire._guard`` holds it for Secrets).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from haechi.errors import KubeConflict, KubeError, KubeInvalid, KubeNotFound
from haechi.world.kube import answers
from haechi.world.kube.access import Access
from haechi.world.kube.bodies import (
    as_kind,
    bool_word,
    dry_query,
    has_tests,
    plain,
    replicas_of,
)
from haechi.world.kube.discovery import Discovery
from haechi.world.kube.names import POD, Kind, Ref, ref_of
from haechi.world.kube.paging import PAGE, Page, page_of, raws
from haechi.world.kube.patience import Patience, reading, writing
from haechi.world.kube.wire import JSON, METADATA, METADATA_LIST, Answer, Request, Wire

if TYPE_CHECKING:
    from haechi.world.kube.watching import Change

APPLY = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
MANAGER = "haechi"
MOST_BODY = 1536 * 1024
"""What etcd takes of one object."""
T = TypeVar("T")


class KubernetesClient:
    """One cluster. ``close`` it, or use it in ``with``."""

    def __init__(self, access: Access, *, patience: Patience | None = None) -> None:
        self.access = access
        self.name = access.name
        self.wire = Wire(access)
        self.patience = patience or Patience(sleep=self.wire.ended.wait)
        self.discovery = Discovery(lambda path, accept: self._ask(path, accept))

    def __enter__(self) -> KubernetesClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End its connections, also those that wait."""
        self.wire.close()

    # --- reading ---------------------------------------------------------------------------

    def version(self) -> str:
        """The server's version, as ``v1.32.4``. Raises KubeError."""
        answer = self._ask("/version", JSON)
        found = answers.decoded(answer, self.name)
        return str(found.get("gitVersion", ""))[:60] if isinstance(found, dict) else ""

    def kind(self, ref: Ref) -> Kind:
        """The kind of an object, by heart or by discovery. Raises KubeNotFound."""
        return self.discovery.kind(ref.group, ref.kind, ref.version)

    def get(self, ref: Ref) -> dict[str, Any] | None:
        """One object as it is now; None when there is none. Raises KubeNotFound when the server
        has no such kind, KubeError."""
        kind = self.kind(ref)
        accept = METADATA if kind.metadata_only else JSON
        try:
            answer = self._ask(self._path(kind, ref), accept, about=ref.label)
        except KubeNotFound as error:
            if not error.name:
                raise  # the server has no such kind
            return None
        return plain(as_kind(self._object(answer, ref.label), kind))

    def list(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        page: int = PAGE,
    ) -> Iterator[dict[str, Any]]:
        """All objects of a kind, page by page, each once. Raises KubeError."""
        ask = self.pager(kind, namespace, label_selector, field_selector)
        for raw in raws(ask, page=page):
            yield self.value(raw, kind)

    def read(
        self,
        kind: Kind,
        type_: type[T],
        namespace: str | None = None,
        *,
        page: int = PAGE,
        **more: str,
    ) -> Iterator[T]:
        """All objects of a kind as ``type_`` (``objects``), which names what is wanted of them:
        the rest is never made a Python value. Raises KubeError."""
        ask = self.pager(
            kind, namespace, more.get("label_selector", ""), more.get("field_selector", "")
        )
        decode = msgspec.json.Decoder(type_).decode
        for raw in raws(ask, page=page):
            try:
                yield decode(raw)
            except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
                raise KubeError(f"a {kind.kind} is not as expected", where=self.name) from error

    def watch(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
    ) -> Iterator[Change]:
        """What there is, then every change, for ever: over lost connections, expired versions
        and silent servers. Nothing is told twice, nothing between is left out; when the server
        has forgotten what happened, the difference is told. Raises KubeError when the server
        refuses for good (no right, no such kind)."""
        from haechi.world.kube.watching import Watch

        yield from Watch(self, kind, namespace, label_selector, field_selector).changes()

    # --- changing --------------------------------------------------------------------------

    def apply(
        self,
        body: Mapping[str, Any],
        *,
        field_manager: str,
        force: bool = False,
        dry_run: bool = False,
        subresource: str = "",
    ) -> dict[str, Any]:
        """Server-side apply: the object is to be as ``body`` says in the fields that it names; of
        its ``status`` with that ``subresource``.
        Raises KubeConflict (``owners``: who holds which field), KubeInvalid, KubeError."""
        ref = ref_of(body)
        kind = self.kind(ref)
        query = [("fieldManager", field_manager), ("force", bool_word(force))]
        query += [("fieldValidation", "Strict"), *dry_query(dry_run)]
        # Carried out twice it is the same as once.
        return self._write(
            "PATCH",
            self._path(kind, ref, subresource),
            ref.label,
            query,
            body,
            APPLY,
            idempotent=True,
        )

    def create(
        self, body: Mapping[str, Any], *, field_manager: str = MANAGER, dry_run: bool = False
    ) -> dict[str, Any]:
        """A new object. Raises KubeConflict when it exists, KubeInvalid, KubeError."""
        ref = ref_of(body)
        kind = self.kind(ref)
        path = self._path(kind, ref).rpartition("/")[0]
        query = [
            ("fieldManager", field_manager),
            ("fieldValidation", "Strict"),
            *dry_query(dry_run),
        ]
        return self._write("POST", path, ref.label, query, body, JSON, idempotent=dry_run)

    def patch(
        self,
        ref: Ref,
        operations: Sequence[Mapping[str, Any]],
        *,
        field_manager: str = MANAGER,
        dry_run: bool = False,
        subresource: str = "",
    ) -> dict[str, Any]:
        """JSON patch (RFC 6902), all operations or none. Raises KubeConflict when a ``test`` does
        not hold, KubeNotFound, KubeInvalid, KubeError."""
        kind = self.kind(ref)
        query = [
            ("fieldManager", field_manager),
            ("fieldValidation", "Strict"),
            *dry_query(dry_run),
        ]
        path = self._path(kind, ref, subresource)
        try:
            return self._write(
                "PATCH", path, ref.label, query, list(operations), JSON_PATCH, idempotent=dry_run
            )
        except KubeInvalid as error:
            if not error.causes and error.status == 422 and has_tests(operations):
                # The server tells no more of a patch that could not be made than that.
                raise KubeConflict(
                    "the object is not as the patch expected: nothing was changed",
                    why=error.what,
                    do="look at it again and plan anew",
                    where=error.where,
                    status=409,
                    reason="PatchTestFailed",
                ) from error
            raise

    def delete(
        self,
        ref: Ref,
        *,
        uid: str = "",
        resource_version: str = "",
        propagation: str = "Background",
        grace_seconds: int | None = None,
        dry_run: bool = False,
    ) -> None:
        """Delete it, if it still is this one. Raises KubeNotFound, KubeConflict (another object
        has the name by now), KubeError."""
        kind = self.kind(ref)
        expected = {"uid": uid, "resourceVersion": resource_version}
        options: dict[str, Any] = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "propagationPolicy": propagation,
        }
        if preconditions := {name: value for name, value in expected.items() if value}:
            options["preconditions"] = preconditions
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        if dry_run:
            options["dryRun"] = ["All"]
        path = self._path(kind, ref)
        self._write("DELETE", path, ref.label, [], options, JSON, idempotent=dry_run)

    def evict(self, namespace: str, pod: str, *, uid: str = "", dry_run: bool = False) -> None:
        """Ask a pod to go, as far as disruption budgets allow. Raises KubeBusy (``budget``),
        KubeNotFound, KubeConflict, KubeError."""
        ref = Ref(kind="Pod", namespace=namespace, name=pod)
        options: dict[str, Any] = {}
        if uid:
            options["preconditions"] = {"uid": uid}
        if dry_run:
            options["dryRun"] = ["All"]
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod, "namespace": namespace},
            "deleteOptions": options,
        }
        path = self._path(POD, ref, "eviction")
        self._write("POST", path, ref.label, dry_query(dry_run), body, JSON, idempotent=dry_run)

    def replicas(self, ref: Ref) -> int:
        """How many replicas a workload is asked to have. Raises KubeNotFound, KubeError."""
        kind = self.kind(ref)
        answer = self._ask(self._path(kind, ref, "scale"), JSON, about=ref.label)
        return replicas_of(self._object(answer, ref.label), ref)

    def scale(
        self,
        ref: Ref,
        replicas: int,
        *,
        expected: int | None = None,
        field_manager: str = MANAGER,
        dry_run: bool = False,
    ) -> int:
        """Ask a workload for so many replicas; how many it was asked for then. ``expected``: only
        if it is asked for so many now, else KubeConflict."""
        kind = self.kind(ref)
        path = self._path(kind, ref, "scale")
        query = [("fieldManager", field_manager), *dry_query(dry_run)]
        body: dict[str, Any] = {"spec": {"replicas": replicas}}
        if expected is not None:
            answer = self._ask(path, JSON, about=ref.label)
            found = self._object(answer, ref.label)
            now = replicas_of(found, ref)
            if now != expected:
                raise KubeConflict(
                    f"has {now} replicas, not {expected}",
                    do="look at it again and plan anew",
                    where=self._where(ref.label),
                )
            version = found.get("metadata", {}).get("resourceVersion")
            body["metadata"] = {"resourceVersion": version}
        # To set a number twice is the same as once, unless somebody came between.
        made = self._write(
            "PATCH", path, ref.label, query, body, MERGE_PATCH, idempotent=expected is None
        )
        return replicas_of(made, ref)

    def create_network_policy(self, policy: Mapping[str, Any]) -> dict[str, Any]:
        """A new NetworkPolicy; ``apiVersion`` and ``kind`` may be left out."""
        from haechi.world.kube.policies import NetworkPolicyManager

        return NetworkPolicyManager(self).create_network_policy(policy)

    # --- the way there ---------------------------------------------------------------------

    def pager(
        self,
        kind: Kind,
        namespace: str | None,
        label_selector: str = "",
        field_selector: str = "",
        *,
        whole: bool = False,
        limit: int = 64 << 20,
    ) -> Any:
        """What ``paging`` asks for pages. ``whole``: the contents of ConfigMaps, too."""
        path = kind.path(namespace if kind.namespaced else None)
        accept = METADATA_LIST if kind.metadata_only and not whole else JSON
        words = (("labelSelector", label_selector), ("fieldSelector", field_selector))
        fixed = tuple(pair for pair in words if pair[1])

        def ask(query: tuple[tuple[str, str], ...]) -> Page:
            big = 256 << 20 if not query else limit
            answer = self._ask(path, accept, query=(*fixed, *query), limit=big, seconds=60.0)
            return page_of(answer, self._where(path))

        return ask

    def send(self, request: Request, *, about: str = "", idempotent: bool = True) -> Answer:
        """A request by itself, repeated where that is right. Raises KubeError."""
        where = self._where(about or request.path)

        def once() -> Answer:
            answer = self.wire.send(request)
            answers.check(answer, where)
            return answer

        return self.patience.repeated(once, again=reading if idempotent else writing)

    def _ask(
        self,
        path: str,
        accept: str,
        *,
        query: tuple[tuple[str, str], ...] = (),
        about: str = "",
        limit: int = 64 << 20,
        seconds: float = 30.0,
    ) -> Answer:
        request = Request(path=path, accept=accept, query=query, limit=limit, seconds=seconds)
        return self.send(request, about=about)

    def _write(
        self,
        method: str,
        path: str,
        about: str,
        query: Sequence[tuple[str, str]],
        body: Any,
        content_type: str,
        *,
        idempotent: bool,
    ) -> dict[str, Any]:
        data = msgspec.json.encode(body)
        if len(data) > MOST_BODY:
            raise KubeInvalid("the object is larger than a cluster takes", where=about)
        request = Request(
            method=method,
            path=path,
            query=tuple(query),
            body=data,
            content_type=content_type,
        )
        answer = self.send(request, about=about, idempotent=idempotent)
        return plain(self._object(answer, about))

    def _path(self, kind: Kind, ref: Ref, subresource: str = "") -> str:
        if kind.namespaced and not ref.namespace:
            raise KubeInvalid(f"a {kind.kind} needs a namespace", where=ref.label)
        return kind.path(ref.namespace if kind.namespaced else None, ref.name, subresource)

    def _object(self, answer: Answer, about: str) -> dict[str, Any]:
        found = answers.decoded(answer, self._where(about))
        if not isinstance(found, dict):
            raise answers.not_json(self._where(about))
        return found

    def value(self, raw: msgspec.Raw, kind: Kind) -> dict[str, Any]:
        """An item of a list or a watch, whole. Raises KubeError."""
        with contextlib.suppress(msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            found = msgspec.json.decode(raw)
            if isinstance(found, dict):
                return plain(as_kind(found, kind))
        raise KubeError(f"a {kind.kind} of the list cannot be read", where=self.name)

    def _where(self, about: str) -> str:
        return f"{self.name}: {about}"
