"""ImagePolicy: where images may come from, and that what was tested is what runs.

References are taken apart before anything is compared: ``ghcr.io/team`` allows what lies under it
component by component, and says nothing about ``ghcr.io/team-evil``. An entry reads as a reference
does: ``nginx`` is ``docker.io/library/nginx``, another port is another registry, ``*`` stands for
one whole component. No registry is asked; what somebody who did knows comes in by ``ImageTrust``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from haechi.admit.own import Binding, OwnDocument, own_documents
from haechi.admit.pod_security.pods import IGNORED, MATCHED, POD
from haechi.admit.policy import Loaded, View
from haechi.checks.pods.view import items, mapping
from haechi.engines.image_ref import DEFAULT_REGISTRY, ImageRef, parse_image
from haechi.model.admission import Family, PolicyFault, PolicyInfo, PolicyVerdict
from haechi.model.image_trust import ImageTrust
from haechi.model.location import AttrPath
from haechi.model.resource import Resource
from haechi.model.review import Review, State

KIND = "ImagePolicy"
_FIELDS = frozenset({"match", "action", "failurePolicy", "allow", "requireDigest", "denyTags"})
_ROLES = ("initContainers", "containers", "ephemeralContainers")
_ANY = "*"
_SHOWN = 5


class Place(msgspec.Struct, frozen=True):
    """Leading components of a name: the registry, then those of the repository."""

    registry: str
    parts: tuple[str, ...]
    text: str

    def holds(self, ref: ImageRef) -> bool:
        """Whether an image lies here or beneath."""
        if self.registry not in (_ANY, ref.registry):
            return False
        parts = ref.repository.split("/")
        return len(parts) >= len(self.parts) and all(
            mine in (_ANY, theirs) for mine, theirs in zip(self.parts, parts, strict=False)
        )


class Image(msgspec.Struct, frozen=True):
    """A reference in a pod: where, and whose."""

    text: Any
    path: AttrPath
    who: str


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy asks of an image."""

    allow: tuple[Place, ...] | None
    digest: bool
    tags: frozenset[str]


class ImagePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """One document."""

    info: PolicyInfo
    binding: Binding
    wanted: Wanted
    trust: ImageTrust | None = None

    def judge(self, review: Review, view: View) -> Sequence[PolicyVerdict]:
        """Verdicts about the images of a pod. Of an update only images that are new count: what
        runs already is not undone by refusing a label."""
        if not _counts(review) or not self.binding.match.matches(review, view):
            return ()
        known = {image.text for image in images_of(review.old or {})}
        found = [
            verdict
            for image in images_of(review.resource.data)
            if image.text not in known
            for verdict in self._judged(image)
        ]
        return found or (self._verdict(State.PASS),)

    def _judged(self, image: Image) -> Iterator[PolicyVerdict]:
        ref = parse_image(image.text) if isinstance(image.text, str) else None
        if ref is None or not ref.valid:
            shown = str(image.text)[:200] if ref is not None else "a value that is no text"
            yield self._verdict(State.FAIL, image, "reference", f"{shown} is no image reference")
            return
        wanted = self.wanted
        if wanted.allow is not None and not any(place.holds(ref) for place in wanted.allow):
            text = f"{ref.name} is none of the places that images may come from ({self._places()})"
            yield self._verdict(State.FAIL, image, "allow", text)
        if ref.mutable and wanted.digest:
            text = f"{ref} is not pinned by digest: what its tag means may change"
            yield self._verdict(State.FAIL, image, "digest", text)
        tag = ref.tag or "latest"
        if ref.mutable and tag in wanted.tags:
            said = f"has the tag {tag}" if ref.tag else f"has no tag, which means {tag}"
            yield self._verdict(State.FAIL, image, "tag", f"{ref} {said}, which may not be used")
        yield from self._trusted(image, ref)

    def _trusted(self, image: Image, ref: ImageRef) -> Iterator[PolicyVerdict]:
        """What those say who looked; nothing when nobody did."""
        said = self.trust.verdict(_full(ref)) if self.trust is not None else None
        if said is None or said.state is State.PASS:
            return
        evidence = {
            "digest": said.digest,
            "signatures": list(said.signatures),
            "provenance": list(said.provenance),
            "vulnerabilities": dict(said.vulnerabilities),
            "at": said.at.isoformat() if said.at else "",
        }
        yield self._verdict(said.state, image, "trust", said.message, evidence)

    def _places(self) -> str:
        texts = [place.text for place in self.wanted.allow or ()]
        more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
        return ", ".join(texts[:_SHOWN]) + more

    def _verdict(
        self,
        state: State,
        image: Image | None = None,
        rule: str = "",
        message: str = "",
        evidence: Mapping[str, Any] | None = None,
    ) -> PolicyVerdict:
        who = f"{image.who}: " if image else ""
        found: dict[str, Any] = {} if image is None else {"image": str(image.text)[:500]}
        return PolicyVerdict(
            policy=self.info.id,
            rule=rule,
            state=state,
            message=f"{who}{message}" if message else "",
            path=image.path if image else (),
            evidence={**found, **(evidence or {})},
            effects=self.binding.effects,
            failure=self.binding.failure,
            action=self.binding.action,
            line=self.binding.line,
        )


