"""Running gator's suites with the policies of this house.

Each test loads its template and constraint as ``haechi policy check`` does and asks the same
function, at the point of gator. A case is an error where the policy could not be evaluated: that
is neither a violation nor none. One thing is as in gator and not as at the door: a plain object is
judged without an operation, since nobody says which.

Suites come with policies of strangers, so the cases are judged where that can be ended: all of
them by one child, which is why what they ask is gathered before any is judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import msgspec
from msgspec import structs

from haechi.admit.apart import Job, Verdicts, jobs_apart
from haechi.admit.gatekeeper.constraint import SCHEMA
from haechi.admit.gatekeeper.expansion import Expansion, expand, read_expansions
from haechi.admit.gatekeeper.loading import Engine, Known, load_gatekeeper
from haechi.admit.gatekeeper.mutation import GatekeeperMutator
from haechi.admit.gatekeeper.names import CONSTRAINTS, TEMPLATE
from haechi.admit.gatekeeper.suites import Case, Suite, Test, unmet
from haechi.admit.gatekeeper.template import read_template
from haechi.admit.mutate import mutate
from haechi.admit.policies import PolicySet
from haechi.admit.reviews import nowhere, review_of, review_of_request
from haechi.admit.view import ObjectsView
from haechi.checks.pods.view import mapping
from haechi.engines.documents import Fault, parse_documents
from haechi.engines.objects import resources_of
from haechi.errors import HaechiError, InputError
from haechi.model.admission import PolicyVerdict
from haechi.model.keys import k8s_key
from haechi.model.resource import Resource
from haechi.model.review import Point, Review, State
from haechi.world.manifests import regular_bytes

_UNJUDGED: Final = (State.ERROR, State.NOT_EVALUATED)
_AT_ONCE: Final = 1_000
"""Cases that are held, read, until one child has judged them."""


class Outcome(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    SKIPPED = "skipped"


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one case; of a whole test where ``case`` is empty (``invalid``, errors)."""

    file: str
    line: int
    test: str
    case: str
    outcome: Outcome
    reason: str = ""
    violations: tuple[str, ...] = ()
    seconds: float = 0.0


Wanted = Callable[[str, str], bool]
"""Whether a case (of a test, both by name) is to be run."""


class _Question(msgspec.Struct, frozen=True):
    """One object that a case judges; with the expansion by which it came to be."""

    job: Job
    expansion: Expansion | None = None

    def told(self, verdicts: Verdicts) -> list[PolicyVerdict]:
        """The verdicts about the object itself: gator makes pods by expansion templates only."""
        own = [one for one in verdicts if not one.generated]
        if self.expansion is None:
            return own
        said, action = f"[Implied by {self.expansion.name}]", self.expansion.action
        return [
            structs.replace(
                one, message=f"{said} {one.message}", action=action or one.action, generated=True
            )
            for one in own
        ]


class _Asked(msgspec.Struct, frozen=True):
    """A case that waits for its verdicts. ``seconds`` is what it took to read it."""

    case: Case
    questions: tuple[_Question, ...]
    result: Callable[[Case, Sequence[PolicyVerdict], float], Result]
    seconds: float


def run_suites(suites: Iterable[Suite], *, engine: Engine, wanted: Wanted) -> Iterator[Result]:
    """Every case of the suites, in order."""
    planned = (
        one
        for suite in suites
        for templates in [_Templates()]
        for test in suite.tests
        for one in _Run(suite, test, engine, wanted, templates).planned()
    )
    while some := list(islice(planned, _AT_ONCE)):
        yield from _told_all(some)


class _Templates(msgspec.Struct):
    """Those of one suite: its tests try the same one with several constraints."""

    documents: dict[str, tuple[Resource, ...]] = msgspec.field(default_factory=dict)
    known: Known = msgspec.field(default_factory=dict)


def _told_all(planned: Sequence[Result | _Asked]) -> Iterator[Result]:
    asked = [one for one in planned if isinstance(one, _Asked)]
    answers = jobs_apart([question.job for one in asked for question in one.questions])
    for one in planned:
        if isinstance(one, Result):
            yield one
            continue
        start = perf_counter()
        verdicts = [v for question in one.questions for v in question.told(next(answers))]
        yield one.result(one.case, verdicts, one.seconds + perf_counter() - start)


