"""Rules of the catalogue that are CEL → Portable. Those that Python judges have no expression."""

from __future__ import annotations

from haechi.admit.catalogue import RulePolicy
from haechi.admit.export.matching import kinds_of, written
from haechi.admit.export.portable import Expression, Inexpressible, Portable, Validation
from haechi.admit.match import ANY
from haechi.admit.own import Binding
from haechi.admit.plurals import plural_of
from haechi.admit.vap.matching import EXEMPT
from haechi.checks.pods.view import TEMPLATES
from haechi.rules.schema import JudgeKind


def portable_of(policy: RulePolicy) -> Portable:
    """Raises Inexpressible."""
    rule, info = policy.rule, policy.info
    if rule.judge is not JudgeKind.CEL:
        raise Inexpressible("it is judged in Python, not by an expression")
    binding = only(policy.bindings)
    pairs = [pair for matched in info.matched for pair in matched.kinds]
    wildcard = [kind[2:] for kind in rule.applies_to.kinds if kind.startswith("*/")]
    named = [(ANY, kind) for kind in wildcard] + [pair for pair in pairs if pair[0] != ANY]
    if (ANY, ANY) in pairs or not named:
        raise Inexpressible("it is about objects of every kind")
    if any(f"{group or 'core'}/{kind}" in TEMPLATES for group, kind in named):
        raise Inexpressible(
            "it is about pod templates, and counts changes of them only; that takes one"
            " expression for each kind"
        )
    exempt = [kind for group, kind in named if (group, plural_of(group, kind)) in EXEMPT]
    if exempt:
        raise Inexpressible(f"the API server asks no such policy about {', '.join(exempt)}")
    if binding.match.kinds:
        named = [pair for pair in named if binding.match.about(*pair)]
        if not named:
            raise Inexpressible("its match takes none of the kinds that the rule is about")
    return Portable(
        policy=info.id,
        name=rule.id,
        title=info.title,
        description=info.description,
        match={**written(binding.match), "kinds": kinds_of(named)},
        variables=tuple(Expression(one.name, one.expression) for one in rule.variables),
        validations=(
            Validation(
                text=rule.expression,
                message=(rule.message or rule.title).strip(),
                words=rule.message_expression,
            ),
        ),
        failure=binding.failure,
        effects=binding.effects,
    )


def only(bindings: tuple[Binding, ...]) -> Binding:
    """The one binding. Of several the strictest counts, which two policies could not say."""
    if len(bindings) > 1:
        raise Inexpressible(
            f"{len(bindings)} PolicyPacks name it, and the strictest that matches counts",
            do="leave one of them",
        )
    return bindings[0]
