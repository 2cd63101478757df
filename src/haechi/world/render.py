"""Run kubectl and helm to render what only they can: Kustomize overlays and Helm charts.

Both are other people's programs on hostile input, so they get argument lists, an empty home, a
deadline, no proxy and no git protocol: nothing is fetched. Overlays that name remote bases are
refused before kubectl sees them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from haechi.errors import InputError

DEADLINE = 30.0
"""Seconds for one overlay or chart."""
_KLOG = re.compile(r'"command failed" err="(.*)"')
MAX_OUTPUT = 20 * 1024 * 1024


def kubectl_path() -> str | None:
    """Where kubectl is, or None."""
    return shutil.which("kubectl")


def helm_path() -> str | None:
    """Where helm is, or None."""
    return shutil.which("helm")


@dataclass(frozen=True, slots=True)
class Rendering:
    """Rendered objects. Origins named in them are relative to ``base``, an absolute path."""

    data: bytes
    base: str


def kustomize(kubectl: str, directory: Path) -> Rendering:
    """Render the overlay in ``directory``; every object carries its origin as an annotation.

    A wrapper overlay asks for the annotations, so the repository stays untouched. Raises
    InputError with kubectl's own reason.
    """
    with _sandbox() as (home, environment):
        base = os.path.relpath(directory.resolve(), home.resolve())
        wrapper = (
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
            f'resources:\n- "{_quoted(base)}"\nbuildMetadata: [originAnnotations]\n'
        )
        (home / "kustomization.yaml").write_text(wrapper, encoding="utf-8")
        data = _run([kubectl, "kustomize", str(home)], environment)
        return Rendering(data, home.resolve().as_posix())


def helm_template(helm: str, chart: Path, *, kubernetes_version: str = "") -> bytes:
    """Render a chart with its own values, as for the cluster version if one is given.

    The namespace is one of its own: "default" would be a fault that nobody wrote. Helm's
    ``lookup`` gives nothing here, and names are not resolved, so no cluster or network is asked.
    Raises InputError with helm's own reason.
    """
    command = [helm, "template", "release", str(chart.resolve()), "--namespace", "release"]
    if kubernetes_version:
        command += ["--kube-version", kubernetes_version]
    with _sandbox() as (_, environment):
        return _run(command, environment)


@contextmanager
def _sandbox() -> Iterator[tuple[Path, Mapping[str, str]]]:
    with tempfile.TemporaryDirectory(prefix="haechi-render-") as name:
        environment = {
            "PATH": os.environ.get("PATH", ""),
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
        }
        yield Path(name), environment


def _run(command: list[str], environment: Mapping[str, str]) -> bytes:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=dict(environment),
                timeout=DEADLINE,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise InputError(
                f"{Path(command[0]).name} took longer than {DEADLINE:.0f} s"
            ) from error
        except OSError as error:
            raise InputError(f"{Path(command[0]).name} cannot be run: {error}") from error
        if done.returncode != 0:
            err.seek(0)
            text = err.read(4096).decode("utf-8", "replace").strip()
            raise InputError(_last_cause(text) or f"exit code {done.returncode}")
        out.seek(0)
        data = out.read(MAX_OUTPUT + 1)
    if len(data) > MAX_OUTPUT:
        raise InputError(f"renders to more than {MAX_OUTPUT:,} bytes")
    return data


def _last_cause(text: str) -> str:
    """The innermost reason of a nested Go error, without the log prefix of klog."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return ""
    line = lines[-1]
    logged = _KLOG.search(line)
    if logged:
        line = logged[1].replace('\\"', '"')
    parts = [part for part in line.split(": ") if part.strip()]
    return ": ".join(parts[-2:])[:300]


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
