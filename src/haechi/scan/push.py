"""What a scan saw, as the resources and edges of ``haechi.push/1``: who declares, runs and uses.

One key is one thing, however many files and overlays write it: the first file is named, and each
file keeps its own ``declares`` edge. What a workload names and no file holds (a Secret made by
hand) is a resource without a file, so that a page can say who uses it. Names only: values of
Secrets and of variables never leave the machine. What needs several objects joined is in
``graph/lineage``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import msgspec
from msgspec.structs import replace

from haechi.checks.neighbours import may_share_namespace
from haechi.checks.pods.view import PodView, items, mapping, view_of
from haechi.engines.image_ref import parse_image
from haechi.engines.logins import without_logins
from haechi.engines.purl import purl_of
from haechi.model.config import Config
from haechi.model.finding import DEPENDENCIES
from haechi.model.keys import file_key, image_key, k8s_key, repository_key
from haechi.model.location import AttrPath
from haechi.model.package import BY_NAME, Package, Source
from haechi.model.push import UNJUDGED, PushedEdge, PushedResource
from haechi.model.resource import Resource, nearest
from haechi.scan.facts import MOST, account_of, facts_of, image_of
from haechi.scan.look import Looked

OwnerOf = Callable[[str, str], str | None]
"""(path, resource key) → owner; ``gate.owners.Owners.owner_of``."""
_SCRATCH = "scratch"
_LOCK_FILES = 2_000
MOST_BLOCKS = 5_000
"""Blocks of Terraform in a push besides those that findings are about."""
_UNJUDGED_OF_FILE = 1_000


class ProjectFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the scan does not know of itself. ``repository`` is that of the push's origin,
    ``templates`` as ``scan.setup.pod_templates`` gives them."""

    repository: str
    commit: str = ""
    ref: str = ""
    cluster: str = "-"
    templates: Mapping[str, AttrPath] | None = None
    owner_of: OwnerOf | None = None
    config: Config | None = None


@dataclass(slots=True)
class Things:
    """Resources by key, the first word about each kept, and edges without repeats."""

    facts: ProjectFacts
    resources: dict[str, PushedResource] = field(default_factory=dict)
    edges: dict[PushedEdge, None] = field(default_factory=dict)

    def add(
        self,
        key: str,
        kind: str,
        name: str,
        *,
        namespace: str | None = None,
        file: str = "",
        line: int = 0,
        attributes: Mapping[str, Any] | None = None,
    ) -> str:
        """Adds a thing unless its key is known with a file; returns the key."""
        known = self.resources.get(key)
        if known is None or (file and not known.file):
            owner_of = self.facts.owner_of
            self.resources[key] = PushedResource(
                key=key,
                kind=kind,
                name=name,
                namespace=namespace or "-",
                cluster=self.facts.cluster,
                file=file,
                line=line,
                owner=(owner_of(file, key) or "") if owner_of and file else "",
                attributes=dict(attributes or {}),
            )
        return key

    def link(self, src: str, kind: str, dst: str) -> None:
        """Adds an edge; a thing does not hang together with itself."""
        if src != dst:
            self.edges[PushedEdge(src=src, kind=kind, dst=dst)] = None

    def object(self, resource: Resource) -> str:
        """Adds a Kubernetes object that a file holds; its facts are read once for a key."""
        known = self.resources.get(resource.key)
        if known is not None and known.file:
            return resource.key
        return self.add(
            resource.key,
            resource.kind,
            resource.name,
            namespace=resource.namespace,
            file=resource.file,
            line=resource.locate(()).line,
            attributes=facts_of(resource, self.facts.templates),
        )

    def named(self, group: str, kind: str, namespace: str | None, name: str) -> str:
        """Adds an object that is only named somewhere."""
        key = k8s_key(group=group, kind=kind, namespace=namespace, name=name)
        return self.add(key, kind, name, namespace=namespace)

    def image(self, reference: str) -> str:
        """Adds an image by its reference as written."""
        reference = without_logins(reference)
        parsed = parse_image(reference)
        attributes = {
            "repository": parsed.name,
            **({"tag": parsed.tag} if parsed.tag else {}),
            **({"digest": parsed.digest} if parsed.digest else {}),
        }
        return self.add(image_key(reference), "image", reference, attributes=attributes)

    def done(self) -> tuple[tuple[PushedResource, ...], tuple[PushedEdge, ...]]:
        """What goes into the push."""
        return tuple(self.resources.values()), tuple(self.edges)


