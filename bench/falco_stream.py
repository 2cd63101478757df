"""A stream of system calls like that of a busy node, for measuring rules. Not a benchmark.

Stated mix, as one node with forty containers makes it: half of the events open files (six in
seven to read: libraries, /proc, configuration), a fifth is network, an eighteenth starts programs,
the rest moves and removes files, duplicates descriptors, forks and exits. Each event has exactly
20 fields, of 150 processes of which two in three run in containers. One event in two thousand is
what an attacker does. Everything follows from a seed.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from haechi.model.event import Event

FIELDS = 20
ATTACKS = 1 / 2000
MIX = {
    "openat": 460, "open": 20, "openat2": 20, "connect": 90, "sendto": 50, "sendmsg": 20,
    "accept4": 40, "listen": 2, "socket": 30, "bind": 3, "execve": 55, "execveat": 1, "clone": 50,
    "procexit": 30, "unlink": 15, "unlinkat": 20, "rename": 15, "renameat2": 10, "mkdir": 12,
    "rmdir": 4, "chmod": 6, "fchmodat": 4, "symlink": 4, "link": 2, "linkat": 2, "dup": 4,
    "dup2": 15, "dup3": 6, "setuid": 2, "setns": 1, "unshare": 1, "ptrace": 1, "bpf": 1,
    "memfd_create": 1, "mount": 2,
}  # fmt: skip
_PROGRAMS = (
    ("nginx", "/usr/sbin/nginx", "nginx: worker process", "nginx"),
    ("gunicorn", "/opt/shop/bin/gunicorn", "gunicorn shop.wsgi --workers 4", "gunicorn"),
    ("web", "/srv/app/web", "web --port 8080", "containerd-shim"),
    ("java", "/opt/jdk/bin/java", "java -Xmx2g -jar /srv/orders.jar", "tini"),
    ("postgres", "/usr/lib/postgresql/15/bin/postgres", "postgres: writer process", "postgres"),
    ("redis-server", "/usr/local/bin/redis-server", "redis-server *:6379", "tini"),
    ("envoy", "/usr/local/bin/envoy", "envoy -c /etc/envoy/envoy.yaml", "pilot-agent"),
    ("coredns", "/coredns", "coredns -conf /etc/coredns/Corefile", "containerd-shim"),
    ("prometheus", "/bin/prometheus", "prometheus --config.file=/etc/prom.yml", "containerd-shim"),
    ("go-api", "/app/api", "api --listen :8443", "containerd-shim"),
    ("kubelet", "/usr/bin/kubelet", "kubelet --config=/var/lib/kubelet/config.yaml", "systemd"),
    ("containerd", "/usr/bin/containerd", "containerd", "systemd"),
    ("systemd-journal", "/lib/systemd/systemd-journald", "systemd-journald", "systemd"),
    ("node_exporter", "/usr/bin/node_exporter", "node_exporter", "systemd"),
    ("chronyd", "/usr/sbin/chronyd", "chronyd -F 1", "systemd"),
)
_STARTED = (
    ("sleep", "/bin/sleep", "sleep 10", "entrypoint"),
    ("pg_isready", "/usr/bin/pg_isready", "pg_isready -q", "containerd-shim"),
    ("grpc_health", "/bin/grpc_health", "grpc_health -addr :8080", "containerd-shim"),
    ("runc", "/usr/bin/runc", "runc --root /run/containerd exec", "containerd-shim"),
    ("logrotate", "/usr/sbin/logrotate", "logrotate /etc/logrotate.conf", "systemd"),
    ("date", "/bin/date", "date -u", "entrypoint"),
)
_RARE = frozenset({"setuid", "setns", "unshare", "ptrace", "bpf", "mount", "memfd_create"})
"""What only the node's own services do."""
_READ = (
    "/lib/x86_64-linux-gnu/libc.so.6", "/usr/lib/x86_64-linux-gnu/libssl.so.3",
    "/etc/ld.so.cache", "/proc/self/status", "/proc/1/stat", "/proc/meminfo", "/etc/hosts",
    "/etc/resolv.conf", "/etc/nsswitch.conf", "/usr/share/zoneinfo/UTC", "/sys/fs/cgroup/cpu.stat",
    "/srv/app/templates/index.html", "/usr/lib/python3.11/json/decoder.py", "/dev/null",
    "/var/lib/kubelet/pods/8d1f/volumes/x", "/etc/ssl/certs/ca-certificates.crt", "/etc/passwd",
)  # fmt: skip
_WRITE = (
    "/var/log/nginx/access.log", "/tmp/upload-{n}", "/var/lib/postgresql/data/base/16384/{n}",
    "/dev/null", "/data/cache/{n}.bin", "/run/app/{n}.sock", "/var/lib/prometheus/wal/{n}",
    "/var/log/pods/shop_{n}/0.log", "/proc/self/oom_score_adj", "/srv/app/tmp/{n}.tmp",
)  # fmt: skip
_ADDRESSES = ("10.42.{a}.{b}", "10.96.0.10", "10.43.{a}.{b}", "172.18.0.{b}", "93.184.{a}.{b}")

Fields = dict[str, Any]


