"""A response: an action as typed steps, each with its inverse, and what it achieved.

Invariant 7 of the design: a step's inverse and its idempotency key are saved before it is applied;
what could not be achieved is said (``not_contained``), never assumed.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec


class Stage(StrEnum):
    """How far a response goes by itself, in this order."""

    OBSERVE = "observe"  # note what would be done
    RECOMMEND = "recommend"  # make and show the plan; a person may approve it. The default
    APPROVE = "approve"  # ask for approval (alerts say so), then apply
    ENFORCE = "enforce"  # apply at once


class ActionKind(StrEnum):
    """What can be done."""

    ISOLATE = "isolate_workload"
    BLOCK = "block_address"
    LIMIT = "limit_traffic"
    MONITOR = "enhanced_monitoring"
    VERBOSE = "verbose_logging"
    SNAPSHOT = "evidence_snapshot"
    CORDON = "cordon_node"
    EVICT = "evict_pod"
    DELETE = "delete_pod"
    SCALE_TO_ZERO = "scale_to_zero"
    WEBHOOK = "webhook"


IRREVERSIBLE = frozenset({ActionKind.EVICT, ActionKind.DELETE, ActionKind.WEBHOOK})
"""Never automatic unless the policy names them. (Scaling is undone by the saved replicas, but
what ran is gone: the policy has to name it, too.)"""


class ActionState(StrEnum):
    """The life of an action."""

    OBSERVED = "observed"  # would have been done
    RECOMMENDED = "recommended"  # waits for a person, who need not come
    WAITING = "waiting"  # approval was asked for
    APPROVED = "approved"  # to be applied next
    APPLYING = "applying"
    APPLIED = "applied"  # verified; runs until it expires
    UNDOING = "undoing"
    UNDONE = "undone"
    REFUSED = "refused"  # a check said no
    DISMISSED = "dismissed"  # a person said no
    FAILED = "failed"  # could not be applied; what was applied of it is undone
    STUCK = "stuck"  # could not be undone: a person is needed, and told


class StepState(StrEnum):
    """The life of a step. ``applying`` and ``undoing`` are written down before the world is
    touched, so after a crash the world is asked what happened."""

    PLANNED = "planned"
    APPLYING = "applying"
    APPLIED = "applied"
    UNDOING = "undoing"
    UNDONE = "undone"
    FAILED = "failed"


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One change. ``kind`` names the performer:

    ``kube.apply``  server-side apply of ``body`` (a whole object) under the field manager
                    ``haechi-respond``; inverse ``kube.delete``
    ``kube.patch``  JSON patch with tests of what is there now (``body`` = list of operations);
                    inverse ``kube.patch`` with the saved values
    ``kube.delete`` / ``kube.evict`` / ``kube.scale``
    ``nft``         rules of one table of our own on this host
    ``rules``       a file of runtime rules saved under a name; inverse: its removal
    ``snapshot``    evidence put by; no inverse is needed
    ``http``        a request to a receiver of the configuration

    ``target`` is a ``Resource.key`` (or what the kind names). ``inverse`` is None only where
    ``reversible`` is false. ``says`` is one line for people.
    """

    id: str
    kind: str
    target: str
    body: Any
    says: str
    inverse: Any = None
    reversible: bool = True


class Want(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for, from which a plan can be made again when the world has changed.

    ``pods`` are names; empty means all of the workload. ``address`` is an IP address (block,
    limit). ``container_id``, ``node`` and ``since_ns`` say where and since when it happened
    (evidence), ``pids`` in which processes. ``rules`` are the names of the rules that led here,
    ``receiver`` names where a webhook goes. ``alone``: no evidence is put by first.
    """

    kind: ActionKind
    cluster: str
    namespace: str
    resource: str
    pods: tuple[str, ...] = ()
    address: str = ""
    node: str = ""
    container_id: str = ""
    pids: tuple[int, ...] = ()
    incident: str = ""
    rules: tuple[str, ...] = ()
    receiver: str = ""
    since_ns: int = 0
    alone: bool = False


class Said(StrEnum):
    """What a check says. What cannot be told is never a yes."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"
    ACCEPTED = "accepted"  # it said no, and a person took it upon themselves


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One look before an action. ``says`` is for people; ``acceptable``: a person may go on in
    spite of it, automation never does."""

    name: str
    said: Said
    says: str
    acceptable: bool = False

    @property
    def bars(self) -> bool:
        """True when it stands in the way."""
        return self.said in (Said.NO, Said.UNKNOWN)


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """Traffic that would still pass. ``direction`` is ``ingress`` or ``egress``; ``peer`` names
    who (``any``, ``10.0.0.0/8``, ``namespace shop pods app=web``, ``node``), ``ports`` what
    (``tcp/443``, ``any``), ``because`` the policies or facts that let it through."""

    direction: str
    peer: str
    ports: str
    because: tuple[str, ...]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Steps in order, and what they will achieve.

    ``contained``: the model says that no new connection passes after the steps; ``residual`` names
    what still does (never empty when ``contained`` is false and the plan is an isolation).
    ``warnings`` name what no plan can promise (established connections, a network plug-in that may
    not enforce). ``touches`` are the keys of everything that is changed or hit (blast radius).
    """

    action: ActionKind
    resource: str
    steps: tuple[Step, ...]
    says: str
    contained: bool | None = None
    residual: tuple[Flow, ...] = ()
    warnings: tuple[str, ...] = ()
    touches: tuple[str, ...] = ()