def images_of(body: Mapping[str, Any]) -> Iterator[Image]:
    """The images of a pod: those of containers of every kind, and of image volumes. A container
    without one is none's concern: somebody fills it in, or the API server refuses it."""
    spec = mapping(body.get("spec"))
    for role in _ROLES:
        for index, item in enumerate(items(spec.get(role))):
            container = mapping(item)
            if container.get("image"):
                path: AttrPath = ("spec", role, index, "image")
                yield Image(_plain(container["image"]), path, f"container {container.get('name')}")
    for index, item in enumerate(items(spec.get("volumes"))):
        volume = mapping(item)
        reference = mapping(volume.get("image")).get("reference")
        if reference:
            at: AttrPath = ("spec", "volumes", index, "image", "reference")
            yield Image(_plain(reference), at, f"volume {volume.get('name')}")


def load(resources: Sequence[Resource], *, trust: ImageTrust | None = None) -> Loaded:
    """All ImagePolicies among the documents."""
    faults: list[PolicyFault] = []
    policies: list[ImagePolicy] = []
    for resource in own_documents(resources, KIND, faults):
        document = OwnDocument(resource, _FIELDS)
        policy = _read(document, trust)
        faults.extend(document.faults)
        if not document.faults:
            policies.append(policy)
    return Loaded(policies=tuple(policies), faults=tuple(faults))


def _read(document: OwnDocument, trust: ImageTrust | None) -> ImagePolicy:
    binding = document.binding()
    allow = [
        read_place(document, index, text) for index, text in enumerate(document.texts("allow"))
    ]
    wanted = Wanted(
        allow=tuple(filter(None, allow)) if "allow" in document.spec else None,
        digest=document.flag("requireDigest"),
        tags=frozenset(document.texts("denyTags")),
    )
    if not (wanted.allow is not None or wanted.digest or wanted.tags or trust):
        do = "say allow, requireDigest or denyTags"
        document.fault(("spec",), "it asks nothing of images", do=do)
    return ImagePolicy(
        info=_info(document.resource, binding, wanted), binding=binding, wanted=wanted, trust=trust
    )


def _info(resource: Resource, binding: Binding, wanted: Wanted) -> PolicyInfo:
    asked = ["come from the places that are allowed"] if wanted.allow is not None else []
    asked += ["be pinned by digest"] if wanted.digest else []
    asked += [f"have no tag {', '.join(sorted(wanted.tags))}"] if wanted.tags else []
    return PolicyInfo(
        id=f"{Family.IMAGES.value}/{resource.name}",
        family=Family.IMAGES,
        name=resource.name,
        title=f"Images {' and '.join(asked)}" if asked else "Images are trusted",
        description="A registry decides what a tag means; a pull by digest is what was tested.",
        fix="use an image from an allowed place, written name:tag@sha256:digest",
        severity="high",
        file=binding.file,
        line=binding.line,
        object=resource.key,
        effects=binding.effects,
        failure=binding.failure,
        matched=MATCHED,
        reads=(("", "Namespace"),) if binding.match.namespace_labels is not None else (),
    )


def read_place(document: OwnDocument, index: int, text: str) -> Place | None:
    """An entry of ``allow``, or None with a fault."""
    parts = text.strip().rstrip("/").split("/")
    fault = _place_fault(parts)
    if fault:
        document.fault(("spec", "allow", index), f"{text[:200]}: {fault}")
        return None
    if parts[0] == _ANY:
        return Place(_ANY, tuple(parts[1:]), text)
    if len(parts) == 1 and _is_host(parts[0]):
        return Place(parse_image(f"{parts[0]}/any/thing").registry, (), text)
    if _ANY not in parts:
        ref = parse_image("/".join(parts))
        if ref.repository == "library/library" and len(parts) == 2:
            return Place(ref.registry, ("library",), text)  # all official images, not one of them
        return Place(ref.registry, tuple(ref.repository.split("/")), text)
    # an asterisk for something that can be: the defaults of a reference, and the asterisk back
    ref = parse_image("/".join("x" if part == _ANY else part for part in parts))
    if _is_host(parts[0]):
        return Place(ref.registry, tuple(parts[1:]), text)
    return Place(DEFAULT_REGISTRY, tuple(parts), text)


def _place_fault(parts: Sequence[str]) -> str:
    if any(not part or part != part.strip() for part in parts):
        return "a component is empty"
    if any(_ANY in part and part != _ANY for part in parts):
        return f"{_ANY} stands for a whole component, between slashes"
    if any(sign in part for part in parts[1:] for sign in ":@") or "@" in parts[0]:
        return "a place has no tag and no digest"
    host, colon, _ = parts[0].partition(":")
    if len(parts) == 1 and colon and "." not in host and host != "localhost":
        return f"a place has no tag; if {host} is a registry, write {parts[0]}/{_ANY}"
    plain = ["x" if part == _ANY else part for part in parts]
    whole = "/".join(plain) if _is_host(plain[0]) else f"x.example/{'/'.join(plain)}"
    if not parse_image(whole if "/" in whole else f"{whole}/x").valid:
        return "no registry or repository has such a name"
    return ""


def _is_host(part: str) -> bool:
    """Docker's rule for the first component of a reference."""
    return "." in part or ":" in part or part == "localhost" or part.lower() != part


def _counts(review: Review) -> bool:
    request = review.request or {}
    return (
        review.resource.type == POD
        and request.get("operation", "CREATE") in ("CREATE", "UPDATE")
        and request.get("subResource") not in IGNORED
    )


def _plain(value: Any) -> Any:
    """What may stand in a set."""
    return value if isinstance(value, str) else repr(type(value))


def _full(ref: ImageRef) -> str:
    tag = f":{ref.tag}" if ref.tag else ""
    return f"{ref.name}{tag}{f'@{ref.digest}' if ref.digest else ''}"
