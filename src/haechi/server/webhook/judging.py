"""From the bytes of an AdmissionReview to the bytes of its answer.

The one function that judges (``PolicySet.review``) and the one that decides (``decide``) are
called here as everywhere else; around them are only reading and writing. Used by evaluators; it
does no I/O.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec
from msgspec import structs

from haechi.admit.decide import decide
from haechi.admit.policies import PolicySet
from haechi.admit.policy import View
from haechi.admit.recording import Sampling, by_policy, outcome, record_of
from haechi.admit.reviews import request_fault, review_of_request
from haechi.model.admission import Decision
from haechi.model.decision_record import Outcome
from haechi.model.review import Review, State
from haechi.server.webhook.answers import API_VERSION, KIND, response_of
from haechi.server.webhook.frames import ENCODE, Cell, Notes, Result, Route
from haechi.server.webhook.mutating import mutated
from haechi.server.webhook.partial import POD_REQUEST, Document, Partial
from haechi.server.webhook.selection import Selection
from haechi.server.webhook.waiving import Waiving


class Watch(Protocol):
    """Who is told what comes next: a cell, or nobody."""

    def write(self, review: int, policy: int) -> None:
        """Review and policy, or what else is being done."""

    def watcher(self, review: int, numbers: Sequence[int]) -> Callable[[int], None]:
        """For a list of policies: a function that takes the index of the one at work."""


class Answer(msgspec.Struct, frozen=True):
    """What came of a review: a response, or why there is none."""

    result: Result
    response: bytes
    notes: bytes = b""


_decode = msgspec.json.Decoder(Document).decode
_ALLOWED = Outcome.ALLOWED
_MALFORMED = "no AdmissionReview of admission.k8s.io/v1 with a request that has a uid"


class Judge:
    """Judges by one set of policies. ``records``: describe decisions, as ``sampling`` wants."""

    def __init__(
        self,
        policies: PolicySet,
        view: View,
        *,
        cluster: str = "",
        sampling: Sampling | None = None,
        bodies: bool = True,
        waiving: Waiving | None = None,
    ) -> None:
        self.policies = policies
        self.waiving = waiving or Waiving()
        self._view = view
        self._cluster = cluster
        self._selection = Selection(policies)
        self._partial = {
            closed: Partial.of(self._selection.of(POD_REQUEST, closed=closed).policies)
            for closed in (True, False)
        }
        self._sampling = sampling
        self._bodies = bodies
        self._numbers = {policy.info.id: n for n, policy in enumerate(policies.policies)}

    def answer(
        self,
        route: Route,
        body: bytes | memoryview,
        off: Mapping[str, str],
        watch: Watch,
        number: int = 0,
    ) -> Answer:
        """Judge a review. ``watch`` is told the number of each policy (of the whole set; those
        of mutations follow) before it works. ``number``: the review's."""
        watch.write(number, Cell.READING)
        partial = None if route.mutating else self._partial[route.closed]
        document = None if partial is None else partial.read(body)
        whole = document is None
        try:
            if document is None:
                document = _decode(body)
        except RecursionError:
            why = "the review is nested too deeply"
            return Answer(Result.UNREADABLE, why.encode())
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return Answer(Result.MALFORMED, f"{_MALFORMED}: {error}".encode()[:500])
        request = document.request
        uid = request.get("uid") if request is not None else None
        if (
            document.apiVersion != API_VERSION
            or document.kind != KIND
            or request is None
            or not isinstance(uid, str)
            or not uid
        ):
            return Answer(Result.MALFORMED, _MALFORMED.encode())
        if fault := request_fault(request):
            return Answer(Result.MALFORMED, f"the request of the AdmissionReview: {fault}".encode())
        try:
            return self._judged(
                route, request, uid, off, watch, number, body=None if whole else body
            )
        except RecursionError:
            return Answer(Result.UNREADABLE, b"the object is nested too deeply")

    def _judged(
        self,
        route: Route,
        request: dict[str, Any],
        uid: str,
        off: Mapping[str, str],
        watch: Watch,
        number: int,
        *,
        body: bytes | memoryview | None,
    ) -> Answer:
        review = review_of_request(request, self._view, cluster=self._cluster)
        if route.mutating:
            decision = self._changed(route, review, off, watch, number)
        else:
            decision = self._checked(route, request, review, off, watch, number)
        watch.write(number, Cell.ANSWERING)
        notes = self._notes(route, review, decision, body)
        # What was derived points back at the review: a circle would keep all of it for long.
        review.memo.clear()
        return Answer(Result.JUDGED, response_of(uid, decision), notes)

    def _checked(
        self,
        route: Route,
        request: Mapping[str, Any],
        review: Review,
        off: Mapping[str, str],
        watch: Watch,
        number: int,
    ) -> Decision:
        chosen = self._selection.of(request, closed=route.closed)
        numbers = chosen.numbers
        verdicts = chosen.policies.review(
            review,
            self._view,
            watch=watch.watcher(number, numbers),
            off=self._off(numbers, off) if off else None,
        )
        return decide(
            verdicts, review, generation=self.policies.generation, waive=self.waiving.today()
        )

    def _changed(
        self,
        route: Route,
        review: Review,
        off: Mapping[str, str],
        watch: Watch,
        number: int,
    ) -> Decision:
        first = len(self.policies.policies)
        changed = mutated(
            self.policies.mutators,
            review,
            self._view,
            closed=route.closed,
            off=off,
            watch=watch.watcher(number, range(first, first + len(self.policies.mutators))),
        )
        return decide(
            changed.verdicts,
            review,
            generation=self.policies.generation,
            patches=[dict(one) for one in changed.patches],
            waive=self.waiving.today(),
        )

    def _off(self, numbers: tuple[int, ...], off: Mapping[str, str]) -> dict[int, str]:
        wanted = {self._numbers[id_]: why for id_, why in off.items() if id_ in self._numbers}
        return {at: wanted[number] for at, number in enumerate(numbers) if number in wanted}

    def _whole(self, review: Review, body: bytes | memoryview) -> Review:
        """A review that was read in part, with all of its objects."""
        request = _decode(body).request or {}
        made = review_of_request(request, self._view, cluster=self._cluster)
        return structs.replace(review, resource=made.resource, old=made.old)

    def _notes(
        self,
        route: Route,
        review: Review,
        decision: Decision,
        body: bytes | memoryview | None,
    ) -> bytes:
        """What the front is told. ``body``: what the review was read from in part."""
        said = [one for one in decision.verdicts if one.state is not State.PASS]
        words = by_policy(structs.replace(decision, verdicts=said)) if said else {}
        came = outcome(decision) if said else _ALLOWED
        record = b""
        if self._sampling is not None:
            now = time.time_ns()
            if self._sampling.wants(came, review, now):
                record = ENCODE(
                    record_of(
                        decision,
                        review if body is None else self._whole(review, body),
                        at_ns=now,
                        duration_us=0,
                        keep_review=self._bodies,
                        mutating=route.mutating,
                    )
                )
        resource = review.resource
        return ENCODE(
            Notes(
                kind=resource.kind,
                namespace=resource.namespace or "",
                outcome=came.value,
                words=[(policy, one.value) for policy, one in words.items()],
                record=record,
            )
        )
