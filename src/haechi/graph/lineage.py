"""How the things of one look hang together, for ``haechi.push/1``: what ``scan/push`` saw, and
the joins that need several objects: Services and the pods they pick, entries and Services,
accounts and the roles they hold, Dockerfiles and the images that come of them.

Which image a Dockerfile makes stands in no Dockerfile. A pipeline that builds it says so; else an
image whose last name is that of the Dockerfile's folder is taken for it, when there is exactly
one such Dockerfile, and the resource says that this is how it is known (``builds_by``).
"""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from haechi.checks.pods.view import mapping
from haechi.checks.rbac.grants import RBAC
from haechi.checks.rbac.subjects import (
    SERVICE_ACCOUNT_USER,
    Subject,
    referred_role,
    role_ref,
    subjects,
)
from haechi.checks.workflows.view import Step, build
from haechi.engines.dockerfile.shell import Command, walk
from haechi.engines.image_ref import parse_image
from haechi.graph.exposure import (
    is_outward,
    routes_to_services,
    services_to_workloads,
    ways_in,
)
from haechi.graph.rights import Rights
from haechi.model.keys import file_key
from haechi.model.push import PushedEdge, PushedResource
from haechi.model.resource import Resource
from haechi.model.review import Review, Scope
from haechi.scan.look import Looked
from haechi.scan.push import ProjectFacts, Things, seen_things

_BUILD_ACTION = "docker/build-push-action"
_LONGEST = 300
_BUILDERS = frozenset({"docker", "podman", "nerdctl", "buildah"})
_VALUED = frozenset(
    {
        *("-t", "--tag", "-f", "--file", "--build-arg", "--target", "--platform", "--label"),
        *("--cache-from", "--cache-to", "--secret", "--ssh", "--output", "-o", "--network"),
        *("--build-context", "--builder", "--iidfile", "--progress", "--add-host", "--annotation"),
        *("--shm-size", "--ulimit", "--memory", "-m", "--metadata-file", "--provenance"),
    }
)
"""Options of ``docker build`` that take the next word."""


def pushed_things(
    looked: Looked, facts: ProjectFacts
) -> tuple[tuple[PushedResource, ...], tuple[PushedEdge, ...]]:
    """The resources and edges of a look; the same for the same look, in a stable order."""
    things = seen_things(looked, facts)
    scope = looked.inventory
    _dangers(things, scope)
    _selections(things, scope)
    _routes(things, scope)
    _grants(things, scope)
    _builds(things, looked)
    return things.done()


def _dangers(things: Things, scope: Scope) -> None:
    """Who can come in to a workload and what falls with it, where an event's level is made of
    them (``runtime/threat``)."""
    templates = things.facts.templates
    held = Rights(scope, templates)
    ways: dict[str, str] = {}
    for way in ways_in(scope, templates):
        ways.setdefault(way.workload.key, " → ".join(hop.resource.label for hop in way.hops[:-1]))
    for workload in scope.workloads():
        known = things.resources.get(workload.key)
        if known is None:
            continue
        told: dict[str, object] = {}
        if workload.key in ways:
            told["exposedBy"] = ways[workload.key][:_LONGEST]
        if rights := held.of(workload):
            told["mayToken"] = rights[0].what
            told["mayTokenWeight"] = rights[0].weight
        if told:
            attributes = {**known.attributes, **told}
            things.resources[workload.key] = replace(known, attributes=attributes)


def _selections(things: Things, scope: Scope) -> None:
    for service, workload in services_to_workloads(scope, things.facts.templates):
        things.link(service.key, "selects", workload.key)
    for service in scope.of_type("core/Service"):
        known = things.resources.get(service.key)
        if known is not None and is_outward(service):
            attributes = {**known.attributes, "outward": True}
            things.resources[service.key] = replace(known, attributes=attributes)


def _routes(things: Things, scope: Scope) -> None:
    for entry, name, namespace, services in routes_to_services(scope):
        source = entry.resource
        for service in services:
            things.link(source.key, "routes", service.key)
        if not services and len(name) <= 253:
            meant = namespace or source.namespace
            things.link(source.key, "routes", things.named("", "Service", meant, name))


def _grants(things: Things, scope: Scope) -> None:
    accounts: dict[str, list[Resource]] = defaultdict(list)
    for account in scope.of_type("core/ServiceAccount"):
        accounts[account.name].append(account)
    shared: dict[str, object] = {}
    for kind in ("ClusterRoleBinding", "RoleBinding"):
        for binding in scope.of_type(f"{RBAC}/{kind}"):
            role = _role(things, scope, binding, shared)
            for key in _accounts(things, binding, accounts) if role else ():
                things.link(key, "grants", role)


def _role(things: Things, scope: Scope, binding: Resource, shared: dict[str, object]) -> str:
    """Key of the role that a binding gives; empty when it names none."""
    role = referred_role(Review(resource=binding, scope=scope, shared=shared), binding)
    if role is not None:
        return role.key
    ref = role_ref(binding.data)
    if ref.kind not in ("Role", "ClusterRole") or not ref.name:
        return ""
    namespace = binding.namespace if ref.kind == "Role" else None
    return things.named(RBAC, ref.kind, namespace, ref.name)


