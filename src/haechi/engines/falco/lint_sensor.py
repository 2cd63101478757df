"""What our own sensor cannot answer of a rule: fields that it does not fill.

Such a rule loads and works on Falco's events; on those of ``haechi sensor`` the test is false. A
test of this module's table against ``world/sensor`` keeps the two in step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from haechi.engines.falco.access import DERIVED, SHAPED
from haechi.engines.falco.lint_fault import Fault
from haechi.engines.falco.ruleset import Rule
from haechi.engines.falco.satisfy import fields_of
from haechi.engines.falco.syntax import checks_of

FILLED = frozenset(
    {
        *("container.full_id", "container.id", "container.image", "container.image.digest"),
        *("container.image.id", "container.image.repository", "container.image.tag"),
        *("container.mount.dest", "container.mounts", "container.name", "container.privileged"),
        *("container.type", "evt.rawres", "evt.res", "fd.connected", "fd.dev", "fd.ino"),
        *("fd.is_server", "fd.l4proto", "fd.name", "fd.name_changed"),
        *("fd.nameraw", "fd.num", "fd.type"),
        *("fd.typechar", "group.gid", "group.name", "k8s.ns.name", "k8s.pod.name", "k8s.pod.uid"),
        *("proc.acmdline", "proc.aexe", "proc.aexepath", "proc.aname", "proc.apid", "proc.args"),
        *("proc.cmdline", "proc.cwd", "proc.env", "proc.exe", "proc.exe_ino"),
        *("proc.exe_ino.ctime", "proc.exe_ino.ctime_duration_proc_start", "proc.exe_ino.mtime"),
        *("proc.exepath", "proc.is_exe_from_memfd", "proc.is_exe_lower_layer"),
        "proc.is_exe_upper_layer",
        *("proc.is_exe_writable", "proc.name", "proc.pcmdline", "proc.pexe", "proc.pexepath"),
        *("proc.pgid", "proc.pgid.name", "proc.pid", "proc.pid.ts", "proc.pname", "proc.ppid"),
        *("proc.ppid.ts", "proc.pvpid", "proc.sid", "proc.sname", "proc.tty", "proc.vpgid"),
        *("proc.vpgid.name", "proc.vpid", "thread.cap_effective", "thread.cap_inheritable"),
        *("thread.cap_permitted", "thread.tid", "user.loginname", "user.loginuid"),
        *("user.name", "user.uid"),
    }
)
"""Fields that ``world/sensor`` writes, but for the arguments of calls."""
_NOT_JUDGED = ("evt.arg", "evt.rawarg", "evt.time", "evt.rawtime")

Saying = Callable[..., Fault]


def unfilled(rule: Rule, said: Saying) -> Iterator[Fault]:
    """One fault for all fields of a rule that the sensor leaves out."""
    if rule.source != "syscall":
        return
    names = dict.fromkeys(
        field.name
        for check in checks_of(rule.condition)
        for field in fields_of(check)
        if not is_filled(field.name)
    )
    if names:
        some = ", ".join(list(names)[:4])
        yield said(
            "unfilled",
            "info",
            f"haechi's own sensor does not fill {some}",
            "at its events a test of it is false; at those of Falco it works",
            "feed haechi from Falco for this rule, or test another field",
            next(iter(names)),
            key="sensor",
        )


def is_filled(name: str) -> bool:
    """Whether events of our sensor answer for the field, given or derived."""
    if name in FILLED or name in DERIVED or name in SHAPED:
        return True
    return name.startswith(_NOT_JUDGED)
