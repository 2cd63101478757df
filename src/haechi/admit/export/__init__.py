"""Policies of any family written as ValidatingAdmissionPolicies, or as Gatekeeper's objects.

Only with the same meaning: every document is read back and compiled before it counts as exported,
and a policy that the target cannot say is named with the reason. A policy that is in the target's
format already is written as it stands, but for its rollout.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from haechi.admit.export.as_gatekeeper import as_gatekeeper
from haechi.admit.export.as_vap import as_vap
from haechi.admit.export.portable import Export, Hint, Inexpressible, Left, Part, Portable
from haechi.admit.export.stages import segments, staged
from haechi.admit.export.verbatim import companions, constraint_as_is, mutator_as_is, vap_as_is
from haechi.admit.export.writing import documents
from haechi.admit.policies import PolicySet
from haechi.admit.policy import Policy
from haechi.errors import RuleError
from haechi.model.admission import Family, PolicyInfo
from haechi.model.resource import Resource

Form = Literal["vap", "gatekeeper"]
_SEPARATE = {
    Family.ADMISSION_POLICY: "vap",
    Family.GATEKEEPER: "gatekeeper",
}
"""Families that are a target themselves."""


def exported(
    policies: PolicySet, resources: Sequence[Resource], *, form: Form, today: dt.date
) -> Export:
    """Write what can be written. ``resources`` are the documents that ``policies`` were made of."""
    walk = _Walk(policies, resources, form, today)
    for policy in policies.policies:
        walk.take(policy)
    for mutator in policies.mutators:
        walk.take_mutator(mutator.info)
    walk.take_faults()
    parts = walk.parts + (companions(resources) if form == "gatekeeper" and walk.as_is else [])
    return Export(parts=tuple(parts), hints=tuple(walk.hints), left=tuple(walk.left))


class _Walk:
    def __init__(
        self, policies: PolicySet, resources: Sequence[Resource], form: Form, today: dt.date
    ) -> None:
        self._policies, self._resources = policies, resources
        self._form, self._today = form, today
        self._names: dict[tuple[str, str], str] = {}
        self.as_is = False
        self.parts: list[Part] = []
        self.hints: list[Hint] = []
        self.left: list[Left] = []

    def take(self, policy: Policy) -> None:
        """Export one policy, or say why not."""
        try:
            if policy.info.family is Family.POD_SECURITY:
                self._hint(policy)
                return
            found = list(self._parts_of(policy))
            for part in found:
                self._check_names(part)
            self.parts += found
        except Inexpressible as reason:
            self._leave(policy.info, reason.reason, reason.do)
        except RuleError as error:
            self._leave(policy.info, error.what, error.do)

    def take_mutator(self, info: PolicyInfo) -> None:
        """What changes objects is no policy that judges."""
        if self._form == "gatekeeper":
            self.parts.append(mutator_as_is(info, self._resources))
        else:
            self._leave(info, "it changes objects; a ValidatingAdmissionPolicy only judges", "")

    def take_faults(self) -> None:
        """Documents that are no policy in force cannot be exported as one."""
        for fault in self._policies.faults:
            if fault.fatal:
                self.left.append(
                    Left(
                        policy=fault.policy or fault.object or fault.kind,
                        reason=fault.what,
                        do=fault.do,
                        file=fault.file,
                        line=fault.line,
                    )
                )

    def _parts_of(self, policy: Policy) -> Iterator[Part]:
        info, resources = policy.info, self._resources
        several = segments(self._policies, info.id, resources, self._today)
        if _SEPARATE.get(info.family) == self._form:
            self.as_is = True
            if self._form == "vap":
                yield vap_as_is(info, resources, several)
            else:
                yield constraint_as_is(info, resources, several)
            return
        write = as_vap if self._form == "vap" else as_gatekeeper
        for one in staged(_portable(policy, resources), several):
            part = write(one)
            _read_back(part, self._form)
            yield part

    def _hint(self, policy: Policy) -> None:
        from haechi.admit.export.levels import hint_of
        from haechi.admit.packs import LevelPolicy

        if isinstance(policy, LevelPolicy):
            self.hints.append(hint_of(policy))
        else:
            text = "Pod Security Admission of the cluster reads the namespaces' labels itself"
            self.hints.append(Hint(policy=policy.info.id, text=text, lines=()))

    def _check_names(self, part: Part) -> None:
        texts = {}
        for body in part.documents:
            place = (str(body["kind"]), str(body["metadata"]["name"]))
            text = documents([body])
            if self._names.get(place, text) != text:
                raise Inexpressible(f"another policy would be written as {' '.join(place)}, too")
            texts[place] = text
        self._names |= texts

    def _leave(self, info: PolicyInfo, reason: str, do: str) -> None:
        self.left.append(Left(policy=info.id, reason=reason, do=do, file=info.file, line=info.line))


def _portable(policy: Policy, resources: Sequence[Resource]) -> Portable:
    match policy.info.family:
        case Family.GATEKEEPER:
            from haechi.admit.export import from_gatekeeper

            return from_gatekeeper.portable_of(policy.info, resources)
        case Family.ADMISSION_POLICY:
            from haechi.admit.export import from_vap

            return from_vap.portable_of(policy.info, resources)
        case Family.IMAGES:
            return _of_images(policy)
        case _:
            return _of_rules(policy)


def _of_images(policy: Any) -> Portable:
    from haechi.admit.export import from_images

    return from_images.portable_of(policy)


def _of_rules(policy: Any) -> Portable:
    from haechi.admit.export import from_rules

    return from_rules.portable_of(policy)


def _read_back(part: Part, form: Form) -> None:
    """Compile what was written. Raises Inexpressible."""
    from haechi.engines.documents import Document, parse_documents
    from haechi.engines.objects import resources_of

    resources: list[Resource] = []
    for document in parse_documents(documents(part.documents).encode()):
        if not isinstance(document, Document):
            raise Inexpressible(f"what was written is no YAML: {document.message}")
        resources.extend(resources_of(document, "export"))
    if form == "vap":
        from haechi.admit import vap

        loaded = vap.load(resources)
    else:
        from haechi.admit import gatekeeper

        loaded = gatekeeper.load(resources)
    fatal = [fault for fault in loaded.faults if fault.fatal]
    if fatal:
        why = f" ({fatal[0].why})" if fatal[0].why else ""
        raise Inexpressible(f"the target does not take it: {fatal[0].what}{why}")
    if len(loaded.policies) != 1:
        raise Inexpressible("the target does not take it")