class _Run:
    """One test."""

    def __init__(
        self, suite: Suite, test: Test, engine: Engine, wanted: Wanted, templates: _Templates
    ) -> None:
        self._suite = suite
        self._test = test
        self._engine = engine
        self._wanted = wanted
        self._templates = templates
        self._folder = suite.file.parent

    def planned(self) -> Iterator[Result | _Asked]:
        """What has come of each case so far: a result, or what is to be judged."""
        test = self._test
        names = [case.name for case in test.cases] or [""]
        if self._suite.skip or test.skip or not any(self._wanted(test.name, n) for n in names):
            yield from (self._result(case, Outcome.SKIPPED) for case in test.cases or (None,))
            return
        try:
            if test.invalid:
                yield self._must_be_invalid()
                return
            documents = self._documents()
            if self._engine is not Engine.ANY and not _has_code(documents[0], self._engine):
                reason = f"the template has no code for {self._engine.value}"
                yield from (self._result(one, Outcome.SKIPPED, reason) for one in test.cases)
                return
            policies, expansions, mutators = self._policies(documents)
        except HaechiError as error:
            reason = _told(error)
            yield from (self._result(c, Outcome.ERROR, reason) for c in test.cases or (None,))
            return
        if not test.cases:  # template and constraint are good: that is what was asked
            yield self._result(None, Outcome.PASSED)
        for case in test.cases:
            if case.skip or not self._wanted(test.name, case.name):
                yield self._result(case, Outcome.SKIPPED)
            else:
                yield self._asked(case, policies, expansions, mutators)

    def _policies(
        self, documents: Sequence[Resource]
    ) -> tuple[PolicySet, list[Expansion], list[GatekeeperMutator]]:
        loaded = load_gatekeeper(documents, engine=self._engine, known=self._templates.known)
        fatal = [one for one in loaded.faults if one.fatal]
        if fatal:
            raise InputError("; ".join(_at(one.file, one.line, one.what) for one in fatal))
        if not loaded.policies:
            raise InputError("the constraint is none of this template")
        extra = self._read(self._test.expansion) if self._test.expansion else ()
        expansions, faults = read_expansions(extra)
        mutating = load_gatekeeper(extra)
        faults += [one for one in mutating.faults if one.kind in ("invalid", "conflict")]
        if faults:
            raise InputError("; ".join(_at(one.file, one.line, one.what) for one in faults))
        mutators = [one for one in mutating.mutators if isinstance(one, GatekeeperMutator)]
        return PolicySet(loaded.policies), expansions, mutators

    def _must_be_invalid(self) -> Result:
        found = load_gatekeeper(self._documents(), engine=self._engine).faults
        by_schema = [one for one in found if one.kind == SCHEMA]
        if by_schema:
            return self._result(None, Outcome.PASSED)
        others = "; ".join(one.what for one in found if one.fatal)
        reason = "the template's schema takes the constraint, and the test expects it not to"
        return self._result(None, Outcome.FAILED, f"{reason}{': ' if others else ''}{others}")

    def _documents(self) -> list[Resource]:
        """The template and the constraint of a test, one of each."""
        test = self._test
        for name, value in (("template", test.template), ("constraint", test.constraint)):
            if not value:
                raise InputError(f"the test names no {name}")
        read = self._templates.documents
        if test.template not in read:
            read[test.template] = self._read(test.template)
        templates = [one for one in read[test.template] if one.kind == TEMPLATE]
        constraints = [one for one in self._read(test.constraint) if one.group == CONSTRAINTS]
        if len(templates) != 1:
            raise InputError(f"{test.template} holds {len(templates)} templates")
        if len(constraints) != 1:
            raise InputError(f"{test.constraint} holds {len(constraints)} constraints")
        return [*templates, *constraints]

    def _asked(
        self,
        case: Case,
        policies: PolicySet,
        expansions: Sequence[Expansion],
        mutators: Sequence[GatekeeperMutator],
    ) -> Result | _Asked:
        start = perf_counter()
        try:
            if not case.object:
                raise InputError("the case names no object")
            if not case.assertions:
                raise InputError("the case asserts nothing")
            questions = tuple(self._questions(case, policies, expansions, mutators))
        except HaechiError as error:
            seconds = perf_counter() - start
            return self._result(case, Outcome.ERROR, _told(error), seconds=seconds)
        return _Asked(case, questions, self._judged, perf_counter() - start)

    def _judged(self, case: Case, verdicts: Sequence[PolicyVerdict], seconds: float) -> Result:
        unjudged = [one.message for one in verdicts if one.state in _UNJUDGED]
        messages = tuple(one.message for one in verdicts if one.state is State.FAIL)
        if unjudged:
            reason = f"not judged: {'; '.join(unjudged)}"
            return self._result(case, Outcome.ERROR, reason, messages, seconds)
        missed = [reason for one in case.assertions if (reason := unmet(one, messages))]
        outcome = Outcome.FAILED if missed else Outcome.PASSED
        return self._result(case, outcome, "; ".join(missed), messages, seconds)

    def _questions(
        self,
        case: Case,
        policies: PolicySet,
        expansions: Sequence[Expansion],
        mutators: Sequence[GatekeeperMutator],
    ) -> Iterator[_Question]:
        objects = self._read(case.object)
        if len(objects) != 1:
            raise InputError(f"{case.object} holds {len(objects)} objects, a case judges one")
        view = ObjectsView(one for name in case.inventory for one in self._inventory(name))
        subject = objects[0]
        if (subject.group, subject.kind) == ("admission.k8s.io", "AdmissionReview"):
            yield _Question(Job(policies, request_review(subject, view), view))
            return
        review = review_of(subject, view, point=Point.FILE, operation="")
        yield _Question(Job(policies, review, view))
        if expansions:
            for expansion, generated in _generated(review, view, expansions, mutators):
                yield _Question(Job(policies, generated, view), expansion)

    def _inventory(self, name: str) -> Iterator[Mapping[str, Any]]:
        """The objects of a file of the inventory. ``/v1`` is the core group to gator, too."""
        resources = self._read(name)
        if not resources:
            raise InputError(f"{name} holds no object for the inventory")
        for one in resources:
            version = one.data["apiVersion"]
            yield {**one.data, "apiVersion": version.removeprefix("/")}

    def _read(self, name: str) -> tuple[Resource, ...]:
        path = self._folder / name
        try:
            data = regular_bytes(path)
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}") from error
        found: list[Resource] = []
        for document in parse_documents(data):
            if isinstance(document, Fault):
                raise InputError(f"{path}:{document.line}: {document.message}")
            objects = list(resources_of(document, path.as_posix()))
            if document.data is not None and not objects:
                what = f"{path}:{document.first_line}: no object: it has no apiVersion and kind"
                raise InputError(what)
            found += objects
        return tuple(found)

    def _result(
        self,
        case: Case | None,
        outcome: Outcome,
        reason: str = "",
        violations: tuple[str, ...] = (),
        seconds: float = 0.0,
    ) -> Result:
        return Result(
            file=self._suite.file.as_posix(),
            line=case.line if case is not None else self._test.line,
            test=self._test.name,
            case=case.name if case is not None else "",
            outcome=outcome,
            reason=reason,
            violations=violations,
            seconds=round(seconds, 6),
        )


