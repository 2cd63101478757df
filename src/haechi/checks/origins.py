"""Who chooses the text that an expression of a workflow stands for.

zizmor calls every name attacker-controllable whose content it cannot bound. For a reviewer it
matters who that is: everybody who can open a pull request, whoever starts the workflow or calls
the action, or nobody (GitHub's own words, numbers and account names, which hold no shell syntax).
Source: GitHub Docs, "Security hardening for GitHub Actions", on untrusted input.
"""

from __future__ import annotations

import re
from enum import StrEnum

_BEFORE = r"(?<![\w.\]*])"
_STRANGER = re.compile(
    _BEFORE + r"github\.(?:head_ref\b|event\.(?:"
    r"(?:issue|pull_request|discussion|comment|review|review_comment)\.(?:title|body)\b"
    r"|pull_request\.head\.(?:ref|label|repo\.(?:default_branch|description|homepage))\b"
    r"|workflow_run\.(?:head_branch|display_title)\b"
    r"|workflow_run\.pull_requests(?:\.\*|\[\d+\])\.head\.ref\b"
    r"|workflow_run\.head_repository\.description\b"
    r"|(?:workflow_run\.)?head_commit\.(?:message|(?:author|committer)\.(?:name|email))\b"
    r"|commits?(?:\.\*|\[\d+\])\.(?:message|(?:author|committer)\.(?:name|email))\b"
    r"|pages(?:\.\*|\[\d+\])\.page_name\b"
    r"))",
    re.IGNORECASE,
)
_BOUND = re.compile(
    _BEFORE + r"github\.(?:actor\b|triggering_actor\b|base_ref\b|repository\w*\b|event\.(?:"
    r"action\b|number\b|sender\.|repository\.|organization\.|label\.|assignee\.|installation\."
    r"|pull_request\.base\."
    r"|\w+\.(?:user\.login|user\.type|number|id|node_id|assignees?|labels?|state|draft|merged"
    r"|pull_request|milestone|\w+_at|\w*sha|author_association|comments|html_url|url)\b"
    r"))",
    re.IGNORECASE,
)


class Origin(StrEnum):
    """Whose words an expression may carry into a script."""

    STRANGER = "stranger"
    OTHER = "other"
    BOUND = "bound"


def origin_of(expression: str) -> Origin:
    """The origin of the worst part of an expression."""
    if _STRANGER.search(expression):
        return Origin.STRANGER
    return Origin.BOUND if _BOUND.search(expression) else Origin.OTHER
