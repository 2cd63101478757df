"""``haechi webhook manifest``: from policies to what registers, and runs, the webhook."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from haechi.cli.webhook_serve import NAMESPACE, SERVICE, access_of
from haechi.errors import UsageError

if TYPE_CHECKING:
    from haechi.admit.policies import PolicySet
    from haechi.server.webhook.deployment import Deployment
    from haechi.server.webhook.registration import PluralOf, Registration
    from haechi.world.kube.access import Access


@click.command(name="manifest")
@click.option(
    "--policies",
    multiple=True,
    type=click.Path(path_type=Path, exists=True),
    help="a file or folder of policies; repeatable",
)
@click.option("--pack", "packs", multiple=True, help="a built-in pack; repeatable")
@click.option("--namespace", default=NAMESPACE, show_default=True)
@click.option("--service", default=SERVICE, show_default=True)
@click.option("--configuration", default=SERVICE, show_default=True)
@click.option("--exempt", multiple=True, metavar="NAMESPACE", help="not asked about; repeatable")
@click.option("--timeout", type=click.IntRange(1, 30), default=3, show_default=True, help="seconds")
@click.option("--workloads", is_flag=True, help="warn of workloads whose pods would be refused")
@click.option(
    "--ca-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="authority of your certificate; without it the webhook writes its own",
)
@click.option("--deploy", is_flag=True, help="the objects that run it, too")
@click.option("--image", default="", help="for --deploy: the image, pinned by digest")
@click.option("--replicas", type=click.IntRange(1, 20), default=3, show_default=True)
@click.option("--from-cluster", is_flag=True, help="for --deploy: policies are cluster objects")
@click.option("--crds", is_flag=True, help="definitions of haechi's own kinds of policies, too")
@click.option("--priority-class", default="", help="for --deploy, e.g. system-cluster-critical")
@click.option("--server", default="", help="for --deploy: haechi server told of decisions")
@click.option("--in-cluster", is_flag=True, help="ask this cluster for names of custom kinds")
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="ask the cluster of this file instead",
)
@click.option("--context", default="", help="of the kubeconfig")
def command(**given: Any) -> None:
    """Print YAML that registers the webhook for what the policies match, and nothing else."""
    if not given["policies"] and not given["packs"]:
        raise UsageError("no policies", do="give --policies or --pack: only their kinds are asked")
    from haechi.server.webhook.deployment import objects, service
    from haechi.server.webhook.registration import configurations

    access = access_of(given["in_cluster"], given["kubeconfig"], given["context"])
    policies = _policies(given)
    options = _registration(given)
    hooks = configurations(
        options,
        [one.info for one in policies.policies],
        [one.info for one in policies.mutators],
        _plurals(access),
    )
    if not hooks:
        raise UsageError("these policies match nothing", do="see `haechi policy list`")
    # The hooks last: an entry that fails closed must not be there before what answers it.
    first = (
        objects(options, _deployment(given, policies)) if given["deploy"] else [service(options)]
    )
    if given["crds"] or (given["deploy"] and given["from_cluster"]):
        from haechi.server.webhook.crds import definitions

        first = [*definitions(), *first]
    click.echo(_yaml([*first, *hooks]), nl=False)


def _yaml(documents: list[dict[str, Any]]) -> str:
    """As people write it: no aliases, texts of several lines as blocks."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        style = "|" if "\n" in value else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    dumped: str = yaml.dump_all(
        documents, Dumper=Dumper, sort_keys=False, width=100, explicit_start=True
    )
    return dumped


def _policies(given: dict[str, Any]) -> PolicySet:
    from haechi.admit.load import load_policies
    from haechi.world.manifests import read_manifests

    found = read_manifests(given["policies"])
    policies = load_policies(found.resources, packs=given["packs"])
    for gap in found.gaps:
        click.echo(f"haechi: {gap.path}: {gap.reason}", err=True)
    for fault in policies.faults:
        click.echo(f"haechi: {fault.file}:{fault.line}: {fault.what}", err=True)
    return policies


def _registration(given: dict[str, Any]) -> Registration:
    from haechi.server.webhook.registration import Registration

    bundle = given["ca_file"].read_bytes() if given["ca_file"] is not None else b""
    return Registration(
        namespace=given["namespace"],
        service=given["service"],
        configuration=given["configuration"],
        account=given["service"],
        exempt=given["exempt"],
        timeout_s=given["timeout"],
        workloads=given["workloads"],
        ca_bundle=base64.b64encode(bundle).decode(),
    )


def _deployment(given: dict[str, Any], policies: PolicySet) -> Deployment:
    from haechi.admit.plurals import plural_of
    from haechi.server.webhook.deployment import MOST_CONFIG, Deployment
    from haechi.server.webhook.sources.files import Files

    if not given["image"]:
        raise UsageError("--deploy needs --image", do="name the image by its digest")
    files: dict[str, str] = {}
    if not given["from_cluster"]:
        found = Files(given["policies"]).poll()
        texts = (*found.texts, *found.waivers) if found is not None else ()
        for number, text in enumerate(texts):
            files[f"{number:03}-{Path(text.name).name}"] = text.data.decode("utf-8", "replace")
        if sum(len(text.encode()) for text in files.values()) > MOST_CONFIG:
            raise UsageError(
                "the policies are too large for a ConfigMap",
                do="apply them to the cluster and use --from-cluster, or mount a repository",
            )
    reads = {(group, plural_of(group, kind)) for group, kind in policies.reads}
    return Deployment(
        image=given["image"],
        replicas=given["replicas"],
        files=files,
        packs=given["packs"],
        reads=tuple(sorted(reads)),
        priority_class=given["priority_class"],
        server=given["server"],
    )


def _plurals(access: Access | None) -> PluralOf:
    """Names of kinds in paths: the cluster's own where it can be asked."""
    from haechi.admit.plurals import plural_of

    if access is None:
        return plural_of
    from haechi.errors import KubeNotFound
    from haechi.world.kube.client import KubernetesClient

    with KubernetesClient(access) as client:
        client.discovery.found()

    def asked(group: str, kind: str) -> str:
        try:
            return client.discovery.kind(group, kind).plural
        except KubeNotFound:
            return plural_of(group, kind)

    return asked
