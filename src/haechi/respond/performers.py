"""Which performer carries out which kind of step."""

from __future__ import annotations

from haechi.errors import KubeUnreachable
from haechi.model.response import Want
from haechi.respond.ground import Ground, Site
from haechi.respond.steps.performer import Performer, Unfit


class Performers:
    """For one action."""

    def __init__(self, ground: Ground, site: Site | None, want: Want) -> None:
        self._ground, self._site, self._want = ground, site, want

    def of(self, kind: str) -> Performer:
        """Raises Unfit for what cannot be carried out here."""
        if kind.startswith("kube."):
            return self._kube(kind)
        match kind:
            case "rules":
                from haechi.respond.steps.rule_file import RuleFileStep

                return RuleFileStep(self._ground.state.rules, self._ground.saves)
            case "snapshot":
                from haechi.respond.steps.snapshot import Snapshot

                return Snapshot(self._ground, self._site, self._want)
            case "http":
                from haechi.respond.steps.notify import Notify

                return Notify(self._ground.receivers)
            case "nft" if self._ground.nft is not None:
                from haechi.respond.steps.host_block import HostBlock

                return HostBlock(self._ground.nft)
            case _:
                raise Unfit(f"a step of the kind {kind[:40]!r} cannot be carried out here")

    def _kube(self, kind: str) -> Performer:
        from haechi.respond.steps.kube_apply import KubeApply
        from haechi.respond.steps.kube_patch import KubePatch
        from haechi.respond.steps.kube_pods import KubeRemove, KubeScale

        client = self._site.client if self._site is not None else None
        if client is None:
            # After a start this is so until it is connected, and after that it is a fault.
            name = self._want.cluster
            raise KubeUnreachable(f"the cluster {name} is not connected", do="look at `clusters`")
        match kind:
            case "kube.apply":
                return KubeApply(client)
            case "kube.patch":
                return KubePatch(client)
            case "kube.evict" | "kube.delete":
                return KubeRemove(client, evict=kind == "kube.evict")
            case "kube.scale":
                return KubeScale(client)
            case _:
                raise Unfit(f"a step of the kind {kind[:40]!r} is not known")
