"""Who may talk to whom, over all policies of a cluster at once.

``network_of(objects)`` reads pods, namespaces and every kind of policy; ``may_pass`` says what may
pass to or from one pod as sets of peers and ports; ``may_talk`` asks about two pods. Answers err
to one side only: what passes is always among what may pass.
"""

from haechi.checks.reach.enforcement import Enforcement, recognise
from haechi.checks.reach.network import Network, network_of
from haechi.checks.reach.pods import Pod
from haechi.checks.reach.policy import DIRECTIONS, EGRESS, INGRESS
from haechi.checks.reach.talk import may_talk
from haechi.checks.reach.traffic import Piece
from haechi.checks.reach.verdict import may_pass

__all__ = [
    "DIRECTIONS",
    "EGRESS",
    "INGRESS",
    "Enforcement",
    "Network",
    "Piece",
    "Pod",
    "may_pass",
    "may_talk",
    "network_of",
    "recognise",
]
