"""``haechi webhook replay``: recorded requests put to a webhook that is started for them."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import socket
import ssl
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from haechi.errors import InputError, UsageError

if TYPE_CHECKING:
    from haechi.server.webhook.serve import Webhook

EPILOG = """\b
Examples:
  haechi webhook replay reviews.jsonl --policies policies/
  haechi webhook replay reviews.jsonl --pack sensible --known cluster/ --server http://127.0.0.1:8420

\b
FILE holds one AdmissionReview a line. The webhook listens on this machine alone, with
certificates of its own, and is gone afterwards. --known is a folder with the cluster's
objects (kubectl get -A -o yaml): Namespaces, and what policies look up.
Exit codes: 0 all were answered, 2 wrong use, 3 some could not be judged.
"""
_START_S, _MOST_LINE = 60.0, 4 << 20
_ERROR = 500
"""What a policy that fails closed answers when it could not be judged."""
_NAME = "haechi-webhook.haechi.svc"


@click.command(name="replay", epilog=EPILOG)
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--policies", multiple=True, type=click.Path(path_type=Path, exists=True))
@click.option("--pack", "packs", multiple=True, help="a built-in pack; repeatable")
@click.option("--known", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--cluster-name", default="", help="as the haechi server calls this cluster")
@click.option("--server", default="", help="haechi server that is told of decisions")
@click.pass_context
def command(ctx: click.Context, /, file: Path, **given: Any) -> None:
    """Ask a webhook of these policies with the requests of FILE, and tell what it said."""
    if not given["policies"] and not given["packs"]:
        raise UsageError("no policies", do="give --policies or --pack")
    with tempfile.TemporaryDirectory(prefix="haechi-door-") as folder:
        counts = asyncio.run(_replayed(file, Path(folder), given))
    said = ", ".join(f"{number} {name}" for name, number in sorted(counts.items()))
    total = sum(counts.values())
    word = "request" if total == 1 else "requests"
    click.echo(f"{total} {word} at the door: {said or 'none'}")
    ctx.exit(3 if counts["not judged"] else 0)


async def _replayed(file: Path, folder: Path, given: dict[str, Any]) -> Counter[str]:
    from haechi.cli.webhook_serve import command as serving
    from haechi.cli.webhook_serve import made, tell

    # What is not said here is as `haechi webhook serve` has it.
    served_so = serving.make_context("serve", [], resilient_parsing=True).params
    options = {
        **served_so,
        **given,
        "listen": "127.0.0.1:0",
        "certificates": folder,
        "workers": 1,
    }
    hook = made(options, None)
    tell(hook, options)
    stop, port = asyncio.Event(), asyncio.get_running_loop().create_future()
    served = asyncio.create_task(hook.run(ready=port.set_result, stop=stop))
    try:
        await asyncio.wait((served, port), return_when=asyncio.FIRST_COMPLETED)
        if served.done():
            await served  # raises what kept it from beginning
        await _until_ready(hook, given["known"])
        return await asyncio.to_thread(_asked, file, port.result(), folder / "ca.crt")
    finally:
        stop.set()
        await served


async def _until_ready(hook: Webhook, known: Path | None) -> None:
    from haechi.server.webhook.frames import Changes, Known

    ends = time.monotonic() + _START_S
    while not hook.ready()[0]:
        if time.monotonic() > ends:
            raise UsageError("the webhook does not become ready", why=str(hook.ready()[1]["why"]))
        await asyncio.sleep(0.02)
    if known is not None:
        from haechi.world.kube.dump import read_dump

        objects = [
            Known(
                one["apiVersion"], one["kind"], r.namespace or "", r.name, json.dumps(one).encode()
            )
            for r in read_dump(known, "").objects()
            for one in (r.data,)
        ]
        hook.tell(Changes(objects, []))
        await hook.knows()


def _asked(file: Path, port: int, authority: Path) -> Counter[str]:
    """Both groups are asked, as an API server would; refused by one is refused."""
    counts: Counter[str] = Counter()
    context = ssl.create_default_context(cafile=str(authority))
    with socket.create_connection(("127.0.0.1", port)) as plain:
        door = http.client.HTTPConnection(_NAME)
        door.sock = context.wrap_socket(plain, server_hostname=_NAME)
        with contextlib.closing(door):
            for body in _lines(file):
                answers = [_answer(door, f"/admit/{group}", body) for group in ("fail", "ignore")]
                counts[_outcome(answers)] += 1
    return counts


def _lines(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            if len(line) > _MOST_LINE:
                raise InputError("the request is larger than 4 MiB", where=f"{file}:{number}")
            if line.strip():
                yield line


def _answer(door: http.client.HTTPConnection, path: str, body: bytes) -> dict[str, Any]:
    door.request("POST", path, body, {"content-type": "application/json"})
    answer = door.getresponse()
    data = answer.read()
    if answer.status != 200:
        return {"allowed": False, "status": {"code": _ERROR}}
    response: dict[str, Any] = json.loads(data).get("response") or {}
    return response


def _outcome(answers: Sequence[dict[str, Any]]) -> str:
    codes = [(a.get("status") or {}).get("code") for a in answers if not a.get("allowed")]
    if any(code != _ERROR for code in codes):
        return "refused"
    if codes:
        return "not judged"
    return "warned" if any(answer.get("warnings") for answer in answers) else "let in"