def seen_things(looked: Looked, facts: ProjectFacts) -> Things:
    """The repository, its files, what they declare, the images and what workloads use."""
    things = Things(facts)
    origin = {"commit": facts.commit, "ref": facts.ref}
    home = things.add(
        repository_key(facts.repository),
        "repository",
        facts.repository,
        attributes={key: value for key, value in origin.items() if value},
    )
    for resource in looked.dockerfiles:
        _dockerfile(things, home, resource)
    for resource in looked.workflows:
        _file(things, home, resource.file, resource.kind, _pipeline_facts(resource))
    for resource in looked.inventory.resources:
        file = _file(things, home, resource.file) if resource.file else home
        things.link(file, "declares", things.object(resource))
    for workload in looked.inventory.workloads():
        _workload(things, looked, workload)
    _terraform(things, home, looked)
    _packages(things, home, looked)
    for finding in looked.scan.findings:
        # What a finding is about is on the page, also where nothing but its file is known.
        if finding.resource.startswith("file:"):
            past = {} if finding.in_tree else {"onlyInHistory": True}
            _file(things, home, finding.location.path, attributes=past, key=finding.resource)
    return things


def _terraform(things: Things, home: str, looked: Looked) -> None:
    """The blocks of Terraform: those that findings are about, and of the others so many."""
    told = {finding.resource for finding in looked.scan.findings}
    room = MOST_BLOCKS
    for resource in looked.inventory.of_type("terraform"):
        if resource.key not in told:
            if room == 0 or resource.kind.startswith(("tf-", "provider.")):
                continue
            room -= 1
        file = _file(things, home, resource.file) if resource.file else home
        line = resource.locate(()).line
        kind, name = resource.kind, resource.name
        things.link(
            file,
            "declares",
            things.add(resource.key, kind, name, file=resource.file, line=line),
        )


def _file(
    things: Things,
    home: str,
    path: str,
    kind: str = "file",
    attributes: Mapping[str, Any] | None = None,
    *,
    key: str = "",
) -> str:
    key = key or file_key(path)
    things.link(home, "declares", things.add(key, kind, path, file=path, attributes=attributes))
    return key


def _packages(things: Things, home: str, looked: Looked) -> None:
    """Files that tell of packages, and of the packages those that something is known against: a
    monorepo has tens of thousands, which are what an SBOM is for. Packages that nobody could
    judge are named, too: that nothing was found in them means nothing."""
    files = looked.dependencies.files if looked.dependencies else ()
    for file in files[:_LOCK_FILES]:
        facts = {"format": file.format, "packages": len(file.packages)}
        key = _file(things, home, file.path, attributes=facts)
        for one in islice(filter(_is_unjudged, file.packages), _UNJUDGED_OF_FILE):
            named = purl_of(replace(one, version="", url=""))
            things.add(named, "package", one.name, file=file.path,
                       line=one.location.line, attributes={UNJUDGED: True})  # fmt: skip
            things.link(key, "declares", named)
    for finding in looked.scan.findings:
        if finding.domain != DEPENDENCIES or not finding.resource.startswith("pkg:"):
            continue
        said = finding.evidence
        facts = {
            "ecosystem": said.get("ecosystem"),
            "version": said.get("version"),
            **({"development": True} if "development" in finding.tags else {}),
        }
        package = things.add(
            finding.resource,
            "package",
            str(said.get("package") or finding.label),
            file=finding.location.path,
            line=finding.location.line,
            attributes={key: value for key, value in facts.items() if value},
        )
        things.link(_file(things, home, finding.location.path), "declares", package)


