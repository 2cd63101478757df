"""Keys of Terraform's resources: ``tf:infra%2Fprod/module.a["x"].aws_s3_bucket.logs[0]``.

Of files, plans and state they are the same, so that a finding is.
"""

from __future__ import annotations

from urllib.parse import quote

_SAFE = "[]\"'._-~:@$&+,;=()*!{}|<>^`#?/\\"


def root_name(folder: str) -> str:
    """The folder of a root module as keys have it; ``-`` for that of the scan."""
    return quote(folder, safe="-._~") or "-"


def resource_key(root: str, address: str) -> str:
    """The key of what has this address under a root."""
    return f"tf:{root}/{quote(address, safe=_SAFE)}"
