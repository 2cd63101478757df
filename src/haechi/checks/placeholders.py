"""Values that stand where documentation, a test or a template leaves the real one out.

The modules about Secrets, pods and Dockerfiles each know the forms of their own syntax; what
people write everywhere (``my-password``, ``yourToken``, ``API_KEY_HERE``, ``aaaaaaa``) is here.
A weak password such as ``password`` or ``postgres`` is none of these: it is in use.
"""

from __future__ import annotations

import re

_WORD = r"(?:pass(?:word|wd|phrase)?|pwd|secrets?|tokens?|keys?|credentials?)"
_SAID = re.compile(
    rf"""\A(?:
        (?:my|your|some|the|a|an)[-_ ].{{0,60}}{_WORD}(?:[-_ ]?here)?
        |(?:my|your)(?:secret|access|api|private|auth|super)*{_WORD}(?:here)?
        |.{{0,40}}{_WORD}[-_ ](?:goes[-_ ])?here
        |\#\#?.{{1,80}}\#\#?|\#\{{.{{1,80}}\}}\#?
        |\{{[a-z_][a-z0-9_.-]{{0,60}}\}}|\[[a-z_ -]{{1,60}}\]|<[^<>]{{1,80}}>
        |(?:dummy|placeholder|fake|mock)(?:[-_ ].{{0,60}})?
        |replace[-_ ]?(?:me|this|with|by|after)(?:[-_ ].{{0,60}})?
        |to[-_ ]be[-_ ](?:replaced|filled|defined|set|overridden)(?:[-_ ].{{0,60}})?
        |([a-z*.#_-])\1{{2,80}}
    )\Z""",
    re.IGNORECASE | re.VERBOSE,
)
_SHOUTED = re.compile(
    r"\A(?=.*(?:PASS|PWD|SECRET|TOKEN|KEY|CREDENTIAL))[A-Z]+(?:[_ -][A-Z]+){0,8}\Z"
)
_DESCRIBED = re.compile(rf"\A(?=.*\b{_WORD}\b)\S+\s+\S.*\Z", re.IGNORECASE)
_LONGEST = 120


def is_stand_in(value: str) -> bool:
    """True for a value that names or describes the credential instead of being it."""
    text = value.strip().strip("\"'")
    if len(text) > _LONGEST or "\n" in text:
        return False
    return bool(_SAID.match(text) or _SHOUTED.match(text) or _DESCRIBED.match(text))