def _has_code(template: Resource, engine: Engine) -> bool:
    """Whether a template that can be read has code for an engine; one that cannot, says so."""
    read, _ = read_template(template)
    if read is None:
        return True
    return (read.rego if engine is Engine.REGO else read.cel) is not None


def request_review(resource: Resource, view: ObjectsView) -> Review:
    """The review of an AdmissionReview in a file; what its request leaves out of the kind and
    the name is taken from its object. Raises InputError."""
    request = mapping(resource.data).get("request")
    if not isinstance(request, dict):
        raise InputError("the AdmissionReview holds no request")
    bodies = [one for name in ("object", "oldObject") if (one := mapping(request.get(name)))]
    if not bodies:
        raise InputError("the request holds neither an object nor an oldObject")
    for body in bodies:
        if not isinstance(body.get("kind"), str):
            raise InputError("an object of the request names no kind")
    if request.get("operation") == "DELETE" and not mapping(request.get("oldObject")):
        raise InputError("a DELETE shows what goes as oldObject, and there is none")
    filled = dict(request)
    if not mapping(request.get("kind")).get("kind"):
        group, _, version = str(bodies[0].get("apiVersion") or "").rpartition("/")
        filled["kind"] = {"group": group, "version": version, "kind": bodies[0]["kind"]}
    return review_of_request(filled, view, point=Point.FILE)


def _generated(
    review: Review,
    view: ObjectsView,
    expansions: Sequence[Expansion],
    mutators: Sequence[GatekeeperMutator],
) -> Iterator[tuple[Expansion, Review]]:
    base = _mutated(mutators, review, view)
    for expansion, body in expand(expansions, base):
        generated = structs.replace(
            review_of(_resource(body), view, point=Point.FILE, operation=""), generated=True
        )
        changed = _mutated(mutators, generated, view)
        if changed is not body:
            generated = structs.replace(generated, resource=_resource(changed), memo={})
        yield expansion, generated


def _mutated(mutators: Sequence[GatekeeperMutator], review: Review, view: ObjectsView) -> Any:
    result = mutate(mutators, review, view)
    if result.verdicts:
        raise InputError("; ".join(one.message for one in result.verdicts))
    return result.body


def _resource(body: dict[str, Any]) -> Resource:
    group, _, version = str(body.get("apiVersion")).rpartition("/")
    metadata = mapping(body.get("metadata"))
    kind, name = str(body.get("kind")), str(metadata.get("name") or "")
    namespace = metadata.get("namespace")
    return Resource(
        key=k8s_key(group=group, kind=kind, namespace=namespace, name=name),
        kind=kind,
        group=group,
        version=version,
        namespace=namespace,
        name=name,
        data=body,
        locate=nowhere,
    )


def _told(error: HaechiError) -> str:
    return f"{error.what}: {error.why}" if error.why else error.what


def _at(file: str, line: int, what: str) -> str:
    return f"{Path(file).name}:{line}: {what}" if file else what
