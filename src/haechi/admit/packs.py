"""Packs: policies that come with haechi, chosen by name.

A pack is a data file (``rules/data/packs``): levels of the Pod Security Standards, namespace
labels, and rules of the catalogue, each with what to do about it and why it belongs there. A
``PolicyPack`` document puts one in force with a match, another action, exceptions; ``--pack`` does
without any of that. Several that name the same rule make one policy of it, and the strictest that
matches an object counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Literal

import msgspec
from msgspec import structs

from haechi.admit.catalogue import RulePolicy
from haechi.admit.own import (
    ACTIONS,
    Binding,
    OwnDocument,
    all_effects,
    any_failure,
    ordered,
    own_documents,
    strictest,
)
from haechi.admit.pod_security import NamespaceLabels, Standard
from haechi.admit.pod_security.pods import LOOKS, MATCHED, counts, failures, passed, results
from haechi.admit.policy import Loaded, Policy, View
from haechi.checks.pod_security import CHECKS, LATEST, Level
from haechi.errors import NotEvaluated, RuleError, UsageError
from haechi.model.admission import Family, PolicyFault, PolicyInfo, PolicyVerdict
from haechi.model.resource import Resource
from haechi.model.review import Review, State
from haechi.rules.compiled import DATA, compiled
from haechi.rules.schema import Struct

KIND = "PolicyPack"
_FIELDS = frozenset({"pack", "action", "failurePolicy", "match", "except"})
_CHECKS = frozenset(check.id for check in CHECKS)
Action = Literal["deny", "warn", "audit"]


class Words(Struct, frozen=True, kw_only=True):
    """Words in another language."""

    title: str = ""
    why: str


class Asked(Struct, frozen=True, kw_only=True):
    """One level of the Pod Security Standards."""

    level: Level
    version: str = LATEST
    action: Action


class Entry(Struct, frozen=True, kw_only=True):
    """One rule of the catalogue. ``why`` says why it belongs into the pack, where the rule's own
    words do not; ``reads`` names kinds of other objects (``core/LimitRange``) that it needs."""

    id: str
    action: Action
    why: str = ""
    ko: Words | None = None
    reads: tuple[str, ...] = ()


class Pack(Struct, frozen=True, kw_only=True):
    """One data file."""

    id: str
    title: str
    why: str
    ko: Words
    standards: tuple[Asked, ...] = ()
    labels: bool = False
    """Whether it is the policy of namespace labels, which say for themselves what is done."""
    rules: tuple[Entry, ...] = ()

    @property
    def parts(self) -> frozenset[str]:
        """What ``except`` may name."""
        checks = _CHECKS if self.standards else frozenset[str]()
        return frozenset(entry.id for entry in self.rules) | checks


class _Packs(Struct, frozen=True, kw_only=True):
    packs: list[Pack]


class _Use(msgspec.Struct, frozen=True, kw_only=True):
    """A pack in force: ``binding`` with its own actions where ``action`` is empty."""

    pack: Pack
    binding: Binding
    action: str = ""

    def bound(self, action: str) -> Binding:
        return structs.replace(self.binding, action=self.action or action)


@lru_cache(maxsize=1)
def all_packs() -> Mapping[str, Pack]:
    """The built-in packs by name. Raises RuleError when one is wrong, which a test prevents."""
    files = sorted((DATA / "packs").glob("*.yaml"))

    def build() -> _Packs:
        from haechi.engines.documents import Document, parse_documents

        found: list[Pack] = []
        for path in files:
            for document in parse_documents(path.read_bytes()):
                if not isinstance(document, Document):
                    raise RuleError(f"{path.name}: {document.message}")
                try:
                    found.append(msgspec.convert(document.data, Pack))
                except msgspec.ValidationError as error:
                    raise RuleError(f"{path.name}: {error}") from error
        return _Packs(packs=found)

    return {pack.id: pack for pack in compiled("packs", files, _Packs, build).packs}


def load(resources: Sequence[Resource], names: Iterable[str] = ()) -> Loaded:
    """All PolicyPacks among the documents, and the packs of these names. Raises UsageError."""
    faults: list[PolicyFault] = []
    uses = [_as_it_is(name) for name in dict.fromkeys(names)]
    for resource in own_documents(resources, KIND, faults):
        document = OwnDocument(resource, _FIELDS)
        use = _read(document)
        faults.extend(document.faults)
        if use is not None and not any(fault.fatal for fault in document.faults):
            uses.append(use)
    return Loaded(policies=tuple(_policies(uses)), faults=tuple(faults))


def built_in(names: Iterable[str]) -> Loaded:
    """Packs by their names, as they are. Raises UsageError."""
    return load((), names)


def _as_it_is(name: str) -> _Use:
    return _Use(pack=_known(name), binding=Binding(action="deny"))


def _known(name: str) -> Pack:
    pack = all_packs().get(name)
    if pack is None:
        raise UsageError(f"there is no pack {name!r}", do=f"packs: {', '.join(all_packs())}")
    return pack


def _read(document: OwnDocument) -> _Use | None:
    binding = document.binding()
    excepted = document.texts("except")
    name = document.spec.get("pack")
    pack = all_packs().get(name) if isinstance(name, str) else None
    if pack is None:
        document.fault(("spec", "pack"), "must name a pack", do=", ".join(all_packs()))
        return None
    for index, part in enumerate(excepted):
        if part not in pack.parts:
            why = f"pack {pack.id} has nothing of the name {part[:100]}"
            document.fault(("spec", "except", index), why, do="name a rule or check of the pack")
    if pack.labels:
        _without_effect(document)
    action = document.spec.get("action")
    return _Use(
        pack=pack,
        binding=structs.replace(binding, excepted=frozenset(excepted)),
        action=action if isinstance(action, str) and action in ACTIONS else "",
    )


def _without_effect(document: OwnDocument) -> None:
    """What each namespace says for itself nobody else can say."""
    for field in ("action", "match"):
        if document.spec.get(field):
            why = "has no effect: the labels of each namespace say what is done in it"
            document.fault(("spec", field), why, do="delete it", fatal=False)


def _policies(uses: Sequence[_Use]) -> list[Policy]:
    found: list[Policy] = []
    labels = [use for use in uses if use.pack.labels]
    if labels:
        found.append(NamespaceLabels(failure=any_failure([use.binding for use in labels])))
    found += _standards(uses)
    found += _rules(uses)
    return found


# --- levels -------------------------------------------------------------------------------------


class LevelPolicy:
    """A level of the standards for everything that a binding takes, whatever namespaces say."""

    looks = LOOKS

    def __init__(self, standard: Standard, bindings: Iterable[Binding], pack: Pack) -> None:
        self.standard = standard
        self.bindings = ordered(bindings)
        name = str(standard).removesuffix(f":{LATEST}")
        first = self.bindings[0]
        self.info = PolicyInfo(
            id=f"{Family.POD_SECURITY.value}/{name}",
            family=Family.POD_SECURITY,
            name=name,
            title=pack.title,
            description=" ".join(pack.why.split()),
            fix="change the fields that the message names",
            severity="high" if standard.level is Level.BASELINE else "medium",
            file=first.file,
            line=first.line,
            effects=all_effects(self.bindings),
            failure=any_failure(self.bindings),
            matched=MATCHED,
        )

    def judge(self, review: Review, view: View) -> Sequence[PolicyVerdict]:
        """Verdicts about a pod."""
        if not counts(review):
            return ()
        if strictest(self.bindings, review, view) is None:
            return ()
        found: list[PolicyVerdict] = []
        for result in results(review, self.standard.level, self.standard.version):
            try:
                binding = None if result.allowed else self._about(result.check, review, view)
            except NotEvaluated as reason:
                unknown = structs.replace(passed(self.info), state=State.NOT_EVALUATED)
                found.append(structs.replace(unknown, rule=result.check, message=str(reason)))
                continue
            if binding is not None:
                found += failures(
                    self.info,
                    (result,),
                    standard=str(self.standard),
                    effects=binding.effects,
                    action=binding.action,
                    generated=review.generated,
                )
        return found or (passed(self.info),)

    def _about(self, check: str, review: Review, view: View) -> Binding | None:
        """The strictest binding that asks for a check: what one leaves out another may want."""
        wanted = [binding for binding in self.bindings if check not in binding.excepted]
        return strictest(wanted, review, view)


def _standards(uses: Sequence[_Use]) -> Iterable[LevelPolicy]:
    bound: dict[Standard, list[Binding]] = {}
    packs: dict[Standard, Pack] = {}
    for use in uses:
        for asked in use.pack.standards:
            standard = Standard(asked.level, asked.version)
            packs.setdefault(standard, use.pack)
            bound.setdefault(standard, []).append(use.bound(asked.action))
    return [LevelPolicy(standard, found, packs[standard]) for standard, found in bound.items()]


# --- rules --------------------------------------------------------------------------------------


def _rules(uses: Sequence[_Use]) -> Iterable[RulePolicy]:
    bound: dict[str, list[Binding]] = {}
    entries: dict[str, Entry] = {}
    for use in uses:
        for entry in use.pack.rules:
            if entry.id not in use.binding.excepted:
                entries.setdefault(entry.id, entry)
                bound.setdefault(entry.id, []).append(use.bound(entry.action))
    if not bound:
        return []
    from haechi.engines.cel import CelEngine
    from haechi.rules.catalogue import load_catalogue

    catalogue = load_catalogue()
    engine = CelEngine(catalogue.cel)
    return [
        RulePolicy(
            catalogue.by_id[id_],
            engine,
            bindings,
            reads=entries[id_].reads,
            why=entries[id_].why,
        )
        for id_, bindings in bound.items()
    ]
