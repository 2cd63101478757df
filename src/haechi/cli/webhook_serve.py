"""``haechi webhook serve``: options → the webhook's process."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ipaddress
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from haechi.errors import UsageError

if TYPE_CHECKING:
    from haechi.client.http import Client
    from haechi.server.webhook.serve import Options, Webhook
    from haechi.server.webhook.sources import Source
    from haechi.world.kube.access import Access

CONFIGURATION, SERVICE, NAMESPACE = "haechi-webhook", "haechi-webhook", "haechi"
REPLICA = "HOSTNAME"


def in_cluster_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that say which cluster, and what the webhook is called there."""
    several = [
        click.option("--namespace", default=NAMESPACE, show_default=True, help="of the service"),
        click.option("--service", default=SERVICE, show_default=True, help="its name"),
        click.option(
            "--configuration",
            default=CONFIGURATION,
            show_default=True,
            help="name of the webhook configurations",
        ),
        click.option("--in-cluster", is_flag=True, help="speak to the cluster this runs in"),
        click.option(
            "--kubeconfig",
            type=click.Path(path_type=Path, exists=True, dir_okay=False),
            help="speak to the cluster of this file instead",
        ),
        click.option("--context", default="", help="of the kubeconfig"),
    ]
    for option in reversed(several):
        command = option(command)
    return command


@click.command(name="serve")
@click.option(
    "--policies",
    multiple=True,
    type=click.Path(path_type=Path, exists=True),
    help="a file or folder of policies, read again when it changes; repeatable",
)
@click.option(
    "--git",
    "repository",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="a git repository on this machine, read at --ref",
)
@click.option("--ref", default="HEAD", show_default=True, help="branch, tag or commit of --git")
@click.option("--within", default="", help="folder inside of --git")
@click.option("--cluster", "from_cluster", is_flag=True, help="policies are objects of the cluster")
@click.option("--pack", "packs", multiple=True, help="a built-in pack; repeatable")
@click.option(
    "--waivers",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="a haechi.waivers.yaml; beside policies in files it is found by its name",
)
@click.option("--listen", default="0.0.0.0:8443", show_default=True, metavar="ADDRESS:PORT")
@in_cluster_options
@click.option(
    "--certificates",
    type=click.Path(path_type=Path, file_okay=False),
    help="folder for certificates that haechi makes and renews itself",
)
@click.option("--cert", type=click.Path(path_type=Path), help="your certificate chain (PEM)")
@click.option("--key", type=click.Path(path_type=Path), help="its key (PEM)")
@click.option(
    "--client-ca",
    type=click.Path(path_type=Path, exists=True),
    help="only clients with a certificate of this authority may connect",
)
@click.option("--workers", type=click.IntRange(1, 64), help="evaluators  [processors]")
@click.option("--queue", type=click.IntRange(1, 10_000), default=256, show_default=True)
@click.option(
    "--policy-deadline",
    type=click.FloatRange(0.05, 25),
    default=1.0,
    show_default=True,
    help="seconds for one policy",
)
@click.option(
    "--memory", type=click.IntRange(128, 8192), default=512, show_default=True, help="MiB each"
)
@click.option("--cluster-name", default="", help="as the haechi server calls this cluster")
@click.option("--server", default="", help="haechi server: told of decisions, asked for waivers")
@click.option(
    "--token-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="token for --server (or HAECHI_TOKEN_FILE)",
)
@click.option(
    "--decisions",
    type=click.Path(path_type=Path, dir_okay=False),
    help="append decisions to this file (64 MiB, then .1)",
)
@click.option("--no-bodies", is_flag=True, help="decisions are told without the request")
def command(**given: Any) -> None:
    """Answer AdmissionReviews by policies, until SIGTERM."""
    try:
        import haechi.server.webhook.serve as _  # noqa: F401
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "haechi":
            raise
        raise UsageError(
            f"the webhook needs {error.name}, which is not installed",
            do="pip install 'haechi[server]'",
        ) from error
    access = access_of(given["in_cluster"], given["kubeconfig"], given["context"])
    hook = made(given, access)
    tell(hook, given)
    with _logged(), contextlib.suppress(KeyboardInterrupt):
        asyncio.run(hook.run(ready=_listening))


