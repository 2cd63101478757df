"""Files in which a value with a telling name is no credential of this project."""

from __future__ import annotations

import re

_LOCKS = {
    ".terraform.lock.hcl", "bun.lock", "cargo.lock", "chart.lock", "composer.lock", "deno.lock",
    "flake.lock", "gemfile.lock", "glide.lock", "go.mod", "go.sum", "gopkg.lock", "mix.lock",
    "npm-shrinkwrap.json", "package-lock.json", "packages.lock.json", "paket.lock",
    "pipfile.lock", "pnpm-lock.yaml", "podfile.lock", "poetry.lock", "project.assets.json",
    "pubspec.lock", "uv.lock", "yarn.lock",
}  # fmt: skip
_SPOKEN = re.compile(
    r"(?i)(?:\A|/)(?:locales?|i18n|l10n|lang|langs|languages?|translations?|messages|nls)/"
    r"|(?:\A|/)(?:messages|strings|translations?|locale)(?:[_.-][a-z]{2}(?:[_-][A-Za-z]{2,4})?)?"
    r"\.(?:properties|json|ya?ml|php|js|ts|xml|po|resx|strings)\Z"
    r"|\.(?:po|pot|mo|xlf|xliff|resx|strings|arb)\Z"
    r"|(?:\A|/)[a-z]{2}[_-][A-Z]{2}\.(?:json|ya?ml|php|js|ts|properties)\Z"
)
_PACKED = re.compile(
    r"(?i)[.-]min\.(?:js|css|mjs)\Z|\.bundle\.js\Z|\.(?:map|css|scss|less|svg|snap)\Z"
    r"|(?:\A|/)(?:node_modules|bower_components)/"
)
_PROGRAM = re.compile(
    r"(?i)\.(?:py|pyx|pyi|js|jsx|mjs|cjs|ts|tsx|vue|go|java|kt|kts|scala|groovy|cs|vb|fs|c|h|cc|cpp"
    r"|hpp|cxx|m|mm|swift|rb|rake|php|pl|pm|rs|dart|lua|hs|ex|exs|erl|clj|r|jl|elm|zig|nim|proto"
    r"|graphql|thrift|css|sql|pxd|ipynb|tf|hcl|html?|erb|haml|slim|jsp|patch|cast)\Z"
)


_TEST = re.compile(
    r"(?i)(?:\A|[/_-])(?:tests?|testing|testdata|spec|specs|fixtures?|__tests__|mocks?|e2e|cypress)"
    r"(?:/|[_.-])|(?:test|tests|spec|it)\.[a-z]{1,6}\Z"
)


def is_test_data(path: str) -> bool:
    """True below test folders and for files named as tests."""
    return bool(_TEST.search(path))


def is_out_of_place(path: str, *, plain: bool) -> bool:
    """True where the file's kind says that the value is no credential.

    ``plain`` marks a value without quotes at the end of its line. In a programming language
    that is a variable, a number or a keyword.
    """
    name = path.rsplit("/", 1)[-1].lower()
    if name in _LOCKS or _SPOKEN.search(path) or _PACKED.search(path):
        return True
    return plain and bool(_PROGRAM.search(path))
