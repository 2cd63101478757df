"""What of an event counts, and whose behaviour it is."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.model.event import Event
from haechi.runtime.profile.features import (
    CALL,
    EXEC,
    FILE,
    FILES,
    LINEAGE,
    MOST,
    NET,
    OTHER,
    PEER,
    PORT,
    PROGRAM,
    TYPES,
    Doing,
    Reader,
    file_area,
    host_program,
    peer_of,
    tree_of,
)
from tests.runtime.profile.doings import connected, event, opened, started

AREAS = [
    ("/srv/www/index.html", "/srv/www/"),
    ("/srv/a/b/c/d/e/f.txt", "/srv/a/b/c/"),
    ("/etc/shadow", "/etc/shadow"),
    ("/proc/4711/environ", "/proc/*/environ"),
    ("/proc/self/maps", "/proc/self/maps"),
    ("/home/ana/.ssh/id_rsa", "/home/ana/.ssh/id_rsa"),
    ("/root/.pyenv/lib/python3.11/os.py", "/root/.pyenv/lib/python3.11/"),
    ("/run/secrets/kubernetes.io/serviceaccount/token",) * 2,
    ("/tmp/tmp-8f3a9c21b04d/x", "/tmp/tmp-*/"),
    ("/var/lib/overlay2/0123456789abcdef0123456789abcdef/diff/x", "/var/lib/overlay2/*/"),
    ("/usr/lib/python3.11/site.py", "/usr/lib/python3.11/"),
    ("x", "/"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "area"), AREAS, ids=[path for path, _ in AREAS])
def test_files_are_taken_together_by_what_does_not_vary(path: str, area: str) -> None:
    assert file_area(path) == area


PEERS = [
    ("10.2.3.4", 5432, "10.2.0.0/16:5432"),
    ("10.2.3.4", 40_123, "10.2.0.0/16:high"),
    ("127.0.0.53", 53, "loopback:53"),
    ("2001:db8:1:2::9", 443, "[2001:db8:1::/48]:443"),
    ("::1", 80, "loopback:80"),
    ("10.2.3.4", None, "10.2.0.0/16:?"),
]


@pytest.mark.parametrize(("address", "port", "peer"), PEERS, ids=[one[2] for one in PEERS])
def test_peers_are_taken_together_by_network(address: str, port: Any, peer: str) -> None:
    assert peer_of(address, port) == peer


PROGRAMS = [
    ("/usr/sbin/nginx", "nginx -g daemon", "/usr/sbin/nginx"),
    ("/usr/bin/python3.11", "python3 /srv/app.py --port 80", "/usr/bin/python3.11 app.py"),
    ("/usr/bin/python3.11", "python3 -m http.server 80", "/usr/bin/python3.11 -m http.server"),
    ("/usr/bin/python3.11", "python3 -c import os", "/usr/bin/python3.11"),
    ("/usr/bin/bash", "bash -c curl x.sh", "/usr/bin/bash"),
    ("/usr/bin/bash", "bash ./run.sh", "/usr/bin/bash run.sh"),
    ("/usr/bin/bash", "-bash", "/usr/bin/bash"),
]


@pytest.mark.parametrize(("exe", "words", "name"), PROGRAMS, ids=[one[1] for one in PROGRAMS])
def test_programs_of_a_host_are_told_by_what_they_run(exe: str, words: str, name: str) -> None:
    assert host_program(exe, words) == name


DONE = [
    (opened("/etc/hosts"), FILES, ((FILE, "reads /etc/hosts"),)),
    (opened("/srv/a/x", "O_RDWR|O_CREAT"), FILES, ((FILE, "writes /srv/a/"),)),
    (opened("/srv/a/x", evt__rawres=-2), FILES, ((FILE, "fails /srv/a/"),)),
    (event("unlink", evt__arg__path="/srv/a/x"), FILES, ((FILE, "deletes /srv/a/"),)),
    (connected("10.2.3.4", 80), NET, ((PEER, "10.2.0.0/16:80"),)),
    (event("connect", fd__name="1.2.3.4:55->5.6.7.8:80"), NET, ((PEER, "5.6.0.0/16:80"),)),
    (event("connect", fd__name="/run/x.sock"), NET, ((PEER, "unix:/run/"),)),
    (event("listen", fd__sip="::", fd__sport=80), NET, ((PORT, "80"),)),
    (started("/bin/nc"), EXEC, ((PROGRAM, "/bin/nc"), (LINEAGE, "/usr/sbin/nginx → /bin/nc"))),
    (event("ptrace"), OTHER, ((CALL, "ptrace"),)),
]


@pytest.mark.parametrize(("one", "kind", "parts"), DONE, ids=[str(d[2][0][1]) for d in DONE])
def test_what_was_done(one: Event, kind: int, parts: tuple[tuple[int, str], ...]) -> None:
    reader = Reader()
    assert reader.done(one) == Doing(kind, parts)
    assert reader.done(one) == Doing(kind, parts), "the same from memory"


NOTHING = [
    started("/bin/nc", evt__rawres=-13),
    event("execve", proc__exepath=""),
    event("openat"),
    event("openat", fd__name=["x"]),
    event("connect"),
    event("listen"),
]


@pytest.mark.parametrize("one", NOTHING, ids=[f"{n}-{e.type}" for n, e in enumerate(NOTHING)])
def test_what_has_no_object_is_passed_over(one: Event) -> None:
    assert Reader().done(one) is None


def test_a_container_is_known_by_its_first_program_from_then_on() -> None:
    reader = Reader()
    early = reader.whose(opened("/etc/hosts"))
    first = reader.whose(opened("/etc/hosts", proc__vpid=1, proc__exepath="/usr/sbin/nginx"))
    later = reader.whose(opened("/etc/hosts", proc__exepath="/bin/cat", proc__vpid=9))
    assert early is not None
    assert early.command == ""
    assert first is not None
    assert first.command == "/usr/sbin/nginx"
    assert later == first


def test_another_namespace_does_not_say_what_a_container_began_with() -> None:
    reader = Reader()

    def whose(namespace: str, exe: str, pid: int) -> str:
        told = opened("/srv/x")
        container = {"container.id": "c" * 12, "container.image": "web"}
        fields = {**told.fields, **container, "proc.exepath": exe, "proc.vpid": pid}
        found = reader.whose(msgspec.structs.replace(told, namespace=namespace, fields=fields))
        assert found is not None
        return found.command

    assert whose("shop", "/bin/evil", 1) == "/bin/evil"
    assert whose("pay", "/usr/sbin/web", 7) == ""
    assert whose("pay", "/usr/sbin/web", 1) == "/usr/sbin/web"


def test_on_a_host_who_starts_a_program_is_who_acts() -> None:
    reader = Reader()
    fields = {"proc__pexepath": "/usr/sbin/nginx", "proc__pcmdline": "nginx"}
    given = reader.whose(event("execve", container="host", proc__exepath="/bin/nc", **fields))
    assert given is not None
    assert given.command == "/usr/sbin/nginx"
    assert reader.whose(event("execve", container="host")) is None


def test_the_tree_of_a_host_is_what_init_started() -> None:
    one = event("openat", container="host", proc__apid=[30, 20, 10, 1])
    assert tree_of(one) == ("n1", 10)
    assert tree_of(event("openat"))[1] == "c0ffee123456"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)  # fmt: skip
NAMES = [
    "proc.exepath", "proc.pexepath", "proc.cmdline", "proc.pcmdline", "proc.aexepath", "proc.apid",
    "proc.vpid", "proc.pid", "container.id", "container.image.repository", "fd.name", "fd.sip",
    "fd.sport", "evt.arg.flags", "evt.arg.name", "evt.rawres",
]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    type_=st.sampled_from(sorted(TYPES)),
    fields=st.dictionaries(st.sampled_from(NAMES), anything, max_size=10),
)
def test_hostile_fields_are_read_or_passed_over(type_: str, fields: dict[str, Any]) -> None:
    one = Event(id="x", ts_ns=1, source="sensor", type=type_, fields=fields)
    reader = Reader()
    workload, doing = reader.whose(one), reader.done(one)
    hash(tree_of(one))
    if workload is not None:
        hash(workload)
        assert all(isinstance(part, str) for part in workload)
    if doing is not None:
        for family, value in doing.parts:
            assert 0 <= family < len(MOST)
            assert isinstance(value, str)
            assert len(value) < 512
