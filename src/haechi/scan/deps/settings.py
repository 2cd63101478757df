"""Which files, by their names, tell a package manager or Go where to fetch from."""

from __future__ import annotations

import re

_SETTINGS = re.compile(
    r"(?:.*/)?(?:\.npmrc|\.yarnrc(?:\.yml)?|pip\.(?:conf|ini)|[Nn]u[Gg]et\.[Cc]onfig|uv\.toml"
    r"|\.mvn/(?:settings\.xml|maven\.config|jvm\.config)|settings\.xml|poetry\.toml"
    r"|pom\.xml|Pipfile|pyproject\.toml|Gemfile|gems\.rb|composer\.json"
    r"|(?:build|settings|init)\.gradle(?:\.kts)?|\.cargo/config\.toml|requirements[^/]*\.in)"
)
_FOR_GO = re.compile(
    r"(?:.*/)?(?:go\.env|\.env|\.envrc|[Mm]akefile|[^/]*\.mk|[^/]*Dockerfile[^/]*|\.gitlab-ci\.yml"
    r"|\.travis\.yml|\.github/workflows/[^/]+\.ya?ml)"
)


def is_settings(path: str) -> bool:
    """Whether a file may hold settings of a package manager, or Go's environment."""
    return _SETTINGS.fullmatch(path) is not None or is_for_go(path)


def is_for_go(path: str) -> bool:
    """Whether a file says something here only where there are modules of Go."""
    return _FOR_GO.fullmatch(path) is not None
