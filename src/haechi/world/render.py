"""Run kubectl and helm to render what only they can: Kustomize overlays and Helm charts.

Both are other people's programs on hostile input, so they get argument lists, an empty home, a
deadline, no proxy and no git protocol: nothing is fetched. Overlays that name remote bases are
refused before kubectl sees them.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from haechi.errors import InputError
from haechi.world.links import refuse_links_out
from haechi.world.programs import MEMORY_KIB, limited, program, search_path

DEADLINE = 30.0
"""Seconds for one overlay or chart."""
_KLOG = re.compile(r'"command failed" err="(.*)"')
_NOISE = ("accumulating resources", "accumulation err=", "recursed accumulation", "invalid Kus")
_MAX_REASON = 200
_MAX_SAID = 64 * 1024
MAX_OUTPUT = 20 * 1024 * 1024


def kubectl_path(tree: Path) -> str | None:
    """Where kubectl is, outside of the tree, or None."""
    return program("kubectl", tree)


def helm_path(tree: Path) -> str | None:
    """Where helm is, outside of the tree, or None."""
    return program("helm", tree)


class Rendering(msgspec.Struct, frozen=True):
    """Rendered objects. Origins named in them are relative to ``base``, an absolute path."""

    data: bytes
    base: str


def kustomize(kubectl: str, directory: Path, *, tree: Path | None = None) -> Rendering:
    """Render the overlay in ``directory``; every object carries its origin as an annotation.

    A wrapper overlay asks for the annotations, so the repository stays untouched. No program of
    ``tree`` is in kubectl's PATH. Raises InputError with kubectl's own reason.
    """
    with _sandbox(tree or directory) as (home, environment):
        base = os.path.relpath(directory.resolve(), home.resolve())
        wrapper = (
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
            f'resources:\n- "{_quoted(base)}"\nbuildMetadata: [originAnnotations]\n'
        )
        (home / "kustomization.yaml").write_text(wrapper, encoding="utf-8")
        data = _run([kubectl, "kustomize", str(home)], environment)
        return Rendering(data, home.resolve().as_posix())


def helm_template(
    helm: str, chart: Path, *, kubernetes_version: str = "", tree: Path | None = None
) -> bytes:
    """Render a chart with its own values, as for the cluster version if one is given.

    The namespace is one of its own: "default" would be a fault that nobody wrote. Helm's
    ``lookup`` gives nothing here, and names are not resolved, so no cluster or network is asked.
    Helm reads what links in a chart lead to: one that leads out of ``tree`` would carry a file
    of this machine into a report. Raises InputError, else with helm's own reason.
    """
    tree = tree or chart
    refuse_links_out(chart, tree)
    command = [helm, "template", "release", str(chart.resolve()), "--namespace", "release"]
    if kubernetes_version:
        command += ["--kube-version", kubernetes_version]
    with _sandbox(tree) as (_, environment):
        return _run(command, environment)


@contextmanager
def _sandbox(tree: Path) -> Iterator[tuple[Path, Mapping[str, str]]]:
    with tempfile.TemporaryDirectory(prefix="haechi-render-") as name:
        environment = {
            "PATH": search_path(tree),
            "HOME": name,
            "TMPDIR": name,
            "XDG_CONFIG_HOME": name,
            "XDG_CACHE_HOME": name,
            "XDG_DATA_HOME": name,
            "GIT_ALLOW_PROTOCOL": "none",
            "GIT_TERMINAL_PROMPT": "0",
            "HTTP_PROXY": "http://127.0.0.1:9",
            "HTTPS_PROXY": "http://127.0.0.1:9",
            "KUBECONFIG": os.devnull,
            # Both are written in Go and live for seconds: a third of them goes into collecting.
            "GOGC": "400",
            "GOMEMLIMIT": "1GiB",
        }
        yield Path(name), environment


def _run(command: list[str], environment: Mapping[str, str]) -> bytes:
    name = Path(command[0]).name
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            done = subprocess.run(
                limited(command, output=2 * MAX_OUTPUT),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=dict(environment),
                timeout=DEADLINE,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise InputError(f"{name} took longer than {DEADLINE:.0f} s") from error
        except OSError as error:
            raise InputError(f"{name} cannot be run: {error.strerror}") from error
        if done.returncode != 0:
            err.seek(max(err.seek(0, os.SEEK_END) - _MAX_SAID, 0))
            text = err.read().decode("utf-8", "replace").strip()
            raise InputError(_last_cause(text) or f"{name} ended with code {done.returncode}")
        out.seek(0)
        data = out.read(MAX_OUTPUT + 1)
    if len(data) > MAX_OUTPUT:
        raise InputError(f"renders to more than {MAX_OUTPUT:,} bytes")
    return data


def _last_cause(text: str) -> str:
    """The innermost reasons of a nested Go error, as many as fit into a line or two."""
    line = ""
    for candidate in text.splitlines():
        said = candidate.strip()
        if said in ("", ">") or said.startswith(("Use --debug", "# Warning", "WARNING")):
            continue
        line = said.removeprefix("`: ")  # klog quotes what has several lines
        if said.startswith(("Error:", "error:")):
            break
    if "out of memory" in text:
        return f"needs more than {MEMORY_KIB >> 20} GiB of memory"
    logged = _KLOG.search(line)
    if logged:
        line = logged[1].replace('\\"', '"')
    parts = line.removeprefix("Error: ").removeprefix("error: ").split(": ")
    kept: list[str] = []
    for part in reversed([part for part in parts if part and not _is_noise(part)]):
        if kept and len(": ".join((part, *kept))) > _MAX_REASON:
            break
        kept.insert(0, part)
    return ": ".join(kept)[: 2 * _MAX_REASON]


def _is_noise(part: str) -> bool:
    return part.startswith(_NOISE) or part.endswith("must resolve to a file'")


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
