"""ImagePolicy → CEL.

References are first written out in full (registry in small letters, Docker's defaults filled in),
so that every question is one RE2 expression over ``registry/repository[:tag][@digest]``. The tests
hold these to the native comparison over random references. Several images that fail for the same
reason are told in one message, as a validation has one.
"""

from __future__ import annotations

import re

from haechi.admit.export.literals import text
from haechi.admit.export.matching import kinds_of, written
from haechi.admit.export.portable import Expression, Inexpressible, Portable, Validation
from haechi.admit.images import ImagePolicy, Place, Wanted
from haechi.admit.match import ANY
from haechi.engines.image_ref import DEFAULT_REGISTRY

_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_REGISTRY = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:]+\])(?::[0-9]+)?"
_COMPONENT = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REPOSITORY = f"{_COMPONENT}(?:/{_COMPONENT})*"
_TAG = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_ALGORITHM = "[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*"
_HEAD = f"^{_REGISTRY}/{_REPOSITORY}(?::{_TAG})?"
_HUBS = r"(?i:docker\.io|index\.docker\.io|registry-1\.docker\.io|hub\.docker\.com)"
_LONGEST = 2048
_SHOWN = 5


def _matches(subject: str, pattern: str) -> str:
    return f"{subject}.matches({text(pattern)})"


FULL = (
    '!t.contains("/") ? "docker.io/library/" + t'
    f" : {_matches('t', f'^{_HUBS}/[^/]*$')}"
    ' ? "docker.io/library/" + t.substring(t.indexOf("/") + 1)'
    f' : {_matches("t", f"^{_HUBS}/")} ? "docker.io" + t.substring(t.indexOf("/"))'
    f" : {_matches('t', '^(?:localhost/|[^/]*[.:A-Z])')}"
    ' ? t.substring(0, t.indexOf("/")).lowerAscii() + t.substring(t.indexOf("/"))'
    ' : "docker.io/" + t'
)
"""A reference ``t`` in full."""
VALID = (
    f"({_matches('r', f'{_HEAD}(?:@sha256:[0-9a-f]{{64}})?$')}"
    f' || !r.contains("@sha256:") && {_matches("r", f"{_HEAD}@{_ALGORITHM}:[0-9a-fA-F]{{32,}}$")})'
    f" && {_matches('r', '^[^/]+/[^:@]{1,255}(?:[:@]|$)')}"
)
"""Whether a runtime takes the full reference ``r``."""
PINNED = 'r.contains("@")'
NAME = _matches("r", "x").replace("matches", "find").replace('"x"', text("^[^/]+/[^:@]+"))
"""Registry and repository of the full reference ``r``."""


def portable_of(policy: ImagePolicy) -> Portable:
    """Raises Inexpressible."""
    if policy.trust is not None:
        raise Inexpressible("it asks whether images are signed, which no expression can")
    match = written(policy.binding.match)
    if policy.binding.match.kinds and not policy.binding.match.about("", "Pod"):
        raise Inexpressible("its match takes no pods, so it judges nothing")
    match["kinds"] = kinds_of([("", "Pod")])
    info = policy.info
    return Portable(
        policy=info.id,
        name=f"images-{info.name}",
        title=info.title,
        description=info.description,
        match=match,
        subresources=("ephemeralcontainers", "resize"),
        variables=_variables(),
        validations=tuple(_validations(policy.wanted)),
        failure=policy.binding.failure,
        effects=policy.binding.effects,
        notes=("several images that fail for one reason are told in one message",),
    )


def _variables() -> tuple[Expression, ...]:
    return (
        Expression("before", f"oldObject == null ? [] : {_images('oldObject', bare=True)}"),
        Expression(
            "images",
            f"({_images('object')}).filter(i, !(i.image in variables.before))",
        ),
        Expression(
            "refs",
            'variables.images.map(i, {"who": i.who, "image": i.image, "full":'
            f" [i.image.trim()].map(s, size(s) > {_LONGEST} ? s.substring(0, {_LONGEST}) : s)"
            f".map(t, {FULL})[0]}})",
        ),
        Expression("valid", f"variables.refs.filter(i, {_on_ref(VALID)})"),
    )


