"""Credential plug-ins: programs that a kubeconfig names, which print a token or a certificate.

The program is the user's own choice and runs as kubectl would run it, but it is bounded: an
argument list and no shell, no terminal, a deadline, a limit on what it prints; and haechi's own
variables are not for its eyes. What it printed is never part of an error.
Source: client.authentication.k8s.io/v1 and v1beta1; client-go/plugin/pkg/client/auth/exec.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from haechi.errors import ConfigError, KubeForbidden
from haechi.world.kube.access import Credential, Pem
from haechi.world.kube.credentials import checked_token
from haechi.world.kube.kubeconfig import ExecPlugin

API = "client.authentication.k8s.io"
VERSIONS = (f"{API}/v1", f"{API}/v1beta1")
SECONDS = 60.0
MOST_OUTPUT = 1 << 20
EARLY = dt.timedelta(seconds=20)
"""A token is renewed this long before its end."""
FAILED_S = 10.0
"""After a failure the program is left in peace for so long."""
MODES = ("", "Never", "IfAvailable", "Always")


class _Status(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    token: str = ""
    client_certificate_data: str = ""
    client_key_data: str = ""
    expiration_timestamp: dt.datetime | None = None


class _Credential(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    kind: str
    api_version: str
    status: _Status | None = None


class Plugin:
    """Asks the program when there is nothing that still holds. Thread-safe."""

    def __init__(
        self,
        declared: ExecPlugin,
        *,
        cluster: Mapping[str, Any] | None = None,
        beside: Credential | None = None,
        environ: Mapping[str, str] | None = None,
        where: str = "",
        clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
        seconds: float = SECONDS,
    ) -> None:
        """``cluster`` is told to a program that asks for it. Raises ConfigError."""
        check(declared, where)
        self._declared = declared
        self._cluster = cluster if declared.provide_cluster_info else None
        self._beside = beside or Credential()
        self._environ = os.environ if environ is None else environ
        self._where, self._clock, self._seconds = where, clock, seconds
        self._lock = threading.Lock()
        self._credential: Credential | None = None
        self._until: dt.datetime | None = None
        self._failed: tuple[float, KubeForbidden] | None = None

    def now(self) -> Credential:
        """What the program gave, while it holds. Raises KubeForbidden, ConfigError."""
        with self._lock:
            if self._credential is None or self._is_over():
                self._ask()
            assert self._credential is not None  # noqa: S101
            return self._credential

    def refused(self, shown: Credential) -> bool:
        """Forget what the server refused."""
        with self._lock:
            if self._credential is shown:
                self._credential = None
            return True

    def _is_over(self) -> bool:
        return self._until is not None and self._clock() >= self._until - EARLY

    def _ask(self) -> None:
        if self._failed is not None and time.monotonic() - self._failed[0] < FAILED_S:
            raise self._failed[1]
        try:
            status = self._status(self._output())
        except KubeForbidden as error:
            self._failed = (time.monotonic(), error)
            raise
        self._failed = None
        self._credential = Credential(
            token=checked_token(status.token, self._where) if status.token else self._beside.token,
            certificate=Pem(data=status.client_certificate_data.encode())
            or self._beside.certificate,
            key=Pem(data=status.client_key_data.encode()) or self._beside.key,
        )
        self._until = status.expiration_timestamp

    def _output(self) -> bytes:
        command = self._command()
        environment = {
            name: value for name, value in self._environ.items() if not name.startswith("HAECHI_")
        }
        environment |= {one.name: one.value for one in self._declared.env if one.name}
        environment["KUBERNETES_EXEC_INFO"] = self._info()
        try:
            code, out = _run([command, *self._declared.args], environment, self._seconds)
        except TimeoutError:
            raise self._bad(f"did not end within {self._seconds:g} seconds") from None
        except (OSError, ValueError) as error:
            raise self._bad(f"cannot be started: {type(error).__name__}") from error
        if len(out) > MOST_OUTPUT:
            raise self._bad("printed more than 1 MiB")
        if code != 0:
            raise self._bad(f"failed with code {code}")
        return out

    def _command(self) -> str:
        """Absolute: never found in the current folder by an entry such as ``.`` of PATH."""
        command = self._declared.command
        if "/" in command:
            return command
        paths = self._environ.get("PATH", os.defpath).split(os.pathsep)
        path = os.pathsep.join(one for one in paths if Path(one).is_absolute())
        found = shutil.which(command, path=path)
        if found is None:
            raise self._bad("is not installed, or not in PATH")
        return found

    def _info(self) -> str:
        spec: dict[str, Any] = {"interactive": False}
        if self._cluster is not None:
            spec["cluster"] = self._cluster
        info = {
            "kind": "ExecCredential",
            "apiVersion": self._declared.api_version,
            "spec": spec,
        }
        return msgspec.json.encode(info).decode()

    def _status(self, out: bytes) -> _Status:
        try:
            told = msgspec.json.decode(out, type=_Credential)
        except (msgspec.MsgspecError, RecursionError):
            raise self._bad("printed something else than an ExecCredential") from None
        if told.kind != "ExecCredential" or told.api_version != self._declared.api_version:
            wanted = self._declared.api_version
            raise self._bad(f"answered in another version than {wanted}")
        status = told.status
        if status is None or not (status.token or status.client_certificate_data):
            raise self._bad("gave neither token nor certificate")
        if bool(status.client_certificate_data) != bool(status.client_key_data):
            raise self._bad("gave one of certificate and key without the other")
        until = status.expiration_timestamp
        if until is not None and until.tzinfo is None:
            raise self._bad("gave a time without its zone")
        return status

    def _bad(self, fault: str) -> KubeForbidden:
        name = self._declared.command.rpartition("/")[2][:80]
        hint = " ".join(self._declared.install_hint.split())[:300]
        return KubeForbidden(
            f"the credential plug-in {name} {fault}",
            why="it is asked for credentials without a terminal",
            do=hint or f"run `{name}` by hand as the same user and look at what it says",
            where=self._where,
        )


def check(declared: ExecPlugin, where: str) -> None:
    """What cannot work is said before it is tried. Raises ConfigError."""
    if not declared.command or "\0" in declared.command:
        raise ConfigError("the credential plug-in has no command", where=where)
    if declared.api_version not in VERSIONS:
        raise ConfigError(
            f"the credential plug-in speaks {declared.api_version[:80] or 'no version'}",
            do=f"have it speak {VERSIONS[0]}: newer releases of the plug-in do",
            where=where,
        )
    if declared.interactive_mode not in MODES:
        raise ConfigError(
            f"interactiveMode is {declared.interactive_mode[:80]!r}",
            do="Never, IfAvailable or Always",
            where=where,
        )
    if declared.api_version == VERSIONS[0] and not declared.interactive_mode:
        raise ConfigError(
            "the credential plug-in lacks interactiveMode",
            why=f"{VERSIONS[0]} requires it",
            do="set interactiveMode: IfAvailable",
            where=where,
        )
    if declared.interactive_mode == "Always":
        raise ConfigError(
            "the credential plug-in needs a terminal (interactiveMode: Always)",
            do="use a service account's token or a plug-in that works without one",
            where=where,
        )


def _run(command: list[str], environment: Mapping[str, str], seconds: float) -> tuple[int, bytes]:
    """Code and output (at most a byte more than the limit). The child and what it started end
    with its deadline: a wrapper's children would hold the pipe open. Raises TimeoutError."""
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=dict(environment),
        start_new_session=True,
    ) as child:
        expired = threading.Event()

        def end() -> None:
            expired.set()
            _kill(child)

        timer = threading.Timer(seconds, end)
        timer.daemon = True
        timer.start()
        try:
            assert child.stdout is not None  # noqa: S101
            out = child.stdout.read(MOST_OUTPUT + 1)
            if len(out) > MOST_OUTPUT:
                _kill(child)
            code = child.wait()
        finally:
            timer.cancel()
            _kill(child)
        if expired.is_set():
            raise TimeoutError
        return code, out


def _kill(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, 9)