class Stream:
    """``events(n)`` gives the first n events of the seed."""

    def __init__(self, seed: int = 7) -> None:
        self.random = random.Random(seed)  # noqa: S311  (must be repeatable)
        self._processes = [self._process(number) for number in range(150)]
        self._own = [
            one
            for one in self._processes
            if one["proc.name"] == "containerd" and one["user.name"] == "root"
        ]
        self._types = list(MIX)
        self._weights = list(MIX.values())

    def events(self, count: int) -> list[Event]:
        return [self.event(number) for number in range(count)]

    def event(self, number: int) -> Event:
        type = self.random.choices(self._types, self._weights)[0]
        fields = dict(self.random.choice(self._own if type in _RARE else self._processes))
        if self.random.random() < ATTACKS:
            type = self.random.choice(sorted(_ATTACKS))
            _ATTACKS[type](fields)
        else:
            self._fill(type, fields, number)
        for place in range(FIELDS - len(fields)):
            fields[f"evt.arg.a{place}"] = number
        return Event(
            id=f"{number:x}",
            ts_ns=1_763_000_000_000_000_000 + number * 50_000,
            source="sensor",
            type=type,
            cluster="shop",
            node="node-1",
            container_id="" if fields["container.id"] == "host" else fields["container.id"] * 5,
            fields=fields,
        )

    def _process(self, number: int) -> Fields:
        name, path, command, parent = _PROGRAMS[number % len(_PROGRAMS)]
        contained = number % len(_PROGRAMS) < 10
        root = not contained or number % 4 == 0
        return {
            "proc.name": name,
            "proc.exe": path,
            "proc.exepath": path,
            "proc.cmdline": command,
            "proc.pname": parent,
            "proc.aname": [name, parent, "containerd-shim" if contained else "systemd"],
            "proc.tty": 0,
            "proc.pid": 1000 + number,
            "user.name": "root" if root else "app",
            "user.uid": 0 if root else 1000,
            "container.id": f"{0xC0FFEE0000 + number:012x}" if contained else "host",
            "container.image.repository": f"registry.example/shop/{name}" if contained else "",
        }

    def _fill(self, type: str, fields: Fields, number: int) -> None:
        draw = self.random
        fields["evt.rawres"] = -2 if draw.random() < 0.05 else 0
        fields["evt.res"] = "SUCCESS" if fields["evt.rawres"] == 0 else "ENOENT"
        if type.startswith("open"):
            self._open(fields, number)
        elif type in ("connect", "sendto", "sendmsg", "accept4", "listen", "bind", "socket"):
            self._network(type, fields)
        elif type in ("execve", "execveat"):
            name, path, command, parent = draw.choice(_STARTED)
            fields.update({"proc.name": name, "proc.exe": path, "proc.exepath": path,
                           "proc.cmdline": command, "proc.pname": parent})  # fmt: skip
            fields["proc.aname"] = [name, *fields["proc.aname"]]
            fields["proc.args"] = list(fields["proc.cmdline"].split()[1:])
            fields["proc.is_exe_upper_layer"] = False
            fields["proc.cwd"] = "/srv/app/"
            fields["evt.arg.flags"] = "EXE_WRITABLE" if draw.random() < 0.1 else "0"
        else:
            path = draw.choice(_WRITE).format(n=number % 997)
            for name in ("name", "path", "oldpath", "newpath", "target", "filename"):
                fields[f"evt.arg.{name}"] = path

    def _open(self, fields: Fields, number: int) -> None:
        reads = self.random.random() < 6 / 7
        name = self.random.choice(_READ if reads else _WRITE).format(n=number % 997)
        failed = fields["evt.rawres"] < 0
        fields["fd.name"] = name
        fields["fd.num"] = -1 if failed else 11
        fields["fd.type"] = "file"
        fields["fd.typechar"] = "f"
        fields["evt.arg.name"] = name
        fields["evt.arg.flags"] = "O_RDONLY|O_CLOEXEC" if reads else "O_CREAT|O_WRONLY|O_APPEND"

    def _network(self, type: str, fields: Fields) -> None:
        draw = self.random
        server = draw.choice(_ADDRESSES).format(a=draw.randrange(8), b=draw.randrange(250))
        port = draw.choice((443, 53, 5432, 6379, 8080, 9090))
        fields["fd.name"] = f"10.42.0.9:{draw.randrange(30_000, 60_000)}->{server}:{port}"
        fields["fd.type"] = "ipv4"
        fields["fd.typechar"] = "4"
        fields["fd.l4proto"] = "udp" if port == 53 else "tcp"
        fields["fd.sip"] = server
        fields["fd.sport"] = port


def _shadow(fields: Fields) -> None:
    fields.update({"proc.name": "cat", "proc.cmdline": "cat /etc/shadow", "proc.pname": "bash",
                   "fd.name": "/etc/shadow", "fd.num": 3, "fd.type": "file", "fd.typechar": "f",
                   "evt.arg.flags": "O_RDONLY", "evt.rawres": 3, "evt.res": "SUCCESS"})  # fmt: skip


def _shell(fields: Fields) -> None:
    fields.update({"proc.name": "bash", "proc.exe": "bash", "proc.cmdline": "bash",
                   "proc.pname": "runc", "proc.tty": 34816, "container.id": "c0ffee000001",
                   "proc.vpid": 7, "evt.rawres": 0, "evt.res": "SUCCESS"})  # fmt: skip


def _module(fields: Fields) -> None:
    fields.update({"proc.name": "insmod", "container.id": "c0ffee000001", "evt.rawres": 0,
                   "thread.cap_effective": "CAP_SYS_MODULE", "evt.res": "SUCCESS"})  # fmt: skip


_ATTACKS: dict[str, Callable[[Fields], None]] = {
    "openat": _shadow,
    "execve": _shell,
    "finit_module": _module,
}
