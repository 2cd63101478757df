"""Macros and lists that rule files take for granted because Falco's default files define them.

A file that says ``spawned_process`` without defining it works where Falco reads its own rules
first and fails where it does not. These are our own definitions of the best-known names, given
only to files that use a name and do not define it; whoever does that says so (``given``).
Only names whose meaning is settled are here: a list of trusted programs is nobody's to guess.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

import msgspec

from haechi.engines.falco.ruleset import RuleText

NAME = "(well-known names)"
"""What stands for a file's name where one of these is meant."""

_UNCONNECTED = "fd.l4proto != tcp and fd.connected=false and fd.name_changed=true"
_REMOTE = "fd.typechar in (4, 6) and fd.ip != 0.0.0.0 and fd.net != 127.0.0.0/8"
_DONE = "(evt.rawres >= 0 or evt.res = EINPROGRESS)"
_MACROS = {
    "never_true": "evt.num=0",
    "always_true": "evt.num>=0",
    "spawned_process": "evt.type in (execve, execveat)",
    "container": "container.id != host",
    "proc_name_exists": 'not proc.name in ("<NA>", "N/A")',
    "open_read": (
        "evt.type in (open, openat, openat2) and evt.is_open_read=true"
        " and fd.typechar='f' and fd.num>=0"
    ),
    "open_write": (
        "evt.type in (open, openat, openat2) and evt.is_open_write=true"
        " and fd.typechar='f' and fd.num>=0"
    ),
    "open_directory": (
        "evt.type in (open, openat, openat2) and evt.is_open_read=true"
        " and fd.typechar='d' and fd.num>=0"
    ),
    "open_file_failed": (
        "evt.type in (open, openat, openat2) and fd.typechar='f' and fd.num=-1"
        " and evt.res startswith E"
    ),
    "rename": "evt.type in (rename, renameat, renameat2)",
    "mkdir": "evt.type in (mkdir, mkdirat)",
    "remove": "evt.type in (rmdir, unlink, unlinkat)",
    "modify": "rename or remove",
    "chmod": "evt.type in (chmod, fchmod, fchmodat)",
    "create_symlink": "evt.type in (symlink, symlinkat)",
    "create_hardlink": "evt.type in (link, linkat)",
    "kernel_module_load": "evt.type in (init_module, finit_module)",
    "dup": "evt.type in (dup, dup2, dup3)",
    "bin_dir": "fd.directory in (/bin, /sbin, /usr/bin, /usr/sbin)",
    "etc_dir": "fd.name startswith /etc/",
    "shell_procs": "proc.name in (shell_binaries)",
    "interactive": (
        "proc.name in (login, systemd-logind) or (proc.name != sshd and proc.aname=sshd)"
    ),
    "inbound": (
        "(evt.type in (accept, accept4, listen) or (evt.type in (recvfrom, recvmsg)"
        f" and {_UNCONNECTED})) and {_REMOTE} and {_DONE}"
    ),
    "outbound": (
        "(evt.type = connect or (evt.type in (sendto, sendmsg)"
        f" and {_UNCONNECTED})) and {_REMOTE} and {_DONE}"
        " and not fd.snet in (10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16)"
    ),
    "inbound_outbound": (
        f"evt.type in (accept, accept4, listen, connect) and {_REMOTE} and {_DONE}"
    ),
    "kevt": "jevt.value[/stage]=ResponseComplete",
    "kget": "ka.verb=get",
    "kcreate": "ka.verb=create",
    "kmodify": "ka.verb in (create, update, patch)",
    "kdelete": "ka.verb=delete",
    "pod": "ka.target.resource=pods and not ka.target.subresource exists",
    "pod_subresource": "ka.target.resource=pods and ka.target.subresource exists",
    "deployment": "ka.target.resource=deployments",
    "service": "ka.target.resource=services",
    "configmap": "ka.target.resource=configmaps",
    "namespace": "ka.target.resource=namespaces",
    "secret": "ka.target.resource=secrets",
    "serviceaccount": "ka.target.resource=serviceaccounts",
    "clusterrole": "ka.target.resource=clusterroles",
    "clusterrolebinding": "ka.target.resource=clusterrolebindings",
    "role": "ka.target.resource=roles",
    "response_successful": "ka.response.code startswith 2",
}
_LISTS: dict[str, tuple[str, ...]] = {
    "shell_binaries": ("ash", "bash", "csh", "ksh", "sh", "tcsh", "zsh", "dash"),
    "network_tool_binaries": (
        *("nc", "ncat", "netcat", "nmap", "dig", "tcpdump", "tshark", "ngrep", "telnet"),
        *("mitmproxy", "socat", "zmap"),
    ),
}
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_DEFINED = re.compile(r"^\s*-\s*(?:macro|list)\s*:\s*[\"']?([^\s\"'#]+)", re.MULTILINE)


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """The file to load before the others, and the names in it; None when none is missing."""

    file: RuleText | None
    macros: tuple[str, ...]
    lists: tuple[str, ...]


def given(files: Sequence[RuleText]) -> Given:
    """The well-known names that these files use and do not define."""
    defined: set[str] = set()
    used: set[str] = set()
    for file in files:
        defined.update(_DEFINED.findall(file.text))
        used.update(_uncommented(file.text))
    wanted = _closure(used - defined, defined)
    macros = tuple(name for name in _MACROS if name in wanted)
    lists = tuple(name for name in _LISTS if name in wanted)
    text = "".join(_list(name) for name in lists) + "".join(_macro(name) for name in macros)
    basic = RuleText(name=NAME, text=text) if text else None
    return Given(file=basic, macros=macros, lists=lists)


def _uncommented(text: str) -> set[str]:
    """Words outside of comments: a name that a comment mentions is not used."""
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    return set(_WORD.findall("\n".join(lines)))


def _closure(names: set[str], defined: set[str]) -> set[str]:
    wanted: set[str] = set()
    pending = [name for name in names if name in _MACROS or name in _LISTS]
    while pending:
        name = pending.pop()
        if name not in wanted:
            wanted.add(name)
            words = _needs()[name] - defined
            pending.extend(word for word in words if word in _MACROS or word in _LISTS)
    return wanted


@cache
def _needs() -> dict[str, set[str]]:
    needs = {name: set(_WORD.findall(text)) - {name} for name, text in _MACROS.items()}
    needs.update({name: set(items) for name, items in _LISTS.items()})
    return needs


def _macro(name: str) -> str:
    return f"- macro: {name}\n  condition: >\n    ({_MACROS[name]})\n"


def _list(name: str) -> str:
    return f"- list: {name}\n  items: [{', '.join(_LISTS[name])}]\n"
