"""Upstream's unit tests, when they are at hand: each pod gets the same answer, word for word.

The tables of ``policy/check_*_test.go`` are read as they are: pod, reason, detail.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from haechi.checks.pod_security import CheckResult, evaluate
from tests.conformance.go_literals import Reader, json_name

ROOT = Path(os.environ.get("HAECHI_POD_SECURITY", "/tmp/pub/pod-security-admission"))
FILES = sorted((ROOT / "policy").glob("check_*_test.go"))
pytestmark = pytest.mark.skipif(
    not FILES, reason=f"upstream's pod-security-admission is not in {ROOT}"
)

CONSTANTS: dict[str, Any] = {
    "true": True,
    "false": False,
    "nil": None,
    "corev1.SeccompProfileTypeRuntimeDefault": "RuntimeDefault",
    "corev1.SeccompProfileTypeLocalhost": "Localhost",
    "corev1.SeccompProfileTypeUnconfined": "Unconfined",
    "corev1.AppArmorProfileTypeRuntimeDefault": "RuntimeDefault",
    "corev1.AppArmorProfileTypeLocalhost": "Localhost",
    "corev1.AppArmorProfileTypeUnconfined": "Unconfined",
    "corev1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix": (
        "container.apparmor.security.beta.kubernetes.io/"
    ),
    "corev1.DefaultProcMount": "Default",
    "corev1.UnmaskedProcMount": "Unmasked",
    "corev1.Windows": "windows",
    "corev1.Linux": "linux",
    "annotationKeyPod": "seccomp.security.alpha.kubernetes.io/pod",
    "annotationKeyContainerPrefix": "container.seccomp.security.alpha.kubernetes.io/",
}
CHECKS = {
    "allowPrivilegeEscalation": ("restricted", "allowPrivilegeEscalation"),
    "appArmorProfile": ("baseline", "appArmorProfile"),
    "capabilitiesBaseline": ("baseline", "capabilities_baseline"),
    "capabilitiesRestricted": ("restricted", "capabilities_restricted"),
    "hostNamespaces": ("baseline", "hostNamespaces"),
    "hostPathVolumes": ("baseline", "hostPathVolumes"),
    "hostPorts": ("baseline", "hostPorts"),
    "hostProbesAndHostLifecycle": ("baseline", "hostProbesAndHostLifecycle"),
    "privileged": ("baseline", "privileged"),
    "procMount": ("baseline", "procMount"),
    "restrictedVolumes": ("restricted", "restrictedVolumes"),
    "runAsNonRoot": ("restricted", "runAsNonRoot"),
    "runAsUser": ("restricted", "runAsUser"),
    "seLinuxOptions": ("baseline", "seLinuxOptions"),
    "seccompProfileBaseline": ("baseline", "seccompProfile_baseline"),
    "seccompProfileRestricted": ("restricted", "seccompProfile_restricted"),
    "sysctls": ("baseline", "sysctls"),
    "windowsHostProcess": ("baseline", "windowsHostProcess"),
}
_CALL = re.compile(r"result := ([a-zA-Z]+?)_?(?:V1Dot)?(?:1_)?(\d+)(?:baseline)?\(")
_LOCAL = re.compile(r"^\t(\w+) := ([^\n\[]+)$", re.MULTILINE)
_TABLE = re.compile(r"(?i)^\ttestcases := \[\]struct|^\ttests := \[\]struct", re.MULTILINE)


class Case(NamedTuple):
    name: str
    check: str
    level: str
    version: str
    body: dict[str, Any]

    def answer(self) -> CheckResult:
        spec = _sourced(self.body.get("spec") or {})
        found = evaluate(self.level, self.version, self.body.get("metadata") or {}, spec)
        return next(result for result in found if result.check == self.check)


def _sourced(spec: dict[str, Any]) -> dict[str, Any]:
    """A volume without a source is an emptyDir to every API server, and so to us; upstream's
    table means one of a kind that its types do not know."""
    volumes = spec.get("volumes")
    if not volumes:
        return spec
    return {**spec, "volumes": [{"new": {}, **v} if len(v) == 1 else v for v in volumes]}


def _cases() -> Iterator[tuple[Case, dict[str, Any]]]:
    for path in FILES:
        for block in re.split(r"^func Test", path.read_text(), flags=re.MULTILINE)[1:]:
            call, table = _CALL.search(block), _TABLE.search(block)
            if "NewEvaluator(" in block:
                continue  # an API server that plays an older one: not a matter of a check
            assert call and table, f"{path.name}: {block[:60]}"
            known = dict(CONSTANTS)
            for name, text in _LOCAL.findall(block[: table.start()]):
                known[name] = Reader(text, known).value()
            start = block.index("\n\t}{", table.start()) + 3
            level, check = CHECKS[call[1]]
            for entry in Reader(block[start:], known).value():
                body = entry.get("pod") or {
                    "metadata": entry.get("metaData"),
                    "spec": entry.get("podSpec"),
                }
                yield Case(entry["name"], check, level, f"v1.{call[2]}", body), entry


_ALL = list(_cases())


@pytest.mark.parametrize(
    ("case", "entry"),
    _ALL,
    ids=[f"{case.check}-{case.version}-{case.name}".replace(" ", "_") for case, _ in _ALL],
)
def test_says_the_same_word_for_word(case: Case, entry: dict[str, Any]) -> None:
    answer = case.answer()
    reason, detail = entry.get("expectReason", ""), entry.get("expectDetail", "")
    allowed = entry.get("expectAllowed", entry.get("allowed", not reason))
    assert (answer.allowed, answer.reason, answer.detail) == (allowed, reason, detail)


def test_reads_all_tables() -> None:
    assert len(_ALL) > 60
    assert {case.check for case, _ in _ALL} == {check for _, check in CHECKS.values()}


def test_names_are_those_of_the_api() -> None:
    names = ("SELinuxOptions", "HTTPGet", "OS", "Name", "HostPID", "DownwardAPI", "expectReason")
    assert [json_name(name) for name in names] == [
        "seLinuxOptions",
        "httpGet",
        "os",
        "name",
        "hostPID",
        "downwardAPI",
        "expectReason",
    ]
