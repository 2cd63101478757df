"""An API server takes what is exported, and kubectl finds nothing wrong with it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.admit.export.made import export
from tests.admit.export.test_same_verdict import CEL_TEMPLATE, CONSTRAINTS, IMAGES, POLICY
from tests.fakes.apiserver import ApiServer

KUBECTL = shutil.which("kubectl")
PACK = """---
apiVersion: haechi.dev/v1alpha1
kind: PolicyPack
metadata: {name: p}
spec: {pack: nsa}
---
"""


@pytest.mark.skipif(KUBECTL is None, reason="no kubectl on this machine")
def test_a_cluster_takes_it(tmp_path: Path) -> None:
    text = CEL_TEMPLATE + CONSTRAINTS["namespace labels"] + "\n---" + POLICY % "[Deny]"
    _, made, written = export(text + "---" + IMAGES + PACK, "vap")
    with ApiServer() as server:
        environment = {
            "HOME": str(tmp_path),
            "KUBECONFIG": str(server.kubeconfig(tmp_path / "config")),
            "PATH": os.environ["PATH"],
        }
        done = subprocess.run(
            [KUBECTL or "kubectl", "apply", "--server-side", "--validate=strict", "-f", "-"],
            input=written,
            capture_output=True,
            text=True,
            env=environment,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert server.bugs == []
    applied = done.stdout.splitlines()
    assert len(applied) == sum(len(part.documents) for part in made.parts) > 20
