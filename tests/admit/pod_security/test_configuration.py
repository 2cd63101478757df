"""The configuration of the plug-in, right and wrong."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from haechi.admit.pod_security import load, read_configuration
from haechi.admit.pod_security.labels import Modes, Standard
from haechi.checks.pod_security import Level
from haechi.engines.documents import Document, parse_documents
from haechi.engines.objects import resources_of
from haechi.model.resource import Resource

OURS = """\
apiVersion: pod-security.admission.config.k8s.io/v1
kind: PodSecurityConfiguration
defaults:
  enforce: baseline
  enforce-version: v1.30
  warn: restricted
exemptions:
  usernames: ["system:serviceaccount:ci:builder"]
  namespaces: [kube-system]
  runtimeClasses: [gvisor]
"""
WHOLE = """\
apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
  - name: EventRateLimit
    path: events.yaml
  - name: PodSecurity
    configuration:
"""


def documents(text: str) -> list[Resource]:
    found: list[Resource] = []
    for document in parse_documents(text.encode()):
        assert isinstance(document, Document)
        found.extend(resources_of(document, "psa.yaml"))
    return found


def _inside(text: str) -> str:
    return WHOLE + "".join(f"      {line}\n" for line in text.splitlines())


@pytest.mark.parametrize("text", [OURS, _inside(OURS)], ids=["alone", "in-the-api-server's"])
def test_reads_defaults_and_exemptions(text: str) -> None:
    found, faults = read_configuration(documents(text))
    assert faults == []
    assert found is not None
    assert found.defaults == Modes(
        enforce=Standard(Level.BASELINE, "v1.30"), warn=Standard(Level.RESTRICTED)
    )
    assert found.usernames == {"system:serviceaccount:ci:builder"}
    assert found.namespaces == {"kube-system"}
    assert found.runtime_classes == {"gvisor"}
    assert len(load(documents(text)).policies) == 1


@pytest.mark.parametrize(
    ("change", "what", "line"),
    [
        (("baseline", "strict"), 'defaults.enforce: Invalid value: "strict": must be one of', 4),
        (("v1.30", "1.30"), "defaults.enforce-version: Invalid value", 5),
        (("  warn:", "  warns:"), "defaults.warns: there is no such field", 6),
        (("[kube-system]", "[Kube_System]"), "exemptions.namespaces[0]", 9),
        (("[kube-system]", "[a, a]"), "Duplicate value", 9),
        (("[kube-system]", "a"), "exemptions.namespaces: must be a list", 9),
        (("[gvisor]", "['']"), "exemptions.runtimeClasses[0]", 10),
        (("usernames", "users"), "exemptions.users: there is no such field", 8),
        (("exemptions:", "exempt:"), "exempt: there is no such field", 7),
    ],
)
def test_names_what_is_wrong_and_is_not_in_force(
    change: tuple[str, str], what: str, line: int
) -> None:
    loaded = load(documents(OURS.replace(*change)))
    assert loaded.policies == ()
    fault = loaded.faults[0]
    assert what in fault.what
    assert (fault.kind, fault.file, fault.line, fault.fatal) == ("invalid", "psa.yaml", line, True)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (OURS.replace("admission.config.k8s.io/v1", "admission.k8s.io/v1"), "wrong-group"),
        (OURS.replace("k8s.io/v1\n", "k8s.io/v2\n"), "wrong-group"),
        (_inside(OURS).replace("apiserver.config.k8s.io", "apiserver.k8s.io"), "wrong-group"),
        (_inside(OURS.replace("PodSecurityConfiguration", "PodSecurity")), "wrong-group"),
        (WHOLE.replace("    configuration:\n", "    path: psa.yaml\n"), "unsupported"),
        (WHOLE, "unsupported"),
    ],
    ids=["group", "version", "outer-group", "inner-kind", "elsewhere", "empty"],
)
def test_what_only_looks_like_one_is_named(text: str, kind: str) -> None:
    loaded = load(documents(text))
    assert loaded.policies == ()
    assert [fault.kind for fault in loaded.faults] == [kind]
    assert loaded.faults[0].do


def test_a_second_one_does_not_count() -> None:
    loaded = load(documents(f"{OURS}---\n{OURS}"))
    assert len(loaded.policies) == 1
    (fault,) = loaded.faults
    assert (fault.kind, fault.line, fault.fatal) == ("duplicate", 12, False)


def test_odd_documents_do_not_raise() -> None:
    for odd in ([], 3, "x", {"a": 1}, None, [3], [None]):
        text: dict[str, Any] = yaml.safe_load(OURS)
        for key in ("defaults", "exemptions"):
            read_configuration(documents(yaml.safe_dump({**text, key: odd})))
        read_configuration(documents(yaml.safe_dump({**yaml.safe_load(WHOLE), "plugins": odd})))