def _on_ref(test: str) -> str:
    """A test of ``r`` over an entry ``i`` of the list."""
    return f"[i.full].all(r, {test})"


def _images(body: str, *, bare: bool = False) -> str:
    parts = []
    for role in ("initContainers", "containers", "ephemeralContainers"):
        several = f"{body}.?spec.?{role}.orValue([])"
        found = 'c.?image.orValue("")'
        who = '"container " + c.?name.orValue("None")'
        parts.append(f'{several}.filter(c, {found} != "").map(c, {_entry(found, who, bare)})')
    found = 'v.?image.?reference.orValue("")'
    who = '"volume " + v.?name.orValue("None")'
    several = f"{body}.?spec.?volumes.orValue([])"
    parts.append(f'{several}.filter(v, {found} != "").map(v, {_entry(found, who, bare)})')
    return " + ".join(parts)


def _entry(found: str, who: str, bare: bool) -> str:
    return f"string({found})" if bare else f'{{"image": string({found}), "who": {who}}}'


def _validations(wanted: Wanted) -> list[Validation]:
    shown = "(size(i.image) > 200 ? i.image.substring(0, 200) : i.image)"
    found = [
        Validation(
            text="size(variables.valid) == size(variables.refs)",
            words=_told(
                f"variables.refs.filter(i, !{_on_ref(VALID)})",
                f'{shown} + " is no image reference"',
            ),
        )
    ]
    if wanted.allow is not None:
        allowed = " || ".join(place_test(place) for place in wanted.allow) or "false"
        said = f"is none of the places that images may come from ({_places(wanted)})"
        found.append(_bad(f"!{_on_ref(allowed)}", f"{NAME} + {text(' ' + said)}"))
    if wanted.digest:
        said = " is not pinned by digest: what its tag means may change"
        found.append(_bad(f"!{_on_ref(PINNED)}", f"{_short()} + {text(said)}"))
    if wanted.tags:
        found.append(_bad(_on_ref(tag_test(wanted)), _said_of_tag()))
    return found


def _bad(which: str, words: str) -> Validation:
    one = f"[i.full].map(r, {words})[0]"
    return Validation(
        text=f"!variables.valid.exists(i, {which})",
        words=_told(f"variables.valid.filter(i, {which})", one),
    )


def _told(entries: str, words: str) -> str:
    return f'{entries}.map(i, i.who + ": " + {words}).join("; ")'


def place_test(place: Place) -> str:
    """Whether a full reference lies at a place, or beneath."""
    registry = "[^/]+" if place.registry == ANY else re.escape(place.registry)
    parts = "".join("/[^/:@]+" if part == ANY else f"/{re.escape(part)}" for part in place.parts)
    return _matches("r", f"^{registry}{parts}(?:[/:@]|$)")


def tag_test(wanted: Wanted) -> str:
    """Whether a full reference has a tag that may not be, and no digest that says more."""
    tags = "|".join(re.escape(tag) for tag in sorted(wanted.tags))
    nothing = "|$" if "latest" in wanted.tags else ""
    return _matches("r", f"^[^@]*/[^/:@]+(?::(?:{tags})$" + nothing + ")")


def _short() -> str:
    """As people write it: Docker Hub's own prefixes left away."""
    hub = f"{DEFAULT_REGISTRY}/"
    whole = 'r.find("^[^@]*")'
    return (
        f'(r.startsWith("{hub}library/") ? {whole}.substring({len(hub) + 8})'
        f' : r.startsWith("{hub}") ? {whole}.substring({len(hub)}) : {whole})'
    )


def _said_of_tag() -> str:
    tag = 'r.find(":[^/:]*$")'
    return (
        f'{_short()} + ({tag} == "" ? " has no tag, which means latest"'
        f' : " has the tag " + {tag}.substring(1)) + ", which may not be used"'
    )


def _places(wanted: Wanted) -> str:
    names = [place.text for place in wanted.allow or ()]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
