"""The standards themselves: which check counts from which version on, and what replaces it.

One row for each variant of a check, as the release history of Kubernetes has it. ``evaluate``
runs the checks of a level and version in upstream's order: baseline before restricted, by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from haechi.checks.pod_security import confinement, host, privilege
from haechi.checks.pod_security.levels import LATEST, NEWEST, Level, parse_level, parse_version
from haechi.checks.pod_security.result import CheckResult
from haechi.checks.pod_security.subject import Subject

Judge = Callable[[Subject], CheckResult | None]
"""What is forbidden, or None when nothing is."""


class Check(msgspec.Struct, frozen=True):
    """A check: its variants by the minor version that each counts from. ``replaces`` is the check
    of the baseline that it makes needless."""

    id: str
    level: Level
    variants: tuple[tuple[int, Judge], ...]
    replaces: str = ""

    def at(self, minor: int) -> Judge | None:
        """The variant that counts at a version; None when the check is younger."""
        found = [judge for since, judge in self.variants if since <= minor]
        return found[-1] if found else None


_BASELINE, _RESTRICTED = Level.BASELINE, Level.RESTRICTED
CHECKS: tuple[Check, ...] = (
    Check("appArmorProfile", _BASELINE, ((0, confinement.apparmor_profile),)),
    Check("capabilities_baseline", _BASELINE, ((0, privilege.capabilities_baseline),)),
    Check("hostNamespaces", _BASELINE, ((0, host.host_namespaces),)),
    Check("hostPathVolumes", _BASELINE, ((0, host.host_path_volumes),)),
    Check("hostPorts", _BASELINE, ((0, host.host_ports),)),
    Check("hostProbesAndHostLifecycle", _BASELINE, ((34, host.host_probes),)),
    Check("privileged", _BASELINE, ((0, host.privileged),)),
    Check(
        "procMount",
        _BASELINE,
        ((0, confinement.proc_mount_1_0), (35, confinement.proc_mount_1_35)),
    ),
    Check(
        "seLinuxOptions",
        _BASELINE,
        ((0, confinement.selinux_options_1_0), (31, confinement.selinux_options_1_31)),
    ),
    Check(
        "seccompProfile_baseline",
        _BASELINE,
        ((0, confinement.seccomp_baseline_1_0), (19, confinement.seccomp_baseline_1_19)),
    ),
    Check(
        "sysctls",
        _BASELINE,
        (
            (0, confinement.sysctls_1_0),
            (27, confinement.sysctls_1_27),
            (29, confinement.sysctls_1_29),
            (32, confinement.sysctls_1_32),
            (37, confinement.sysctls_1_37),
        ),
    ),
    Check("windowsHostProcess", _BASELINE, ((0, host.windows_host_process),)),
    Check(
        "allowPrivilegeEscalation",
        _RESTRICTED,
        ((8, privilege.privilege_escalation_1_8), (25, privilege.privilege_escalation_1_25)),
    ),
    Check(
        "capabilities_restricted",
        _RESTRICTED,
        (
            (22, privilege.capabilities_restricted_1_22),
            (25, privilege.capabilities_restricted_1_25),
        ),
        replaces="capabilities_baseline",
    ),
    Check(
        "procMount_restricted",
        _RESTRICTED,
        ((35, confinement.proc_mount_restricted),),
        replaces="procMount",
    ),
    Check(
        "restrictedVolumes",
        _RESTRICTED,
        ((0, privilege.restricted_volumes),),
        replaces="hostPathVolumes",
    ),
    Check(
        "runAsNonRoot",
        _RESTRICTED,
        ((0, privilege.run_as_non_root_1_0), (35, privilege.run_as_non_root_1_35)),
    ),
    Check(
        "runAsUser",
        _RESTRICTED,
        ((23, privilege.run_as_user_1_23), (35, privilege.run_as_user_1_35)),
    ),
    Check(
        "seccompProfile_restricted",
        _RESTRICTED,
        ((19, confinement.seccomp_restricted_1_19), (25, confinement.seccomp_restricted_1_25)),
        replaces="seccompProfile_baseline",
    ),
)

_Plan = tuple[tuple[Judge, CheckResult], ...]
"""The judges of a level and version, each with its answer when nothing is wrong."""


def checks_of(level: Level, minor: int) -> tuple[Check, ...]:
    """The checks that count at a level and minor version, in the order of their answers."""
    if level is Level.PRIVILEGED:
        return ()
    known = [check for check in CHECKS if check.variants[0][0] <= minor]
    if level is Level.BASELINE:
        return tuple(check for check in known if check.level is Level.BASELINE)
    replaced = {check.replaces for check in known}
    return tuple(check for check in known if check.id not in replaced)


def _plan(level: Level, minor: int) -> _Plan:
    pairs = ((check.at(minor), CheckResult(check.id)) for check in checks_of(level, minor))
    return tuple((judge, passed) for judge, passed in pairs if judge is not None)


def _plans() -> Iterator[tuple[tuple[str, str], _Plan]]:
    for level in Level:
        for minor in range(NEWEST + 1):
            yield (level.value, f"v1.{minor}"), _plan(level, minor)
        yield (level.value, LATEST), _plan(level, NEWEST)


_PLANS = dict(_plans())


def evaluate(level: str, version: str, metadata: Any, spec: Any) -> tuple[CheckResult, ...]:
    """One answer of each check of the standard about a pod (its ``metadata`` and ``spec``).

    ``privileged`` has no checks. Raises UsageError for what is no level or no version.
    """
    plan = _PLANS.get((level, version))
    if plan is None:
        plan = _plan(parse_level(level), parse_version(version))
    if not plan:
        return ()
    pod = Subject(metadata, spec)
    return tuple([judge(pod) or passed for judge, passed in plan])
