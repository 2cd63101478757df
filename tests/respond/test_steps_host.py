"""Blocks on this host by nftables, in a network namespace of their own; requests to receivers."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from haechi.model.response import StepState
from haechi.respond.steps.host_block import HostBlock
from haechi.respond.steps.notify import Notify, Receiver, Undelivered
from haechi.respond.steps.performer import Standing, Unfit
from haechi.store.state.action_records import StoredStep
from haechi.world.nft import Nft, NftError
from tests.fakes.receivers.web import Answer, web


def step(kind: str, body: Any, id_: str = "a-1-0") -> StoredStep:
    return StoredStep(
        id=id_, place=0, kind=kind, target="host:-/here", body=body, inverse=None,
        state=StepState.PLANNED, attempts=0, changed=dt.datetime.now(dt.UTC),
    )  # fmt: skip


@pytest.fixture
def nft() -> Iterator[Nft]:
    """In a network namespace that goes away."""
    name = f"haechi-{os.getpid()}"
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("a network namespace needs root and iproute2")
    if not Nft().there():
        pytest.skip("nft is not installed")
    if subprocess.run(["ip", "netns", "add", name], check=False, capture_output=True).returncode:
        pytest.skip("no network namespace can be made here")
    made = Nft(prefix=("ip", "netns", "exec", name))
    try:
        try:
            made.block("192.0.2.1", "probe", check=True)
        except NftError as error:
            pytest.skip(f"this kernel has no nf_tables: {error.why}")
        yield made
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False)


@pytest.mark.parametrize("address", ["203.0.113.9", "2001:db8::9"])
def test_an_address_is_blocked_and_let_go_again(nft: Nft, address: str) -> None:
    host, one = HostBlock(nft), step("nft", {"address": address})
    assert host.prepare(one) == {"address": address, "comment": "a-1"}
    assert nft.blocked() == {} and host.standing(one) is Standing.ABSENT
    host.apply(one)
    host.apply(one)  # again changes nothing
    assert nft.blocked() == {address: "a-1"} and host.standing(one) is Standing.APPLIED
    other = step("nft", {"address": "198.51.100.7"}, "a-2-0")
    host.apply(other)
    with pytest.raises(Unfit, match="already"):
        host.prepare(step("nft", {"address": address}, "a-2-1"))
    assert host.undo(step("nft", {"address": address}, "a-2-1")) != ""  # somebody else's
    assert host.undo(one) == "" and nft.blocked() == {"198.51.100.7": "a-2"}
    assert host.undo(other) == "" and host.undo(other) == ""
    assert nft._list() == []  # the table is gone with its last element


def test_packets_are_dropped(nft: Nft) -> None:
    """To an address of the namespace itself, which answers without a network."""
    prefix = nft._prefix
    subprocess.run([*prefix, "ip", "link", "set", "lo", "up"], check=True)
    subprocess.run([*prefix, "ip", "addr", "add", "203.0.113.9/32", "dev", "lo"], check=True)
    script = (
        "import socket; s=socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(0.5);"
        "s.bind(('203.0.113.9', 0)); s.sendto(b'x', s.getsockname()); s.recv(1)"
    )
    command = [*prefix, "python3", "-c", script]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0
    HostBlock(nft).apply(step("nft", {"address": "203.0.113.9"}))
    assert subprocess.run(command, check=False, capture_output=True).returncode != 0
    HostBlock(nft).undo(step("nft", {"address": "203.0.113.9"}))
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0


@pytest.mark.parametrize("body", [{}, {"address": "x; drop"}, {"address": "10.0.0.0/8"}, None])
def test_what_is_no_address_is_refused(body: Any) -> None:
    with pytest.raises(Unfit):
        HostBlock(Nft()).prepare(step("nft", body))


@contextmanager
def receiver(status: int) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A web server that notes what it gets."""
    got: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            got.append(dict(self.headers) | {"body": self.rfile.read(length).decode()})
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/hook", got
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_request_goes_out_once_with_its_key_and_token(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("zq-secret\n")
    body = {"receiver": "soar", "data": {"incident": "i-1"}}
    with receiver(200) as (url, got):
        notify = Notify({"soar": Receiver(url=url, token_file=str(token))})
        one = step("http", body)
        assert notify.prepare(one) is None and notify.standing(one) is Standing.UNKNOWN
        assert "200" in notify.apply(one)
    assert len(got) == 1 and got[0]["body"] == '{"incident":"i-1"}'
    assert (got[0]["Idempotency-Key"], got[0]["Authorization"]) == ("a-1-0", "Bearer zq-secret")


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_refusal_is_told(status: int) -> None:
    with receiver(status) as (url, _):
        notify = Notify({"soar": Receiver(url=url)})
        with pytest.raises(Undelivered, match=str(status)):
            notify.apply(step("http", {"receiver": "soar", "data": {}}))


def test_a_receiver_that_drips_does_not_hold_the_one_who_undoes() -> None:
    with web(lambda asked: Answer(body=b"x" * 400, drip=0.1)) as server:
        notify = Notify({"soar": Receiver(url=server.url)}, seconds=1.0)
        with pytest.raises(Undelivered, match="may or may not"):
            notify.apply(step("http", {"receiver": "soar", "data": {}}))
        assert len(server.asked) == 1


def test_nothing_goes_out_in_clear_unless_it_is_said() -> None:
    notify = Notify({"soar": Receiver(url="http://soar.example/x")})
    with pytest.raises(Undelivered, match="https"):
        notify.apply(step("http", {"receiver": "soar", "data": {}}))


def test_no_answer_is_no_yes_and_no_no() -> None:
    notify = Notify({"soar": Receiver(url="http://127.0.0.1:9/x")})
    with pytest.raises(Undelivered, match="may or may not"):
        notify.apply(step("http", {"receiver": "soar", "data": {}}))
    with pytest.raises(Unfit, match="no receiver"):
        notify.prepare(step("http", {"receiver": "other", "data": {}}))