def _accounts(
    things: Things, binding: Resource, known: Mapping[str, Sequence[Resource]]
) -> Iterator[str]:
    for subject in subjects(binding.data):
        namespace, name = _account(subject)
        if not name:
            continue
        namespace = namespace or binding.namespace or ""
        found = [a for a in known.get(name, ()) if a.namespace in (namespace, None)]
        if found:
            yield found[0].key
        else:
            yield things.named("", "ServiceAccount", namespace, name)


def _account(subject: Subject) -> tuple[str, str]:
    """(namespace, name) of the account that a subject is; groups are no single account."""
    if subject.kind == "ServiceAccount":
        return subject.namespace, subject.name
    if subject.kind == "User" and subject.name.startswith(SERVICE_ACCOUNT_USER):
        namespace, _, name = subject.name.removeprefix(SERVICE_ACCOUNT_USER).partition(":")
        return namespace, name
    return "", ""


# --- which Dockerfile makes which image ----------------------------------------------------------


def _builds(things: Things, looked: Looked) -> None:
    dockerfiles = {resource.file: file_key(resource.file) for resource in looked.dockerfiles}
    if not dockerfiles:
        return
    run = _images_run(things)
    built: dict[str, str] = {}
    for file, reference in _built_by_pipelines(looked.workflows):
        if file in dockerfiles:
            name = parse_image(reference).name
            built[name] = file
            known = run.get(name) or [things.image(reference)]
            _link(things, dockerfiles[file], known, "pipeline")
    folders: dict[str, list[str]] = defaultdict(list)
    for file in dockerfiles:
        folders[posixpath.basename(posixpath.dirname(file))].append(file)
    for name, keys in run.items():
        alike = folders.get(name.rpartition("/")[2], ())
        if name not in built and len(alike) == 1 and not parse_image(name).official:
            _link(things, dockerfiles[alike[0]], keys, "name")


def _link(things: Things, dockerfile: str, images: Sequence[str], by: str) -> None:
    known = things.resources[dockerfile]
    if known.attributes.get("builds_by") != "pipeline":
        attributes = {**known.attributes, "builds_by": by}
        things.resources[dockerfile] = replace(known, attributes=attributes)
    for image in images:
        things.link(dockerfile, "builds", image)


def _images_run(things: Things) -> dict[str, list[str]]:
    """Images that workloads run: keys by registry and repository, so that a tag does not matter."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for edge in things.edges:
        if edge.kind == "runs":
            name = things.resources[edge.dst].attributes.get("repository")
            found[str(name)][edge.dst] = None
    return {name: list(keys) for name, keys in found.items()}


def _built_by_pipelines(workflows: Sequence[Resource]) -> Iterator[tuple[str, str]]:
    """(Dockerfile, image reference) of every build that a workflow or action spells out."""
    for resource in workflows:
        if resource.kind not in ("workflow", "action"):
            continue
        view = build(mapping(resource.data), composite=resource.kind == "action")
        for _, step in view.steps:
            folder = step.data.get("working-directory")
            at = folder if isinstance(folder, str) else ""
            if step.uses is not None and step.uses.key == _BUILD_ACTION:
                yield from _by_action(step)
            elif any(builder in step.run for builder in _BUILDERS):
                for command in walk(view.script(step).commands):
                    yield from _by_command(command, at)


def _by_action(step: Step) -> Iterator[tuple[str, str]]:
    inputs = step.inputs
    file = inputs.get("file") or posixpath.join(inputs.get("context") or ".", "Dockerfile")
    for reference in inputs.get("tags", "").replace(",", "\n").split("\n"):
        yield from _plain(file, reference)


def _by_command(command: Command, at: str) -> Iterator[tuple[str, str]]:
    words = list(command.args)
    if command.name not in _BUILDERS:
        return
    while words and words[0] in ("buildx", "image", "builder"):
        words.pop(0)
    if not words or words.pop(0) not in ("build", "bud"):
        return
    tags, file, context = [], "", ""
    while words:
        word = words.pop(0)
        option, equals, value = word.partition("=")
        if option in _VALUED and not equals and words:
            value = words.pop(0)
        if option in ("-t", "--tag"):
            tags.append(value)
        elif option in ("-f", "--file"):
            file = value
        elif not word.startswith("-"):
            context = word
    file = posixpath.join(at, file or posixpath.join(context or ".", "Dockerfile"))
    for tag in tags:
        yield from _plain(file, tag)


def _plain(file: str, reference: str) -> Iterator[tuple[str, str]]:
    """The pair when both are plain text: the value of a variable is not known here. A tag may be
    made of one, for what is built is told by the name before it."""
    name, colon, tag = reference.strip().rpartition(":")
    if colon and "/" not in tag and "$" in tag:
        reference = name
    reference = reference.strip()
    if reference and "$" not in reference and "$" not in file and parse_image(reference).valid:
        yield posixpath.normpath(file), reference
