"""``nft``: an address that this host drops. The body is ``{"address": "203.0.113.9"}``."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from haechi.respond.steps.kube_apply import action_of
from haechi.respond.steps.performer import Standing, Unfit
from haechi.store.state.action_records import StoredStep

if TYPE_CHECKING:
    from haechi.world.nft import Nft


class HostBlock:
    """See ``Performer``."""

    def __init__(self, nft: Nft) -> None:
        self._nft = nft

    def prepare(self, step: StoredStep) -> Any:
        """Sure that nobody blocks it already: whoever did would lose it by our undo."""
        address = _address(step)
        owner = self._nft.blocked().get(address)
        if owner is not None and owner != action_of(step):
            raise Unfit(f"{address} is blocked on this host already", why=f"by {owner or '?'}")
        self._nft.block(address, action_of(step), check=True)
        return {"address": address, "comment": action_of(step)}

    def apply(self, step: StoredStep) -> str:
        """Adding it again changes nothing."""
        self._nft.block(_address(step), action_of(step))
        return ""

    def standing(self, step: StoredStep) -> Standing:
        """By the element and its comment."""
        mine = self._nft.blocked().get(_address(step)) == action_of(step)
        return Standing.APPLIED if mine else Standing.ABSENT

    def undo(self, step: StoredStep) -> str:
        """Take our element away."""
        address = _address(step)
        owner = self._nft.blocked().get(address)
        if owner is None:
            return ""
        if owner != action_of(step):
            return f"{address} is blocked by {owner or 'somebody else'} by now: it is left so"
        self._nft.allow(address, owner)
        return ""


def _address(step: StoredStep) -> str:
    try:
        return str(ipaddress.ip_address(step.body["address"]))
    except (KeyError, TypeError, ValueError):
        raise Unfit("the step names no IP address") from None
