"""Pod Security Admission: what upstream's plug-in does, as a policy among others.

``load`` puts ``pod-security/labels`` in force when a configuration of the plug-in is among the
documents, or a Namespace with its labels. A level for everything, whatever
namespaces say, is a pack (``haechi.admit.packs``).
"""

from __future__ import annotations

from collections.abc import Sequence

from haechi.admit.pod_security.admission import ID, NamespaceLabels
from haechi.admit.pod_security.configuration import Configuration, read_configuration
from haechi.admit.pod_security.labels import Modes, Standard, asks, modes_of
from haechi.admit.policy import Loaded
from haechi.model.resource import Resource

__all__ = [
    "ID",
    "Configuration",
    "Modes",
    "NamespaceLabels",
    "Standard",
    "asks",
    "load",
    "modes_of",
    "read_configuration",
]


def load(resources: Sequence[Resource]) -> Loaded:
    """The policy of namespace labels, when the documents ask for it."""
    configuration, faults = read_configuration(resources)
    wanted = configuration is not None or any(
        resource.type == "core/Namespace" and asks(resource.data) for resource in resources
    )
    policies = (NamespaceLabels(configuration),) if wanted else ()
    return Loaded(policies=policies, faults=tuple(faults))
