"""``haechi webhook certs``: what is served, until when, and whether API servers trust it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import click

from haechi.cli.webhook_serve import access_of, in_cluster_options
from haechi.errors import ConfigError


@click.command(name="certs")
@click.option(
    "--certificates",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="folder of the webhook's own certificates",
)
@click.option("--renew", is_flag=True, help="make or renew what is due, as the webhook would")
@click.option("--bundle", is_flag=True, help="print what API servers must trust (PEM), only that")
@in_cluster_options
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:
    """Show the certificates of a folder, and what stands in the cluster's configurations.

    Exit code 1 when what is served is not trusted there.
    """
    from cryptography import x509

    from haechi.server.webhook.certificates.authority import fingerprint, pem, service_names
    from haechi.server.webhook.certificates.keeper import Keeper

    names = service_names(given["service"], given["namespace"])
    folder, now = given["certificates"], dt.datetime.now(dt.UTC)
    if given["renew"]:
        Keeper(folder, names).step(now)
    found = {
        name: x509.load_pem_x509_certificate((folder / f"{name}.crt").read_bytes())
        for name in ("tls", "ca", "next", "old")
        if (folder / f"{name}.crt").exists()
    }
    if "tls" not in found:
        raise ConfigError(
            "there is no certificate yet",
            do="start `haechi webhook serve` with this folder, or add --renew",
            where=str(folder),
        )
    if given["bundle"]:
        click.echo(pem(found[name] for name in found if name != "tls").decode(), nl=False)
        return
    words = {"tls": "served", "ca": "authority", "next": "next authority", "old": "old authority"}
    for name, one in found.items():
        left = one.not_valid_after_utc - now
        click.echo(
            f"{words[name]:<16} until {one.not_valid_after_utc:%Y-%m-%d %H:%M} UTC "
            f"({left.days} days)  sha256 {fingerprint(one)[:16]}…"
        )
    ctx.exit(_trusted(given, found, now))


def _trusted(given: dict[str, Any], found: dict[str, Any], now: dt.datetime) -> int:
    from haechi.server.webhook.certificates.authority import fingerprint, is_issued_by
    from haechi.server.webhook.certificates.bundle import Trust
    from haechi.world.kube.client import KubernetesClient

    access = access_of(given["in_cluster"], given["kubeconfig"], given["context"])
    if access is None:
        return 0
    with KubernetesClient(access) as client:
        trust = Trust(client, given["configuration"])
        trust.step((), (), now)
    issuers = [
        name
        for name in ("ca", "next", "old")
        if name in found and is_issued_by(found["tls"], found[name])
    ]
    trusted = any(fingerprint(found[name]) in trust.confirmed for name in issuers)
    living = found["tls"].not_valid_after_utc > now
    click.echo(trust.fault or f"API servers trust {len(trust.confirmed)} certificates")
    click.echo(
        "what is served is trusted" if trusted and living else "what is served is NOT trusted"
    )
    return 0 if trusted and living else 1
