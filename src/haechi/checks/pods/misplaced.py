"""Protections that are written down and take no effect: wrong level, wrong spelling, wrong type.

Kubernetes drops unknown fields with at most a warning (kubectl since 1.25 refuses them, Helm and
controllers do not), so ``readOnlyRootFilesystem`` in the pod's securityContext or a slip such as
``runAsNonroot`` leaves the author believing in a protection that does not exist.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from haechi.checks.pods.fields import (
    ALL,
    BOOLEANS,
    CONTAINER,
    CONTAINER_WORDS,
    INNER,
    INTEGERS,
    ONLY_CONTAINER,
    ONLY_POD,
    POD,
    POD_BOOLEANS,
    POD_WORDS,
    REAL,
    RESOURCE_WORDS,
)
from haechi.checks.pods.view import TEMPLATES, mapping, pod_of
from haechi.checks.pods.words import named, quoted
from haechi.model.location import AttrPath
from haechi.model.review import Hit, Review

_STRAYS = ALL | (POD_WORDS - {"securityContext"})


def wrong_level(review: Review) -> Iterator[Hit]:
    """A known field where the API has none."""
    pod = pod_of(review)
    if not ONLY_CONTAINER.isdisjoint(pod.security):
        base = (*pod.spec_path, "securityContext")
        for key in pod.security:
            if key in ONLY_CONTAINER:
                yield Hit(f"{key} in the pod's securityContext takes no effect", (*base, key))
    if not ALL.isdisjoint(pod.spec):
        yield from _strays(pod.spec, pod.spec_path, ALL, "the pod's spec")
    for container in pod.containers:
        if not ONLY_POD.isdisjoint(container.security):
            for key in container.security:
                if key in ONLY_POD:
                    yield Hit(
                        f"{key} in the securityContext of {named(container)} takes no effect",
                        (*container.path, "securityContext", key),
                    )
        if not _STRAYS.isdisjoint(container.data):
            yield from _strays(container.data, container.path, _STRAYS, named(container))
    yield from _around_the_template(review)


def _strays(
    data: Mapping[str, Any], path: AttrPath, words: frozenset[str], where: str
) -> Iterator[Hit]:
    for key in data:
        if key in words:
            yield Hit(f"{key} directly in {where} takes no effect", (*path, key))


def _around_the_template(review: Review) -> Iterator[Hit]:
    """Pod fields beside the template instead of in its spec."""
    template = TEMPLATES.get(review.resource.type)
    if not template:
        return  # a Pod itself, or a custom resource whose own fields are not known
    data: Any = mapping(review.resource.data)
    for depth, part in enumerate(template, 1):
        data = mapping(data.get(str(part)))
        if not POD_WORDS.isdisjoint(data):
            where = "the pod template" if depth == len(template) else review.resource.kind
            instead = f"{where} instead of the pod's spec"
            yield from _strays(data, template[:depth], POD_WORDS, instead)


def misspelt(review: Review) -> Iterator[Hit]:
    """A key that is nearly, but not quite, one that protects."""
    pod = pod_of(review)
    if not pod.spec.keys() <= REAL:
        yield from _near(pod.spec, pod.spec_path, POD_WORDS, "the pod's spec")
    if not _well_spelt(pod.security, POD):
        yield from _in_context(pod.security, pod.spec_path, POD, "the pod")
    for container in pod.containers:
        if not container.data.keys() <= REAL:
            yield from _near(container.data, container.path, CONTAINER_WORDS, named(container))
        if not _well_spelt(container.security, CONTAINER):
            yield from _in_context(container.security, container.path, CONTAINER, named(container))
        resources = mapping(container.data.get("resources"))
        if not resources.keys() <= RESOURCE_WORDS:
            where = f"the resources of {named(container)}"
            yield from _unknown(resources, (*container.path, "resources"), RESOURCE_WORDS, where)


def _well_spelt(context: Mapping[str, Any], known: frozenset[str]) -> bool:
    if not context.keys() <= known:
        return False
    for key, words in INNER.items():
        if key in context and not mapping(context[key]).keys() <= words:
            return False
    return True


def _in_context(
    context: Mapping[str, Any], path: AttrPath, known: frozenset[str], who: str
) -> Iterator[Hit]:
    base = (*path, "securityContext")
    yield from _unknown(context, base, known, f"the securityContext of {who}", besides=ALL)
    for key, words in INNER.items():
        yield from _unknown(mapping(context.get(key)), (*base, key), words, f"{key} of {who}")


def _unknown(
    data: Mapping[str, Any],
    path: AttrPath,
    known: frozenset[str],
    where: str,
    besides: frozenset[str] = frozenset(),
) -> Iterator[Hit]:
    """Every key that is not known; these objects are small and their keys all well known."""
    for key in map(str, data):
        if key not in known and key not in besides:
            meant = _nearest(key, known | besides)
            hint = f", probably meant as {meant}" if meant else ""
            yield Hit(f"unknown field {quoted(key)} in {where} takes no effect{hint}", (*path, key))


def _near(
    data: Mapping[str, Any], path: AttrPath, words: frozenset[str], where: str
) -> Iterator[Hit]:
    """Keys close to a protecting one, in objects whose other keys are many and grow."""
    for key in map(str, data):
        if key in REAL:
            continue
        meant = _nearest(key, words)
        if meant:
            yield Hit(
                f"unknown field {quoted(key)} in {where} takes no effect, "
                f"probably meant as {meant}",
                (*path, key),
            )


def _nearest(key: str, words: frozenset[str]) -> str:
    """The word within two edits of the key, letter case and separators aside; or ""."""
    if len(key) > 40:
        return ""
    bare = key.lower().replace("_", "").replace("-", "")
    best, least = "", 3
    for word in sorted(words):
        if abs(len(word) - len(bare)) < least:
            # Short words are near to too many others.
            limit = min(least, 2 if len(word) < 8 else 3)
            distance = _distance(bare, word.lower(), limit)
            if distance < limit:
                best, least = word, distance
    return best


def _distance(a: str, b: str, limit: int) -> int:
    """Levenshtein distance, given up at ``limit``."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        previous, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (x != y))
        if min(row) >= limit:
            return limit
    return row[-1]