def _listening(port: int) -> None:
    """What was loaded until now stays: looking through it for garbage would hold up reviews."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)
    click.echo(f"listening on port {port}")


def access_of(in_cluster: bool, kubeconfig: Path | None, context: str) -> Access | None:
    """Access to the cluster that was named; None when none was. Raises ConfigError."""
    if in_cluster and kubeconfig is not None:
        raise UsageError("--in-cluster and --kubeconfig name two clusters", do="name one")
    if not in_cluster and kubeconfig is None and not context:
        return None
    from haechi.world.kube import config

    if in_cluster:
        return config.in_cluster()
    return config.from_kubeconfig(kubeconfig, context=context)


def made(given: dict[str, Any], access: Access | None) -> Webhook:
    """The webhook that the options describe. Raises UsageError, ConfigError."""
    from haechi.server.webhook.certificates.bundle import Trust
    from haechi.server.webhook.serve import Webhook
    from haechi.world.kube.client import KubernetesClient

    options = _options(given)
    trust = None
    if access is not None:
        trust = Trust(KubernetesClient(access), given["configuration"])
    _require_one_source(given)
    if access is None:
        if given["from_cluster"]:
            raise UsageError("--cluster needs a cluster", do="add --in-cluster or --kubeconfig")
        plain = _source(given)
        if given["waivers"] is not None:
            from haechi.server.webhook.sources.waivers import WithWaivers

            plain = WithWaivers(plain, given["waivers"])
        return Webhook(options, plain, trust=trust)
    from haechi.server.webhook.sources.cluster import Beside, ClusterSource

    objects = ClusterSource(access, policies=given["from_cluster"])
    followed = objects if given["from_cluster"] else Beside(_source(given), objects)
    source: Source = followed
    if given["waivers"] is not None:
        from haechi.server.webhook.sources.waivers import ClusterWithWaivers

        source = ClusterWithWaivers(followed, given["waivers"])
    hook = Webhook(options, source, trust=trust)
    objects.tell = hook.tell
    if given["from_cluster"]:
        from haechi.server.webhook.reporting import Reporting

        hook.reporting = Reporting(
            KubernetesClient(access),
            replica(),
            counted=lambda result: hook.figures.count("status_writes", result=result),
        )
    return hook


def _source(given: dict[str, Any]) -> Source:
    if given["repository"] is not None:
        from haechi.server.webhook.sources.repository import Repository

        return Repository(given["repository"], given["ref"], within=given["within"])
    from haechi.server.webhook.sources.files import Files

    return Files(given["policies"], settle=True)


def _require_one_source(given: dict[str, Any]) -> None:
    chosen = [
        name
        for name, value in (
            ("--policies", given["policies"]),
            ("--git", given["repository"]),
            ("--cluster", given["from_cluster"]),
        )
        if value
    ]
    if len(chosen) > 1 or not (chosen or given["packs"]):
        raise UsageError(
            f"policies come from one place, not from {len(chosen)}",
            do="give --policies, --git or --cluster (and --pack, which goes with each)",
        )


def _options(given: dict[str, Any]) -> Options:
    from haechi.server.webhook.jobs import Limits
    from haechi.server.webhook.serve import Options

    own, cert, key = given["certificates"], given["cert"], given["key"]
    if (cert is None) != (key is None) or (own is None) == (cert is None):
        raise UsageError(
            "it must be clear which certificate is served",
            do="give --certificates FOLDER (haechi makes them), or --cert and --key (yours)",
        )
    address, port = _place(given["listen"])
    return Options(
        address=address,
        port=port,
        service=given["service"],
        namespace=given["namespace"],
        configuration=given["configuration"],
        certificates=own,
        certificate=cert,
        key=key,
        client_ca=given["client_ca"],
        packs=given["packs"],
        memory_bytes=given["memory"] << 20,
        limits=Limits(
            workers=given["workers"] or len(os.sched_getaffinity(0)),
            queue=given["queue"],
            policy_s=given["policy_deadline"],
            review_s=2 * given["policy_deadline"],
        ),
        cluster=given["cluster_name"],
        records=bool(given["server"] or given["decisions"]),
        bodies=not given["no_bodies"],
    )


def _place(text: str) -> tuple[str, int]:
    address, _, port = text.rpartition(":")
    address = address.strip("[]") or "0.0.0.0"  # noqa: S104 - the default of the option
    try:
        ipaddress.ip_address(address)
    except ValueError as error:
        raise UsageError(f"--listen {text!r} names no address", do="write ADDRESS:PORT") from error
    if not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"--listen {text!r} has no port", do="write ADDRESS:PORT")
    return address, int(port)


def tell(hook: Webhook, given: dict[str, Any]) -> None:
    """Where decisions are told, and where waivers are asked for."""
    if not (given["server"] or given["decisions"]):
        return
    from haechi.server.webhook.telling import Lines, Telling

    client = None
    if given["server"]:
        from haechi.server.webhook.sources.store import StoreWaivers

        client = _client(given)
        # A connection of its own: the other one is closed by whoever tells.
        hook.waivers = StoreWaivers(_client(given), given["cluster_name"])
    hook.telling = Telling(
        state=hook.state,
        client=client,
        lines=Lines(given["decisions"]) if given["decisions"] is not None else None,
        cluster=given["cluster_name"],
        replica=replica(),
        dropped=lambda reason: hook.figures.count("decisions_dropped", reason=reason),
    )
    hook.telling.start()


def replica() -> str:
    """What this replica is called: the pod's name."""
    return os.environ.get(REPLICA) or socket.gethostname()


def _client(given: dict[str, Any]) -> Client:
    from haechi.client.http import Client
    from haechi.client.settings import connection

    environ = dict(os.environ)
    if given["token_file"] is not None:
        environ.pop("HAECHI_TOKEN", None)
        environ["HAECHI_TOKEN_FILE"] = str(given["token_file"])
    return Client(given["server"], connection(given["server"], environ=environ).token)


@contextlib.contextmanager
def _logged() -> Any:
    from haechi.server.logs import set_up, take_down

    handler = set_up(level="info", form="json" if os.environ.get("HAECHI_LOG_JSON") else "text")
    try:
        yield
    finally:
        take_down(handler)
