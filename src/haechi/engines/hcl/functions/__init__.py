"""The functions of Terraform and OpenTofu, by name: pure ones, and those that read files through
what the caller gives. Loaded with the first call of one.

What a function takes is written as text (``signature.py``), so that conversion, null and unknown
are handled in one place and a function's own code sees plain, known values.
"""

from __future__ import annotations

import functools

from haechi.engines.hcl.functions.signature import Function


@functools.cache
def functions() -> dict[str, Function]:
    """Every function by name."""
    from haechi.engines.hcl.functions import (
        collections,
        dates,
        encoding,
        files,
        hashes,
        network,
        numbers,
        sets,
        strings,
        types,
    )

    modules = (
        collections,
        dates,
        encoding,
        files,
        hashes,
        network,
        numbers,
        sets,
        strings,
        types,
    )
    return {function.name: function for module in modules for function in module.FUNCTIONS}
