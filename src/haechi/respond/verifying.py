"""What an action has achieved: looked at after it was applied, and again until it ends.

Not what was done counts but what is so: labels may have been put back by a controller, policies
added, pods started since.
"""

from __future__ import annotations

import msgspec

from haechi.model.response import ActionKind, Flow, StepState
from haechi.respond.ground import Ground, Site
from haechi.respond.lingering import lingering
from haechi.respond.performers import Performers
from haechi.respond.steps.performer import Standing
from haechi.store.state.action_records import StoredAction

CONTAINED, NOT_CONTAINED, DONE, CHANGED = "contained", "not_contained", "done", "changed"
_LOOKED_AT = frozenset({"kube.apply", "kube.patch", "kube.scale", "nft", "rules"})
_MOST = 5


class Achieved(msgspec.Struct, frozen=True, kw_only=True):
    """``outcome`` is one of the words above; ``says`` is for people."""

    outcome: str
    says: str
    residual: tuple[Flow, ...] = ()


def achieved(action: StoredAction, ground: Ground, site: Site | None) -> Achieved:
    """Look at the world. Raises HaechiError when it cannot be looked at."""
    changed = _changed(action, Performers(ground, site, action.want))
    if action.kind is not ActionKind.ISOLATE or site is None:
        words = "; ".join(changed)
        return Achieved(outcome=CHANGED if changed else DONE, says=words)
    from haechi.checks.reach import recognise
    from haechi.respond.isolate import verify

    keys = dict.fromkeys((*(step.target for step in action.steps), *action.plan.touches))
    objects = site.fresh(tuple(keys)[:500])
    found = verify(
        objects,
        action.resource,
        pods=action.want.pods or None,
        enforcement=recognise(objects),
        action_id=action.id,
        gaps=site.gaps,
    )
    residual = (*found.residual, *lingering(action, ground))
    contained = found.contained and not residual
    words = "; ".join([*changed, *(flow_words(one) for one in residual[:_MOST])])
    return Achieved(
        outcome=CONTAINED if contained else NOT_CONTAINED,
        says=words or ("" if contained else "; ".join(found.warnings[:_MOST])),
        residual=residual,
    )


def _changed(action: StoredAction, performers: Performers) -> list[str]:
    """Steps that do not stand as they were applied."""
    found = []
    for step in action.steps:
        if step.state is not StepState.APPLIED or step.kind not in _LOOKED_AT:
            continue
        standing = performers.of(step.kind).standing(step)
        if standing is not Standing.APPLIED and step.inverse is not None:
            words = "is gone" if standing is Standing.ABSENT else "was changed by somebody else"
            found.append(f"{action.plan.steps[step.place].says}: this {words}")
    return found


def flow_words(flow: Flow) -> str:
    """A flow in a line."""
    way = "from" if flow.direction == "ingress" else "to"
    because = f" ({', '.join(flow.because[:3])})" if flow.because else ""
    return f"{flow.direction} {way} {flow.peer} {flow.ports}{because}"
