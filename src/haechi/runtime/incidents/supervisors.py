"""Processes that start others for everybody: what they started has nothing to do with each other.

A tree of processes ends below them. Two logins have the same ``sshd`` above them and two jobs the
same ``cron``; they are two causes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

_NAMES = frozenset(
    (
        *("systemd", "init", "launchd", "upstart", "openrc", "runit", "s6-svscan", "s6-supervise"),
        *("runsv", "runsvdir", "tini", "dumb-init", "catatonit", "supervisord", "pause"),
        *("containerd", "dockerd", "docker-init", "runc", "crun", "conmon", "crio", "kubelet"),
        *("podman", "buildkitd", "rootlesskit", "kthreadd", "(sd-pam)"),
        *("sshd", "login", "agetty", "gdm", "gdm-session-wor", "lightdm", "xinetd", "inetd"),
        *("cron", "crond", "anacron", "atd", "fcron", "snapd", "udevd", "dbus-daemon"),
        *("tmux: server", "tmux", "screen", "SCREEN", "polkitd", "rsyslogd"),
    )
)
_PREFIXES = ("containerd-shim", "systemd-", "sshd-", "runsv ", "s6-")
MOST = 16


def supervises(name: str) -> bool:
    """True for a process whose children are not of one cause."""
    return name in _NAMES or name.startswith(_PREFIXES)


def below(line: Sequence[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Of a process and its ancestors (pid, name) those that are one cause: up to the first that
    supervises. The process itself always is."""
    for place, (pid, name) in enumerate(line[:MOST]):
        if place and (pid <= 2 or supervises(name)):
            return
        yield pid, name
