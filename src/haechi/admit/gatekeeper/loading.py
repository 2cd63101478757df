"""Documents → constraints at work, and everything that protects nothing by its name.

Code is compiled once for each template that some constraint uses.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from haechi.admit.gatekeeper import strays
from haechi.admit.gatekeeper.cel_code import CelCode, compile_cel
from haechi.admit.gatekeeper.cel_fields import field_faults
from haechi.admit.gatekeeper.constraint import Constraint, read_constraint
from haechi.admit.gatekeeper.exclusions import Exclusions, read_exclusions
from haechi.admit.gatekeeper.names import CONSTRAINTS, TEMPLATE, TEMPLATES, fault
from haechi.admit.gatekeeper.policy import ConstraintPolicy
from haechi.admit.gatekeeper.rego_code import RegoCode, compile_rego
from haechi.admit.gatekeeper.sync import not_synced, synced_kinds
from haechi.admit.gatekeeper.template import Template, read_template
from haechi.admit.match import Match
from haechi.admit.policy import Loaded, Mutator, Policy
from haechi.model.admission import PolicyFault
from haechi.model.resource import Resource


class Engine(StrEnum):
    """Which code of a template is used. ``ANY``: CEL where there is some, else Rego."""

    ANY = "any"
    REGO = "rego"
    CEL = "cel"


Made = RegoCode | CelCode | PolicyFault
Known = dict[int, tuple[Resource, Made]]
"""What was made of a template, by the ``id`` of its document, which is held for that."""


def load_gatekeeper(
    resources: Sequence[Resource], *, engine: Engine = Engine.ANY, known: Known | None = None
) -> Loaded:
    """Everything of Gatekeeper among the documents. ``known`` spares whoever loads the same
    document of a template again, for the same engine, its compilation."""
    exclusions, faults = read_exclusions(resources)
    loading = _Loading(resources, engine, exclusions, faults, {} if known is None else known)
    loading.templates()
    loading.constraints()
    loading.others()
    return Loaded(tuple(loading.policies), tuple(loading.mutators), tuple(loading.faults))


class _Loading:
    """One pass over the documents."""

    def __init__(
        self,
        resources: Sequence[Resource],
        engine: Engine,
        exclusions: Exclusions,
        faults: list[PolicyFault],
        known: Known,
    ) -> None:
        self._resources = resources
        self._engine = engine
        self._known = known
        self._exclusions = exclusions
        self._templates: dict[str, Template] = {}
        self._broken: set[str] = set()
        self._used: set[str] = set()
        self._codes: dict[str, RegoCode | CelCode | None] = {}
        self._matches: dict[str, list[Match]] = {}
        self.policies: list[Policy] = []
        self.mutators: list[Mutator] = []
        self.faults = faults

    def templates(self) -> None:
        for resource in self._resources:
            if (resource.group, resource.kind) != (TEMPLATES, TEMPLATE):
                continue
            template, faults = read_template(resource)
            self.faults.extend(faults)
            if template is None:
                self._broken.add(resource.name)
            elif template.kind in self._templates:
                self.faults.append(_second(template, self._templates[template.kind]))
            else:
                self._templates[template.kind] = template

    def constraints(self) -> None:
        for resource in self._resources:
            if resource.group != CONSTRAINTS:
                continue
            template = self._templates.get(resource.kind)
            if template is None:
                is_broken = resource.kind.lower() in self._broken
                self.faults.append(strays.without_template(resource, is_broken=is_broken))
                self._used.add(resource.kind)
                continue
            self._used.add(template.kind)
            constraint, faults = read_constraint(resource, template)
            self.faults.extend(faults)
            if constraint is not None:
                self._put_to_work(constraint)

    def others(self) -> None:
        from haechi.admit.gatekeeper.mutation import read_mutators

        kinds = frozenset(self._templates)
        self.faults.extend(strays.of_wrong_group(self._resources, kinds))
        self.faults.extend(strays.providers(self._resources))
        unused = [one for kind, one in self._templates.items() if kind not in self._used]
        self.faults.extend(strays.without_constraint(one.resource, one.kind) for one in unused)
        synced = synced_kinds(self._resources)
        for kind, code in self._codes.items():
            if isinstance(code, RegoCode) and code.uses.inventory:
                self.faults.extend(not_synced(self._templates[kind], code.uses.reads, synced))
            elif isinstance(code, CelCode):
                matches = self._matches[kind]
                self.faults.extend(field_faults(self._templates[kind], code.written, matches))
        mutators, faults = read_mutators(self._resources, self._exclusions)
        self.mutators.extend(mutators)
        self.faults.extend(faults)

    def _put_to_work(self, constraint: Constraint) -> None:
        template = constraint.template
        if template.kind not in self._codes:
            self._codes[template.kind] = self._compiled(template)
        self._matches.setdefault(template.kind, []).append(constraint.match)
        code = self._codes[template.kind]
        if code is None:
            self.faults.append(strays.without_template(constraint.resource, is_broken=True))
        else:
            self.policies.append(ConstraintPolicy(constraint, code, self._exclusions))

    def _compiled(self, template: Template) -> RegoCode | CelCode | None:
        document = template.resource
        if id(document) not in self._known:
            self._known[id(document)] = (document, self._made(template))
        _, made = self._known[id(document)]
        if isinstance(made, PolicyFault):
            self.faults.append(made)
            return None
        return made

    def _made(self, template: Template) -> Made:
        by_cel = template.cel is not None and (
            self._engine is not Engine.REGO or template.rego is None
        )
        if by_cel:
            return compile_cel(template)
        if self._engine is Engine.CEL:
            what = f"{template.resource.label} has no code for K8sNativeValidation"
            return fault("unsupported", what, template.resource)
        return compile_rego(template)


def _second(template: Template, first: Template) -> PolicyFault:
    where = first.resource
    return fault(
        "duplicate",
        f"{template.resource.label} is there twice: the other one counts"
        f" ({where.file or where.key})",
        template.resource,
        ("metadata", "name"),
        why="a weaker template of the same kind would hide a stricter one",
        do="delete one of them",
    )