def _is_unjudged(package: Package) -> bool:
    own = package.source in (Source.PATH, Source.WORKSPACE)
    return not own and not (package.version and package.source in BY_NAME)


def _dockerfile(things: Things, home: str, resource: Resource) -> None:
    stages = resource.data.stages
    bases = [
        stage.image
        for stage in stages
        if stage.parent is None and not stage.unresolved and stage.image.lower() != _SCRATCH
    ]
    final = stages[-1] if stages else None
    user = [i for i in final.instructions if i.name == "USER"] if final else []
    attributes: dict[str, Any] = {"stages": len(stages), "bases": list(dict.fromkeys(bases))[:MOST]}
    if user and user[-1].args:
        attributes["user"] = user[-1].args[0][:200]
    key = _file(things, home, resource.file, "dockerfile", attributes)
    for base in bases:
        if base:
            things.link(key, "from", things.image(base))


def _pipeline_facts(resource: Resource) -> dict[str, Any]:
    data = mapping(resource.data)
    jobs, name = mapping(data.get("jobs")), data.get("name")
    triggers = data.get("on")
    events: list[Any] = [triggers]
    if isinstance(triggers, dict | list):
        events = list(triggers)
    facts: dict[str, Any] = {
        "name": name[:200] if isinstance(name, str) else "",
        "jobs": [str(job)[:200] for job in jobs][:MOST],
        "on": [event[:200] for event in events if isinstance(event, str)][:MOST],
    }
    return {key: value for key, value in facts.items() if value}


def _workload(things: Things, looked: Looked, workload: Resource) -> None:
    view = view_of(workload, things.facts.templates)
    if view is None:
        return
    for container in view.containers:
        image = image_of(container)
        if image:
            things.link(workload.key, "runs", things.image(image))
    uses = {("ServiceAccount", account_of(view)): None, **dict.fromkeys(_names_used(view))}
    for kind, name in uses:
        things.link(workload.key, "uses", _meant(things, looked, workload, kind, name))


def _meant(things: Things, looked: Looked, workload: Resource, kind: str, name: str) -> str:
    """The object of this name that the workload's namespace holds, else its name alone."""
    found = [
        one
        for one in looked.inventory.of_type(f"core/{kind}")
        if one.name == name and may_share_namespace(workload, one)
    ]
    if found:
        return nearest(workload, found)[0].key
    return things.named("", kind, workload.namespace, name)


def _names_used(view: PodView) -> Iterator[tuple[str, str]]:
    """(Secret or ConfigMap, name) of everything that the pods mount, read or pull with."""
    for entry in items(view.spec.get("imagePullSecrets")):
        yield from _named("Secret", entry, "name")
    for container in view.containers:
        for entry in items(container.data.get("env")):
            source = mapping(mapping(entry).get("valueFrom"))
            yield from _named("Secret", source.get("secretKeyRef"), "name")
            yield from _named("ConfigMap", source.get("configMapKeyRef"), "name")
        for entry in items(container.data.get("envFrom")):
            yield from _named("Secret", mapping(entry).get("secretRef"), "name")
            yield from _named("ConfigMap", mapping(entry).get("configMapRef"), "name")
    for entry in items(view.spec.get("volumes")):
        volume = mapping(entry)
        yield from _named("Secret", volume.get("secret"), "secretName")
        yield from _named("ConfigMap", volume.get("configMap"), "name")
        for part in items(mapping(volume.get("projected")).get("sources")):
            yield from _named("Secret", mapping(part).get("secret"), "name")
            yield from _named("ConfigMap", mapping(part).get("configMap"), "name")


def _named(kind: str, value: Any, key: str) -> Iterator[tuple[str, str]]:
    name = mapping(value).get(key)
    if isinstance(name, str) and 0 < len(name) <= 253:
        yield kind, name
