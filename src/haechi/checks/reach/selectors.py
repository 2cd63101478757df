"""Label selectors as requirements that can be compared, not only evaluated.

Isolation needs more than "does it match": whether one selector surely takes in all that another
takes in (a deny that covers an allow), and whether both can hold at once. A label set may be
known in part only (a Namespace that was not read): then matching answers None, never a guess.
Source: ``apimachinery/pkg/labels`` for the meaning of the four operators.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from haechi.checks.pods.view import items, mapping

IN, NOT_IN, EXISTS, ABSENT = "In", "NotIn", "Exists", "DoesNotExist"
NAMESPACE_NAME = "kubernetes.io/metadata.name"


class Unreadable(Exception):
    """A field has a shape that the API server would refuse or that is not known here."""


class Labels(msgspec.Struct, frozen=True, kw_only=True):
    """Labels of a pod or a namespace; ``complete`` is false when there may be more of them."""

    values: Mapping[str, str]
    complete: bool = True


class Requirement(msgspec.Struct, frozen=True, order=True):
    """One condition on one key; ``values`` are sorted and empty for Exists and DoesNotExist."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Labels) -> bool | None:
        """True, False, or None where the labels are not all known."""
        present = self.key in labels.values
        if not present and not labels.complete:
            return None
        match self.operator:
            case "In":
                return present and labels.values[self.key] in self.values
            case "NotIn":
                return not present or labels.values[self.key] not in self.values
            case "Exists":
                return present
            case _:
                return not present

    def implies(self, other: Requirement) -> bool:
        """Whether every label set that meets this one meets the other, too."""
        if self == other:
            return True
        if self.key != other.key:
            return False
        if other.operator == EXISTS:
            return self.operator == IN
        if other.operator == IN:
            return self.operator == IN and set(self.values) <= set(other.values)
        if other.operator == NOT_IN:
            if self.operator == NOT_IN:
                return set(self.values) >= set(other.values)
            return self.operator == ABSENT or (
                self.operator == IN and not set(self.values) & set(other.values)
            )
        return False

    @property
    def is_positive(self) -> bool:
        """True when taking the label away makes it fail."""
        return self.operator in (IN, EXISTS)

    def __str__(self) -> str:
        match self.operator:
            case "In" if len(self.values) == 1:
                return f"{self.key}={self.values[0]}"
            case "In":
                return f"{self.key} in ({','.join(self.values)})"
            case "NotIn":
                return f"{self.key} not in ({','.join(self.values)})"
            case "Exists":
                return self.key
            case _:
                return f"!{self.key}"


class Selector(msgspec.Struct, frozen=True):
    """All requirements must hold. None of them: everything is selected."""

    needs: tuple[Requirement, ...] = ()

    def matches(self, labels: Labels) -> bool | None:
        """True, False, or None: one failed requirement decides, whatever is not known."""
        answer: bool | None = True
        for need in self.needs:
            match need.matches(labels):
                case False:
                    return False
                case None:
                    answer = None
        return answer

    def covers(self, other: Selector) -> bool:
        """Whether all that the other selects is surely selected by this one."""
        return all(any(had.implies(need) for had in other.needs) for need in self.needs)

    def and_also(self, other: Selector) -> Selector | None:
        """What both select; None when they surely have nothing in common."""
        if not other.needs or other == self:
            return self
        merged = tuple(sorted({*self.needs, *other.needs}))
        return None if _contradict(merged) else Selector(merged)

    @property
    def is_everything(self) -> bool:
        return not self.needs

    def __str__(self) -> str:
        return ",".join(str(need) for need in self.needs)


EVERYTHING = Selector()


def equals(key: str, value: str) -> Selector:
    """The selector of one pair."""
    return Selector((Requirement(key, IN, (value,)),))


def selector_of(value: Any) -> Selector:
    """A LabelSelector; raises Unreadable for what the API server would not accept."""
    if not isinstance(value, dict):
        raise Unreadable(f"a selector is a {type(value).__name__}")
    if set(value) - {"matchLabels", "matchExpressions"}:
        raise Unreadable("a selector has unknown fields")
    return Selector(tuple(sorted({*_pairs(value), *_expressions(value)})))


def selector_of_map(value: Any) -> Selector | None:
    """The plain map of a Service or ReplicationController; None when it selects nothing."""
    wanted = mapping(value)
    if not wanted or not all(isinstance(one, str) for one in wanted.values()):
        return None
    return Selector(tuple(sorted(Requirement(k, IN, (v,)) for k, v in wanted.items())))


def _pairs(value: Mapping[str, Any]) -> Iterable[Requirement]:
    pairs = value.get("matchLabels")
    if pairs is not None and not isinstance(pairs, dict):
        raise Unreadable("matchLabels is no map")
    for key, text in mapping(pairs).items():
        if not isinstance(text, str):
            raise Unreadable(f"the value of label {key} is no text")
        yield Requirement(str(key), IN, (text,))


def _expressions(value: Mapping[str, Any]) -> Iterable[Requirement]:
    expressions = value.get("matchExpressions")
    if expressions is not None and not isinstance(expressions, list):
        raise Unreadable("matchExpressions is no list")
    for entry in items(expressions):
        wish = mapping(entry)
        key, operator, values = wish.get("key"), wish.get("operator"), items(wish.get("values"))
        if not isinstance(key, str) or not all(isinstance(one, str) for one in values):
            raise Unreadable("a match expression has no key, or a value that is no text")
        if operator in (IN, NOT_IN) and values:
            yield Requirement(key, str(operator), tuple(sorted(set(values))))
        elif operator in (EXISTS, ABSENT) and not values:
            yield Requirement(key, str(operator))
        else:
            raise Unreadable(f"operator {operator!r} with {len(values)} values")


def _contradict(needs: tuple[Requirement, ...]) -> bool:
    """Whether some key can surely not meet all of its requirements."""
    by_key: dict[str, list[Requirement]] = {}
    for need in needs:
        by_key.setdefault(need.key, []).append(need)
    return any(len(same) > 1 and _impossible(same) for same in by_key.values())


def _impossible(same: list[Requirement]) -> bool:
    positive = any(need.is_positive for need in same)
    if positive and any(need.operator == ABSENT for need in same):
        return True
    allowed: set[str] | None = None
    for need in same:
        if need.operator == IN:
            allowed = set(need.values) if allowed is None else allowed & set(need.values)
    if allowed is None:
        return False
    for need in same:
        if need.operator == NOT_IN:
            allowed -= set(need.values)
    return not allowed
