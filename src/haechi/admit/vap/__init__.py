"""ValidatingAdmissionPolicy and its bindings, judged as the API server judges them.

Left out, and said in docs/guide/admission-policies.md: the API server's cost budget (here an
expression may loop 10,000 times), conversion between versions of a resource, mutating policies.
"""

from haechi.admit.vap.loading import load

__all__ = ["load"]
