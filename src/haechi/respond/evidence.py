"""Evidence: what was so before a response changed it, in one sealed file.

The incident with its timeline, events of the workload around it, the processes, the objects
(without values of Secrets; values of environment variables are left out, as they may be
credentials) and the last lines of the pods' logs. What could not be read is named in the file.
Bounded: the oldest events go first. The file's SHA-256 goes into the audit log.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from haechi.engines.masking import masked
from haechi.errors import HaechiError, NotFound
from haechi.model.access import EVERYWHERE
from haechi.model.resource import Resource
from haechi.model.response import Want
from haechi.respond.ground import Ground, Site, copied
from haechi.respond.workloads import POD, Workloads
from haechi.store import durable

if TYPE_CHECKING:
    from haechi.world.kube.client import KubernetesClient

SCHEMA = "haechi.evidence/1"
AROUND_S = 900
EVENTS, LOG_LINES, LOG_BYTES, MOST_PODS = 2_000, 500, 256 << 10, 5
_POLICIES = "networking.k8s.io/NetworkPolicy"
_DAY = 86_400


def gathered(want: Want, action: str, ground: Ground, site: Site | None) -> dict[str, Any]:
    """Everything, and ``missing``: what could not be read, and why."""
    missing: list[str] = []

    def tried(name: str, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except (HaechiError, OSError) as error:
            missing.append(f"{name}: {error}"[:300])
            return None

    pods = list(_pods(want, site))
    found = {
        "schema": SCHEMA,
        "action": action,
        "at": ground.clock(),
        "want": want,
        "incident": tried("incident", lambda: _incident(want, ground)),
        "processes": tried("processes", lambda: _processes(want, ground)),
        "events": tried("events", lambda: _events(want, ground)),
        "objects": tried("objects", lambda: [_shown(one) for one in _objects(want, site, pods)]),
        "logs": {
            pod.name: tried(f"logs of {pod.label}", partial(_logs, pod, site)) for pod in pods
        },
    }
    return {**found, "missing": missing}


def _incident(want: Want, ground: Ground) -> Any:
    if not want.incident:
        return None
    incidents = ground.state.incidents
    timeline = incidents.timeline(want.incident, limit=200).items
    return {"incident": ground.incidents(want.incident), "timeline": timeline}


def _processes(want: Want, ground: Ground) -> Any:
    return ground.state.incidents.process_tree(want.incident) if want.incident else None


def _events(want: Want, ground: Ground) -> Any:
    if ground.events is None:
        return None
    import datetime as dt

    from haechi.store.events.shapes import EventFilter

    now = ground.clock()
    start = dt.datetime.fromtimestamp(want.since_ns / 1e9, dt.UTC) if want.since_ns else now
    ask = EventFilter(
        cluster=[want.cluster],
        resource=[want.resource] if want.resource else [],
        since=start - dt.timedelta(seconds=AROUND_S),
        until=now + dt.timedelta(seconds=1),
    )
    found: list[Any] = []
    cursor: str | None = None
    while len(found) < EVENTS:
        page = ground.events.page(ask, within=(EVERYWHERE,), limit=500, cursor=cursor)
        found += page.items
        cursor = page.next
        if cursor is None:
            break
    return found[:EVENTS]


def _pods(want: Want, site: Site | None) -> Iterator[Resource]:
    target = site.by_key.get(want.resource) if site is not None else None
    if site is None or target is None:
        return
    pods = [target] if target.type == POD else Workloads(site.objects).pods(target)
    chosen = [pod for pod in pods if not want.pods or pod.name in want.pods]
    yield from chosen[:MOST_PODS]


def _objects(want: Want, site: Site | None, pods: list[Resource]) -> list[Resource]:
    if site is None:
        return []
    target = site.by_key.get(want.resource)
    policies = [
        one for one in site.objects if one.type == _POLICIES and one.namespace == want.namespace
    ]
    several = [*([target] if target is not None else []), *pods, *policies[:200]]
    return list({one.key: one for one in several}.values())


def _shown(resource: Resource) -> Any:
    """The object, without values of its containers' environment."""
    body = copied(resource.data)
    for spec in _pod_specs(body):
        for name in ("containers", "initContainers", "ephemeralContainers"):
            for container in spec.get(name) or ():
                for variable in (container.get("env") or ()) if isinstance(container, dict) else ():
                    if isinstance(variable, dict) and "value" in variable:
                        variable["value"] = "***"
    with contextlib.suppress(AttributeError, KeyError, TypeError):
        body["metadata"]["annotations"].pop("kubectl.kubernetes.io/last-applied-configuration")
    return body


