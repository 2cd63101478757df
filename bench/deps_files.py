"""Lock files of any size, as their tools write them: for figures and for limits.

``make(format, count)`` gives the bytes of a lock file with so many packages. Each package needs
up to five others that come after it, so the graph has the depth and the sharing of real ones.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Sequence

NEEDS = 5


def name_of(number: int) -> str:
    """A name; every third has a scope where the ecosystem has scopes."""
    return f"package-{number}"


def scoped(number: int) -> str:
    """A name of npm."""
    return f"@scope{number % 50}/package-{number}" if number % 3 == 0 else f"package-{number}"


def version_of(number: int) -> str:
    """A version."""
    return f"{number % 7}.{number % 13}.{number % 29}"


def needs_of(number: int, count: int) -> Sequence[int]:
    """What a package needs."""
    wanted = (number * 2 + 1, number * 2 + 2, number + 7, number + 101, number + 1009)
    return sorted({one for one in wanted[:NEEDS] if one < count})


def sha256(number: int) -> str:
    """A digest in hexadecimal digits."""
    return hashlib.sha256(str(number).encode()).hexdigest()


def integrity(number: int) -> str:
    """A digest as npm writes it."""
    digest = hashlib.sha512(str(number).encode()).digest()
    return "sha512-" + base64.b64encode(digest).decode()


def uv(count: int) -> bytes:
    """uv.lock with a source distribution and two wheels for each package."""
    rows = ["version = 1", "revision = 3", 'requires-python = ">=3.11"', ""]
    for number in range(count):
        name, version = name_of(number), version_of(number)
        base = f"https://files.pythonhosted.org/packages/{sha256(number)[:40]}/{name}-{version}"
        rows += [
            "[[package]]",
            f'name = "{name}"',
            f'version = "{version}"',
            'source = { registry = "https://pypi.org/simple" }',
        ]
        wanted = needs_of(number, count)
        if wanted:
            rows.append("dependencies = [")
            rows += [f'    {{ name = "{name_of(one)}" }},' for one in wanted]
            rows.append("]")
        rows.append(
            f'sdist = {{ url = "{base}.tar.gz", hash = "sha256:{sha256(number)}", size = 1234 }}'
        )
        rows.append("wheels = [")
        rows += [
            f'    {{ url = "{base}-{tag}.whl", hash = "sha256:{sha256(number + at)}", size = 99 }},'
            for at, tag in enumerate(("py3-none-any", "cp311-cp311-manylinux_2_17_x86_64"))
        ]
        rows += ["]", ""]
    rows += [
        "[[package]]",
        'name = "project"',
        'version = "1.0.0"',
        'source = { editable = "." }',
        f'dependencies = [{{ name = "{name_of(0)}" }}]',
        "",
    ]
    return "\n".join(rows).encode()


def npm(count: int) -> bytes:
    """package-lock.json, lockfileVersion 3."""
    packages: dict[str, object] = {
        "": {"name": "project", "version": "1.0.0", "dependencies": {scoped(0): "^0.0.0"}}
    }
    for number in range(count):
        name, version = scoped(number), version_of(number)
        short = name.rpartition("/")[2]
        packages[f"node_modules/{name}"] = {
            "version": version,
            "resolved": f"https://registry.npmjs.org/{name}/-/{short}-{version}.tgz",
            "integrity": integrity(number),
            "license": "MIT",
            "dependencies": {scoped(one): f"^{version_of(one)}" for one in needs_of(number, count)},
            "engines": {"node": ">=18"},
        }
    value = {
        "name": "project",
        "version": "1.0.0",
        "lockfileVersion": 3,
        "requires": True,
        "packages": packages,
    }
    return json.dumps(value, indent=2).encode()


def pnpm(count: int) -> bytes:
    """pnpm-lock.yaml, lockfileVersion 9.0."""
    rows = [
        "lockfileVersion: '9.0'",
        "",
        "importers:",
        "",
        "  .:",
        "    dependencies:",
        f"      '{scoped(0)}':",
        f"        specifier: ^{version_of(0)}",
        f"        version: {version_of(0)}",
        "",
        "packages:",
        "",
    ]
    for number in range(count):
        rows += [
            f"  {_quoted(f'{scoped(number)}@{version_of(number)}')}:",
            f"    resolution: {{integrity: {integrity(number)}}}",
            "    engines: {node: '>=18'}",
            "",
        ]
    rows += ["snapshots:", ""]
    for number in range(count):
        key = _quoted(f"{scoped(number)}@{version_of(number)}")
        wanted = needs_of(number, count)
        if not wanted:
            rows += [f"  {key}: {{}}", ""]
            continue
        rows += [f"  {key}:", "    dependencies:"]
        rows += [f"      {_quoted(scoped(one))}: {version_of(one)}" for one in wanted]
        rows.append("")
    return "\n".join(rows).encode()


def _quoted(key: str) -> str:
    return f"'{key}'" if key.startswith("@") else key


def yarn(count: int) -> bytes:
    """yarn.lock, the classic format."""
    rows = ["# yarn lockfile v1", "", ""]
    for number in range(count):
        name, version = scoped(number), version_of(number)
        short = name.rpartition("/")[2]
        key = f'"{name}@^{version}"' if name.startswith("@") else f"{name}@^{version}"
        rows += [
            f"{key}:",
            f'  version "{version}"',
            f'  resolved "https://registry.yarnpkg.com/{name}/-/{short}-{version}.tgz#{sha256(number)[:40]}"',
            f"  integrity {integrity(number)}",
        ]
        wanted = needs_of(number, count)
        if wanted:
            rows.append("  dependencies:")
            rows += [
                f'    "{scoped(one)}" "^{version_of(one)}"'
                if one % 3 == 0
                else f'    {scoped(one)} "^{version_of(one)}"'
                for one in wanted
            ]
        rows.append("")
    return "\n".join(rows).encode()


def berry(count: int) -> bytes:
    """yarn.lock of yarn 4."""
    rows = ["__metadata:", "  version: 8", "  cacheKey: 10c0", ""]
    for number in range(count):
        name, version = scoped(number), version_of(number)
        rows += [
            f'"{name}@npm:^{version}":',
            f"  version: {version}",
            f'  resolution: "{name}@npm:{version}"',
        ]
        wanted = needs_of(number, count)
        if wanted:
            rows.append("  dependencies:")
            rows += [f'    "{scoped(one)}": "npm:^{version_of(one)}"' for one in wanted]
        rows += [
            f"  checksum: 10c0/{sha256(number)}{sha256(number + 1)}",
            "  languageName: node",
            "  linkType: hard",
            "",
        ]
    return "\n".join(rows).encode()


def requirements(count: int) -> bytes:
    """requirements.txt as pip-compile writes it, with hashes."""
    rows = []
    for number in range(count):
        rows += [
            f"{name_of(number)}=={version_of(number)} \\",
            f"    --hash=sha256:{sha256(number)} \\",
            f"    --hash=sha256:{sha256(number + 1)}",
            f"    # via {name_of(number // 2)}",
        ]
    return "\n".join(rows).encode()


def poetry(count: int) -> bytes:
    """poetry.lock, lock version 2.1."""
    rows = []
    for number in range(count):
        name, version = name_of(number), version_of(number)
        rows += [
            "[[package]]",
            f'name = "{name}"',
            f'version = "{version}"',
            'description = "What it is for"',
            "optional = false",
            'python-versions = ">=3.9"',
            'groups = ["main"]',
            "files = [",
            f'    {{file = "{name}-{version}.whl", hash = "sha256:{sha256(number)}"}},',
            f'    {{file = "{name}-{version}.tar.gz", hash = "sha256:{sha256(number + 1)}"}},',
            "]",
            "",
        ]
        wanted = needs_of(number, count)
        if wanted:
            rows.append("[package.dependencies]")
            rows += [f'{name_of(one)} = ">={version_of(one)}"' for one in wanted]
            rows.append("")
    rows += ["[metadata]", 'lock-version = "2.1"', 'python-versions = ">=3.11"', ""]
    return "\n".join(rows).encode()


FORMATS: dict[str, Callable[[int], bytes]] = {
    "uv.lock": uv,
    "poetry.lock": poetry,
    "requirements.txt": requirements,
    "package-lock.json": npm,
    "pnpm-lock.yaml": pnpm,
    "yarn.lock": yarn,
    "yarn.lock (berry)": berry,
}


def make(format: str, count: int) -> bytes:
    """A lock file of a format with ``count`` packages."""
    return FORMATS[format](count)
