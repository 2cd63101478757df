"""Where packages are fetched from, as settings of package managers say: over plain HTTP, without
looking at certificates, from several registries at once, or without Go's checksums.

The files have a dozen languages; what matters is one line of each, so lines are looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from haechi.checks.deps.view import DependencyFile, about_line, file_of, lines_of
from haechi.model.review import Hit, Review

_LOCAL = (
    r"(?!localhost|127\.|\[::1\]|0\.0\.0\.0|host\.docker\.internal|[\w-]+(?::\d+)?(?:/|[\"'\s]|$))"
)
_HTTP = rf"http://(?:[^@/\s\"']*@)?{_LOCAL}"
_PIP = r"(?:[^/]*requirements?[^/]*\.(?:txt|in|pip)|pip\.(?:conf|ini))\Z"

_PLAIN = tuple(
    (re.compile(name), re.compile(line))
    for name, line in (
        (_PIP, rf"^\s*(?:(?:-i|--(?:extra-)?index-url|--find-links|-f)[\s=]+"
               rf"|(?:extra-)?index[-_]url\s*=\s*|find-links\s*=\s*){_HTTP}"),
        (r"(?:pipfile|pyproject\.toml|uv\.toml)\Z",
         rf"^\s*(?:url|index-url|default-index)\s*=\s*[\"']{_HTTP}"),
        (r"\.npmrc\Z", rf"^\s*(?:@[\w.-]+:)?registry\s*=\s*[\"']?{_HTTP}"),
        (r"\.yarnrc(?:\.yml)?\Z", rf"^\s*\"?(?:registry|npmRegistryServer)\"?:?\s+[\"']?{_HTTP}"),
        (r"(?:gemfile|gems\.rb)\Z", rf"^\s*source\s*\(?\s*[\"']{_HTTP}"),
        (r"nuget\.config\Z", rf"<add\s[^>]*\bvalue\s*=\s*\"{_HTTP}"),
        (r"composer\.json\Z", r"\"secure-http\"\s*:\s*false"),
        (r"config\.toml\Z", rf"^\s*(?:registry|index)\s*=\s*\"(?:sparse\+)?{_HTTP}"),
    )
)  # fmt: skip
_BLOCKS = tuple(
    (re.compile(name), re.compile(block, re.DOTALL))
    for name, block in (
        (r"(?:pom|settings)\.xml\Z",
         r"<(?:repository|pluginRepository|mirror)>(?:(?!</(?:repository|pluginRepository|mirror)>)"
         rf".){{0,2000}}?<url>\s*({_HTTP}[^<]*)</url>"),
        (r"(?:build|settings|init)\.gradle(?:\.kts)?\Z",
         r"\b(?:maven|ivy)\s*\{[^}]{0,500}?\b(?:url|setUrl)\s*=?\s*\(?\s*(?:uri\s*\(\s*)?[\"']"
         rf"({_HTTP}[^\"'\n]*)|\bmaven\s*\(\s*(?:url\s*=\s*)?[\"']({_HTTP}[^\"'\n]*)"),
    )
)  # fmt: skip
_UNVERIFIED = tuple(
    (re.compile(name), re.compile(line))
    for name, line in (
        (_PIP, r"^\s*(?:--)?trusted-host[\s=]+(?!localhost|127\.)\S"),
        (r"(?:pipfile|pyproject\.toml)\Z", r"^\s*verify_ssl\s*=\s*false\b"),
        (r"(?:pyproject\.toml|uv\.toml)\Z",
         r"^\s*(?:allow-insecure-host|trusted-host)\s*=\s*\[\s*[\"'](?!localhost|127\.)"),
        (r"poetry\.toml\Z", r"^\s*cert\s*=\s*false\b"),
        (r"\.npmrc\Z", r"^\s*strict-ssl\s*=\s*[\"']?false\b"),
        (r"\.yarnrc\Z", r"^\s*\"?strict-ssl\"?\s+[\"']?false\b"),
        (r"\.yarnrc\.yml\Z", r"^\s*enableStrictSsl:\s*false\b"),
        (r"composer\.json\Z", r"\"disable-tls\"\s*:\s*true"),
        (r"(?:maven\.config|jvm\.config)\Z",
         r"-Dmaven\.wagon\.http\.ssl\.(?:insecure|allowall)=true"),
    )
)  # fmt: skip
_SECOND = (
    (re.compile(_PIP), re.compile(r"^\s*(?:--)?extra-index-url[\s=]+\S")),
    (re.compile(r"(?:pyproject\.toml|uv\.toml)\Z"),
     re.compile(r"^\s*index-strategy\s*=\s*[\"']unsafe-")),
)  # fmt: skip
_PUBLIC = re.compile(
    r"https?://(?:(?:test\.)?pypi\.org|download\.pytorch\.org|data\.pyg\.org|pypi\.nvidia\.com"
    r"|wheels\.vllm\.ai|pypi\.python\.org)(?:[/:\s]|$)"
)
_GO = re.compile(
    r"\b(?:GOSUMDB\s*[:=]+\s*[\"']?off\b|GONOSUMCHECK\s*[:=]+\s*[\"']?1\b|GO(?:NOSUMDB|INSECURE)\s*"
    r"[:=]+\s*[\"']?\*|GOFLAGS\s*[:=]+\s*[\"']?[^\n\"']*-insecure\b)|\bENV\s+GOSUMDB\s+off\b"
    r"|\bgo\s+get\s[^\n]*-insecure\b"
)
_SOURCE = re.compile(
    r"<add\s[^>]*\bkey\s*=\s*\"[^\"]*\"[^>]*\bvalue\s*=\s*\"https?://([^/\"]+)", re.I
)
_COMMENTS = re.compile(r"<!--.*?-->|^[ \t]*(?://|\*)[^\n]*", re.DOTALL | re.MULTILINE)
_SOURCES = re.compile(r"<packageSources>(.*?)</packageSources>", re.DOTALL | re.I)


def plain_http(review: Review) -> Iterator[Hit]:
    """A registry without TLS."""
    file = file_of(review)
    for number, line in _lines(file, _PLAIN):
        yield about_line(f"{file.name} fetches packages over plain HTTP", number, line)
    for name, block in _BLOCKS:
        text = _without_comments(file.text()) if name.match(file.name) else ""
        for match in block.finditer(text):
            group = match.lastindex or 0
            number = text.count("\n", 0, match.start(group)) + 1
            message = "a repository of packages is read over plain HTTP"
            yield about_line(message, number, _bare(match[group]))


def unverified(review: Review) -> Iterator[Hit]:
    """Certificates of a registry are not looked at."""
    file = file_of(review)
    for number, line in _lines(file, _UNVERIFIED):
        yield about_line(f"{file.name} has a registry's certificate not looked at", number, line)


def second(review: Review) -> Iterator[Hit]:
    """A private registry beside the public one, with nothing that says which packages are whose."""
    file = file_of(review)
    for number, line in _lines(file, _SECOND):
        if not _PUBLIC.search(line):
            message = "pip takes the highest version of each package from either index"
            yield about_line(message, number, _bare(line))
    if file.name == "nuget.config" and "packageSourceMapping" not in file.text():
        text = _without_comments(file.text())
        held = _SOURCES.search(text)
        hosts = dict.fromkeys(one[1].lower() for one in _SOURCE.finditer(held[1])) if held else {}
        if held and len(hosts) > 1 and any(host.endswith("nuget.org") for host in hosts):
            number = text.count("\n", 0, held.start()) + 1
            message = f"packages come from any of {len(hosts)} sources"
            yield about_line(message, number, "packageSources")


def go_checksums(review: Review) -> Iterator[Hit]:
    """Go's checksum database is switched off for all modules."""
    file = file_of(review)
    for number, line in lines_of(file):
        if "GO" in line or "-insecure" in line:
            found = _GO.search(line)
            if found is not None:
                yield about_line(f"{found[0].strip()} switches checks off", number, found[0])


def _lines(
    file: DependencyFile, table: tuple[tuple[re.Pattern[str], re.Pattern[str]], ...]
) -> Iterator[tuple[int, str]]:
    patterns = [line for name, line in table if name.match(file.name)]
    for number, line in lines_of(file) if patterns else ():
        if any(pattern.search(line) for pattern in patterns):
            yield number, _bare(line)


def _bare(line: str) -> str:
    """The line without a login in it: it becomes part of a fingerprint."""
    return re.sub(r"//[^/@\s]*@", "//", " ".join(line.split()))


def _without_comments(text: str) -> str:
    return _COMMENTS.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