def _pod_specs(body: Any, depth: int = 0) -> Iterator[dict[str, Any]]:
    spec = body.get("spec") if isinstance(body, dict) else None
    if not isinstance(spec, dict) or depth > 3:
        return
    if isinstance(spec.get("containers"), list):
        yield spec
    for name in ("template", "jobTemplate"):
        yield from _pod_specs(spec.get(name), depth + 1)


def _logs(pod: Resource, site: Site | None) -> Any:
    client = site.client if site is not None else None
    if client is None:
        return None
    spec = pod.data.get("spec") if isinstance(pod.data, dict) else None
    several = spec.get("containers") if isinstance(spec, dict) else None
    names = [one.get("name") for one in several or () if isinstance(one, dict)]
    return {str(name): _log(client, pod, str(name)) for name in names[:10]}


def _log(client: KubernetesClient, pod: Resource, container: str) -> list[str]:
    from haechi.world.kube.names import POD as PODS
    from haechi.world.kube.wire import Request

    request = Request(
        path=PODS.path(pod.namespace, pod.name, "log"),
        query=(
            ("container", container),
            ("tailLines", str(LOG_LINES)),
            ("limitBytes", str(LOG_BYTES)),
            ("timestamps", "true"),
        ),
        accept="*/*",
        seconds=10.0,
        limit=2 * LOG_BYTES,
    )
    answer = client.send(request, about=pod.label)
    text = answer.body[:LOG_BYTES].decode("utf-8", "replace")
    return [masked(line[:4_000]) for line in text.splitlines()[-LOG_LINES:]]


# Files -----------------------------------------------------------------------------------------


def sealed(folder: Path, name: str, found: dict[str, Any], *, most: int) -> tuple[str, int]:
    """Write it once, durable when it returns; its SHA-256 and size. What is there already under
    this name stays: evidence is not written over."""
    _private(folder)
    path = folder / name
    if not path.exists():
        data = _packed(found, most)
        draft = folder / f".{name}.tmp"
        durable.write(draft, data, over=True)
        draft.rename(path)
        durable.sync(folder)
    data = path.read_bytes()
    return hashlib.sha256(data).hexdigest(), len(data)


def _packed(found: dict[str, Any], most: int) -> bytes:
    """As JSON, compressed. What is too large loses its events, then its logs, and says so."""
    found = {**found, "missing": list(found["missing"])}
    for part in (None, "events", "logs", "objects"):
        if part is not None:
            found[part] = None
            found["missing"].append(f"{part}: left out, the file would be larger than {most} bytes")
        data = gzip.compress(msgspec.json.encode(found), 6, mtime=0)
        if len(data) <= most:
            break
    return data


def opened(path: Path) -> dict[str, Any]:
    """What a sealed file holds. NotFound."""
    try:
        value: dict[str, Any] = msgspec.json.decode(gzip.decompress(path.read_bytes()))
    except (OSError, msgspec.DecodeError, EOFError) as error:
        raise NotFound("there is no such evidence", where=path.name) from error
    return value


def tidied(folder: Path, now_s: float, *, days: int, most: int) -> int:
    """Forget files that are older, then the oldest until the rest fits; how many."""
    if not folder.is_dir():
        return 0
    files = sorted(
        (one.stat().st_mtime, one.stat().st_size, one) for one in folder.glob("*.json.gz")
    )
    total, gone = sum(size for _, size, _ in files), 0
    for at, size, path in files:
        if at >= now_s - days * _DAY and total <= most:
            break
        path.unlink(missing_ok=True)
        total -= size
        gone += 1
    return gone


def _private(folder: Path) -> None:
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if folder.is_symlink() or not folder.is_dir():
        raise HaechiError("the folder of evidence is no folder", where=str(folder))
    folder.chmod(0o700)