def wrong_type(review: Review) -> Iterator[Hit]:
    """A boolean or number written as text, a list written as one word: refused."""
    pod = pod_of(review)
    for key in POD_BOOLEANS:
        if key in pod.spec and isinstance(pod.spec[key], str):
            yield _refused(f"{key} of the pod", pod.spec[key], "a boolean", (*pod.spec_path, key))
    for path, value, wanted in _wrong_in(pod.security):
        place = (*pod.spec_path, "securityContext", *path)
        yield _refused(f"{'.'.join(path)} of the pod", value, wanted, place)
    for container in pod.containers:
        for path, value, wanted in _wrong_in(container.security):
            place = (*container.path, "securityContext", *path)
            yield _refused(f"{'.'.join(path)} of {named(container)}", value, wanted, place)


def _wrong_in(context: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Any, str]]:
    for key, value in context.items():
        if value is None:
            continue
        if key in BOOLEANS:
            if not isinstance(value, bool):
                yield (key,), value, "a boolean"
        elif key in INTEGERS:
            if type(value) is not int:
                yield (key,), value, "an integer"
        elif key == "capabilities" and isinstance(value, dict):
            for which in ("add", "drop"):
                names = value.get(which)
                if names is not None and not isinstance(names, list):
                    yield (key, which), names, "a list"


def _refused(what: str, value: Any, wanted: str, path: AttrPath) -> Hit:
    if isinstance(value, str) and ("$" in value or "{{" in value):
        return Hit(f"{what} is the unfilled placeholder {quoted(value)}", path)
    return Hit(f"{what} is {quoted(value)}, and the API server accepts only {wanted} there", path)
