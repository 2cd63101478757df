"""Documents of ``mutations.gatekeeper.sh`` → what they change; everything checked beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from haechi.admit.gatekeeper.mutation import images
from haechi.admit.gatekeeper.mutation.conflicts import SET, STRING, UNKNOWN
from haechi.admit.gatekeeper.mutation.location import (
    Field,
    Item,
    Location,
    is_prefix,
    parse_location,
    told,
)
from haechi.admit.gatekeeper.mutation.mutator import (
    OPERATIONS,
    Applied,
    Change,
    constant,
    merged,
    pruned,
)
from haechi.admit.gatekeeper.mutation.write import ABSENT, MUST_EXIST, MUST_NOT_EXIST, Setter
from haechi.admit.gatekeeper.names import FAILURE_POLICY, MUTATIONS, VERSIONS, annotation
from haechi.admit.match import read_match
from haechi.checks.pods.view import items, mapping
from haechi.errors import RuleError
from haechi.model.admission import FailureChoice
from haechi.model.resource import Resource

_CONDITIONS: Final = (MUST_EXIST, MUST_NOT_EXIST)
_METADATA: Final = Field("metadata")
_PARTS: Final = (Field("labels"), Field("annotations"))
_ASSIGN: Final = "spec.parameters.assign"


def read_change(resource: Resource) -> Change:
    """What a mutator does. Raises RuleError with the field."""
    if resource.version not in VERSIONS[MUTATIONS]:
        what = f"{MUTATIONS} has no version {resource.version!r}"
        raise RuleError(what, do=f"write {MUTATIONS}/v1", where="apiVersion")
    if not 0 < len(resource.name) <= 63:
        raise RuleError("a mutator has a name of at most 63 characters", where="metadata.name")
    spec = mapping(mapping(resource.data).get("spec"))
    location = _location(spec)
    read = _READERS[resource.kind]
    return read(resource, spec, location)


def _assign(resource: Resource, spec: Mapping[str, Any], location: Location) -> Change:
    _not_metadata(location)
    _key_stays(location)
    value, from_metadata = _assigned(spec)
    last = location[-1]
    if isinstance(last, Item):
        if from_metadata:
            raise RuleError("an item of a list is an object, no text", where=_ASSIGN)
        _check_item(last, value)
    return _change(
        resource,
        spec,
        location,
        setter=None if from_metadata else constant(value),
        from_metadata=from_metadata,
        keyed=isinstance(last, Item),
        terminal=UNKNOWN,
    )


def _assign_metadata(resource: Resource, spec: Mapping[str, Any], location: Location) -> Change:
    if len(location) != 3 or location[0] != _METADATA or location[1] not in _PARTS:
        raise RuleError(
            f"{told(location)} is neither a label nor an annotation",
            do="write metadata.labels.NAME or metadata.annotations.NAME",
            where="spec.location",
        )
    value, from_metadata = _assigned(spec)
    if not from_metadata and not isinstance(value, str):
        raise RuleError("the value of a label or an annotation is text", where=f"{_ASSIGN}.value")
    if spec.get("applyTo") is not None:
        raise RuleError("AssignMetadata has no applyTo", do="use match", where="spec.applyTo")
    return Change(
        resource=resource,
        location=location,
        tests={2: MUST_NOT_EXIST},  # what is there already is never changed
        setter=None if from_metadata else constant(value),
        from_metadata=from_metadata,
        applied=None,
        match=read_match(spec.get("match")),
        failure=_failure(resource),
    )


def _modify_set(resource: Resource, spec: Mapping[str, Any], location: Location) -> Change:
    _not_metadata(location)
    if isinstance(location[-1], Item):
        what = "a set is a list of values, its location ends with a field"
        raise RuleError(what, where="spec.location")
    parameters = mapping(spec.get("parameters"))
    values = mapping(parameters.get("values")).get("fromList")
    if not isinstance(values, list):
        raise RuleError("this is a list", where="spec.parameters.values.fromList")
    operation = parameters.get("operation") or "merge"
    if operation not in ("merge", "prune"):
        what = f"operation {operation!r} is neither merge nor prune"
        raise RuleError(what, where="spec.parameters.operation")
    setter = merged(values) if operation == "merge" else pruned(values)
    return _change(resource, spec, location, setter=setter, terminal=SET)


def _assign_image(resource: Resource, spec: Mapping[str, Any], location: Location) -> Change:
    _not_metadata(location)
    _key_stays(location)
    if isinstance(location[-1], Item):
        raise RuleError("an image is a field, no item of a list", where="spec.location")
    parameters = mapping(spec.get("parameters"))
    named = [parameters.get(name) or "" for name in ("assignDomain", "assignPath", "assignTag")]
    if not all(isinstance(one, str) for one in named):
        raise RuleError("the parts of an image are text", where="spec.parameters")
    parts = images.Parts(*named)
    images.check(parts)
    return _change(
        resource, spec, location, setter=_image_setter(parts), terminal=STRING, ends=True
    )


_READERS: Final = {
    "Assign": _assign,
    "AssignMetadata": _assign_metadata,
    "ModifySet": _modify_set,
    "AssignImage": _assign_image,
}


def _image_setter(parts: images.Parts) -> Setter:
    def setter(old: Any) -> Any:
        text = "" if old is ABSENT else old
        if not isinstance(text, str):
            raise RuleError(f"a {type(old).__name__} stands where the mutator expects an image")
        return parts.over(text)

    return setter


def _change(
    resource: Resource,
    spec: Mapping[str, Any],
    location: Location,
    *,
    setter: Setter | None,
    terminal: str,
    from_metadata: str = "",
    keyed: bool = False,
    ends: bool = False,
) -> Change:
    return Change(
        resource=resource,
        location=location,
        tests=_tests(spec, location),
        setter=setter,
        from_metadata=from_metadata,
        keyed=keyed,
        terminal=terminal,
        ends=ends,
        applied=_applied(spec),
        match=read_match(spec.get("match")),
        failure=_failure(resource),
    )


def _location(spec: Mapping[str, Any]) -> Location:
    try:
        return parse_location(spec.get("location"))
    except RuleError as error:
        raise RuleError(error.what, do=error.do, where="spec.location") from error


def _not_metadata(location: Location) -> None:
    if location[0] == _METADATA:
        raise RuleError(
            "metadata is out of reach",
            do="labels and annotations: AssignMetadata",
            where="spec.location",
        )


def _key_stays(location: Location) -> None:
    if len(location) < 2:
        return
    item, last = location[-2], location[-1]
    if isinstance(item, Item) and isinstance(last, Field) and last.name == item.key:
        what = "the key by which an item is chosen may not be changed"
        raise RuleError(what, where="spec.location")


def _assigned(spec: Mapping[str, Any]) -> tuple[Any, str]:
    """The value, or the name of the metadata field that it is taken from."""
    assign = mapping(mapping(spec.get("parameters")).get("assign"))
    if "externalData" in assign:
        raise RuleError(
            "haechi asks no providers of external data",
            do="keep this mutator in Gatekeeper",
            where=f"{_ASSIGN}.externalData",
        )
    if ("value" in assign) is ("fromMetadata" in assign):
        raise RuleError("assign has either a value or fromMetadata", where=_ASSIGN)
    if "value" in assign:
        return assign["value"], ""
    field = mapping(assign["fromMetadata"]).get("field")
    if field not in ("name", "namespace"):
        what = f"field {field!r} is neither name nor namespace"
        raise RuleError(what, where=f"{_ASSIGN}.fromMetadata.field")
    return None, str(field)


def _check_item(last: Item, value: Any) -> None:
    if last.is_glob:
        raise RuleError("all items cannot be set to one value", where="spec.location")
    if not isinstance(value, dict):
        raise RuleError("an item of a keyed list is an object", where=f"{_ASSIGN}.value")
    if not last.chooses(value):
        what = f"the value's {last.key} is not {last.value!r}, as the location says"
        raise RuleError(what, where=f"{_ASSIGN}.value")


def _tests(spec: Mapping[str, Any], location: Location) -> dict[int, str]:
    found: dict[int, str] = {}
    for number, entry in enumerate(items(mapping(spec.get("parameters")).get("pathTests"))):
        at = f"spec.parameters.pathTests[{number}]"
        condition = mapping(entry).get("condition")
        if condition not in _CONDITIONS:
            what = f"condition {condition!r} is none of {', '.join(_CONDITIONS)}"
            raise RuleError(what, where=f"{at}.condition")
        try:
            path = parse_location(mapping(entry).get("subPath"))
        except RuleError as error:
            raise RuleError(error.what, do=error.do, where=f"{at}.subPath") from error
        if not is_prefix(path, location):
            what = f"{told(path)} is no beginning of {told(location)}"
            raise RuleError(what, where=f"{at}.subPath")
        depth = len(path) - 1
        if found.setdefault(depth, str(condition)) != condition:
            what = f"{told(path)} can not both exist and not exist"
            raise RuleError(what, where=at)
    _no_contradiction(found, location)
    return found


def _no_contradiction(tests: Mapping[int, str], location: Location) -> None:
    absent = min((d for d, one in tests.items() if one == MUST_NOT_EXIST), default=len(location))
    present = max((d for d, one in tests.items() if one == MUST_EXIST), default=-1)
    if present > absent:
        what = f"{told(location[: present + 1])} cannot exist below what must not"
        raise RuleError(what, where="spec.parameters.pathTests")


def _applied(spec: Mapping[str, Any]) -> tuple[Applied, ...]:
    found: list[Applied] = []
    for number, entry in enumerate(items(spec.get("applyTo"))):
        at = f"spec.applyTo[{number}]"
        lists = [mapping(entry).get(name) for name in ("groups", "versions", "kinds")]
        if not all(isinstance(one, list) and one for one in lists):
            raise RuleError("groups, versions and kinds are all needed", where=at)
        if not all(isinstance(text, str) and text != "*" for one in lists for text in items(one)):
            raise RuleError("applyTo names things, it has no globs", where=at)
        operations = items(mapping(entry).get("operations"))
        if not all(one in (*OPERATIONS, "*") for one in operations):
            what = f"operations are {', '.join(OPERATIONS)} and *"
            raise RuleError(what, where=f"{at}.operations")
        groups, versions, kinds = (tuple(items(one)) for one in lists)
        named = () if "*" in operations else tuple(operations)
        found.append(Applied(groups, versions, kinds, named))
    if not found:
        raise RuleError("a mutator says what it applies to", where="spec.applyTo")
    return tuple(found)


def _failure(resource: Resource) -> FailureChoice:
    text = annotation(resource, FAILURE_POLICY) or FailureChoice.IGNORE.value
    try:
        return FailureChoice(text)
    except ValueError:
        what = f"annotation {FAILURE_POLICY} is {text!r}"
        raise RuleError(what, do="write Fail or Ignore", where="metadata.annotations") from None
