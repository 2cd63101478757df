"""The sample shop as a git repository: the commits that led to what lies in examples/shop.

The files of examples/shop are the end of the story; the steps below say in which order they
came, what they looked like before, and what was there for a while only: a leaked key that was
"removed", and a branch that nobody merged. Everything goes through ``git fast-import`` with
fixed dates and names, so the commit ids are the same on every machine for equal contents.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from examples.leaks import aws_key_pair, github_token

SHOP = Path(__file__).resolve().parent / "shop"
STAMP = "shop.stamp"
_LEFTOVERS = frozenset({"__pycache__", "node_modules", "dist", ".DS_Store"})
_DAY = 86_400
_START = 1_767_571_200  # 2026-01-05T00:00:00Z

Tree = dict[str, bytes]


class HistoryError(Exception):
    """The history cannot be made: the plan no longer fits the files, or the target is in use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One commit.

    ``takes`` are globs over examples/shop: these files get their final content, except where
    ``before`` maps a path to (final text, text at that time) pairs. ``adds`` are files that the
    final shop does not have, ``drops`` removes such files again.
    """

    name: str
    day: int
    author: str
    message: str
    parent: str = ""
    merges: str = ""
    branch: str = "main"
    takes: tuple[str, ...] = ()
    before: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    adds: Mapping[str, str] = field(default_factory=dict)
    drops: tuple[str, ...] = ()


def _backup_settings() -> str:
    key_id, secret = aws_key_pair("shop/backup")
    return (
        "BACKUP_BUCKET=shop-default-backup\n"
        f"AWS_ACCESS_KEY_ID={key_id}\nAWS_SECRET_ACCESS_KEY={secret}\n"
    )


def _loyalty_sync() -> str:
    return (
        '"""Copies the list of loyal customers from the partners\' repository."""\n\n'
        "import urllib.request\n\n"
        f'TOKEN = "{github_token("shop/loyalty")}"\n'
        'ADDRESS = "https://api.github.com/repos/shop-example/loyalty/contents/customers.csv"\n\n\n'
        "def customers():\n"
        '    headers = {"Authorization": f"Bearer {TOKEN}"}\n'
        "    request = urllib.request.Request(ADDRESS, headers=headers)\n"
        "    with urllib.request.urlopen(request, timeout=10) as answer:\n"
        "        return answer.read().decode().splitlines()\n"
    )


_BACKUP_SCRIPT = """\
#!/bin/sh
# Copies the carts to the backup bucket; settings come from backup.env beside it.
set -eu
. "$(dirname "$0")/backup.env"
export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
pg_dump -h db -U cart shop | aws s3 cp - "s3://$BACKUP_BUCKET/$(date +%F).sql"
"""
_BOUND_SEARCH = (
    (
        """ '%" + text + "%' ORDER BY sku"\n    )""",
        """ " + mark(connection) + " ORDER BY sku",\n        (f"%{text}%",),\n    )""",
    ),
)


def steps() -> tuple[Step, ...]:
    """The plan, oldest first; a step without ``parent`` follows the one before it."""
    yuna, joao, mina = (
        "Yuna Park <yuna@shop.example>",
        "João Lima <joao@shop.example>",
        "Mina Okafor <mina@shop.example>",
    )
    late = (("  - report.yaml\n", ""), ("  - log-shipper.yaml\n", ""))
    return (
        Step(
            name="payments",
            day=0,
            author=yuna,
            message="Payments: take charges, sign receipts",
            takes=("services/payments/*", "README.md", ".gitignore"),
            before={
                "README.md": (("| `charts/web-extras` | Helm: a maintenance page |\n", ""),),
            },
        ),
        Step(
            name="web",
            day=4,
            author=joao,
            message="Web: the product page",
            takes=("services/web/*",),
        ),
        Step(
            name="cart",
            day=9,
            author=mina,
            message="Cart: products, carts and checkout",
            takes=("services/cart/*",),
            before={
                "services/cart/Dockerfile": (("FROM python:latest", "FROM python:3.13-slim"),),
                "services/cart/app.py": _BOUND_SEARCH,
            },
            drops=("services/cart/report.py",),
        ),
        Step(
            name="deploy",
            day=15,
            author=yuna,
            message="Kubernetes manifests",
            takes=("deploy/base/*",),
            before={"deploy/base/kustomization.yaml": late},
            drops=("deploy/base/report.yaml", "deploy/base/log-shipper.yaml"),
        ),
        Step(
            name="backup",
            day=21,
            author=mina,
            message="Back the carts up every night",
            adds={"ops/backup.sh": _BACKUP_SCRIPT, "ops/backup.env": _backup_settings()},
        ),
        Step(
            name="search",
            day=22,
            author=mina,
            message="Cart: simpler search\n\nOne string less to pass around.",
            parent="deploy",
            branch="simpler-search",
            takes=("services/cart/app.py",),
        ),
        Step(
            name="backup-out",
            day=24,
            author=mina,
            message="Remove the backup key\n\nIt is gone from the tree now, so it is safe again.",
            parent="backup",
            drops=("ops/backup.sh", "ops/backup.env"),
        ),
        Step(
            name="merge-search",
            day=25,
            author=yuna,
            message="Merge branch 'simpler-search'",
            merges="search",
            takes=("services/cart/app.py",),
        ),
        Step(
            name="infra",
            day=33,
            author=joao,
            message="Terraform for buckets, security groups, roles and the order database",
            takes=("infra/*",),
        ),
        Step(
            name="ci",
            day=40,
            author=joao,
            message="Test, scan and deploy on every push",
            takes=(".github/*",),
        ),
        Step(
            name="loyalty",
            day=44,
            author=joao,
            message="Spike: loyalty list",
            branch="spike/loyalty",
            adds={"services/loyalty/sync.py": _loyalty_sync()},
        ),
        Step(
            name="report",
            day=52,
            author=mina,
            message="Nightly report; cart on the newest Python",
            parent="ci",
            takes=("services/cart/*", "deploy/base/report.yaml", "deploy/base/kustomization.yaml"),
            before={"deploy/base/kustomization.yaml": late[1:]},
        ),
        Step(
            name="logs",
            day=66,
            author=yuna,
            message="Ship container logs",
            takes=("deploy/base/*",),
        ),
        Step(
            name="prod",
            day=80,
            author=yuna,
            message="Overlay for production, chart for the maintenance page",
            takes=("deploy/overlays/*", "charts/*", "README.md"),
        ),
        Step(
            name="guard",
            day=96,
            author=yuna,
            message="Falco rules; haechi watches over the repository",
            takes=("*",),
        ),
    )


_TAG = ("v1.4.0", "prod", 81)


def final_tree(shop: Path = SHOP) -> Tree:
    """Every file of the shop by its path, without what running the services leaves behind."""
    return {
        path.relative_to(shop).as_posix(): path.read_bytes()
        for path in sorted(shop.rglob("*"))
        if path.is_file() and not _left_over(path.relative_to(shop))
    }


def _left_over(path: Path) -> bool:
    return path.suffix == ".sqlite3" or not _LEFTOVERS.isdisjoint(path.parts)


def stream(final: Mapping[str, bytes]) -> bytes:
    """The whole history as input of ``git fast-import``; depends on nothing but ``final``."""
    plan = steps()
    marks = {step.name: number for number, step in enumerate(plan, start=1)}
    trees: dict[str, Tree] = {"": {}}
    out = [b"feature done\n"]
    previous = ""
    for step in plan:
        parent = step.parent or previous
        trees[step.name] = _tree_after(step, trees[parent], final)
        out.extend(_commit(step, marks, parent, trees[parent], trees[step.name]))
        previous = step.name
    if trees[previous] != dict(final):
        raise HistoryError("the last step does not end in the content of examples/shop")
    name, target, day = _TAG
    out.append(
        f"tag {name}\nfrom :{marks[target]}\n"
        f"tagger Yuna Park <yuna@shop.example> {_when(day)}\n".encode()
    )
    out.extend((_data(f"Shop {name}\n".encode()), b"done\n"))
    return b"".join(out)


def _tree_after(step: Step, tree: Mapping[str, bytes], final: Mapping[str, bytes]) -> Tree:
    after = dict(tree)
    for path, content in final.items():
        if any(fnmatchcase(path, glob) for glob in step.takes):
            after[path] = _as_it_was(path, content, step.before.get(path, ()))
    after.update({path: text.encode() for path, text in step.adds.items()})
    for path in step.drops:
        if after.pop(path, None) is None:
            raise HistoryError(f"step {step.name}: no file {path} to leave out")
    return after


def _as_it_was(path: str, content: bytes, pairs: tuple[tuple[str, str], ...]) -> bytes:
    text = content.decode() if pairs else ""
    for now, then in pairs:
        if text.count(now) != 1:
            raise HistoryError(f"{path} should hold once: {now.strip()!r}")
        text = text.replace(now, then)
    return text.encode() if pairs else content


def _commit(
    step: Step, marks: Mapping[str, int], parent: str, before: Tree, after: Tree
) -> Iterator[bytes]:
    who = f"{step.author} {_when(step.day)}"
    yield f"commit refs/heads/{step.branch}\nmark :{marks[step.name]}\n".encode()
    yield f"author {who}\ncommitter {who}\n".encode()
    yield _data(f"{step.message}\n".encode())
    if parent:
        yield f"from :{marks[parent]}\n".encode()
    if step.merges:
        yield f"merge :{marks[step.merges]}\n".encode()
    for path in sorted(before.keys() - after.keys()):
        yield f"D {path}\n".encode()
    for path, content in sorted(after.items()):
        if before.get(path) != content:
            yield f"M 100644 inline {path}\n".encode() + _data(content)
    yield b"\n"


def _data(content: bytes) -> bytes:
    return f"data {len(content)}\n".encode() + content + b"\n"


def _when(day: int) -> str:
    return f"{_START + day * _DAY + 3_600} +0900"


def materialise(target: Path, shop: Path = SHOP) -> None:
    """Make ``target`` a clone-like repository of the shop; nothing happens when it is current.

    A target that an earlier call made from other content is replaced. Raises HistoryError for
    any other directory that is not empty, and when git is absent or fails.
    """
    wanted = stream(final_tree(shop))
    checksum = hashlib.sha256(wanted).hexdigest()
    stamp = target / ".git" / STAMP
    if stamp.is_file():
        if stamp.read_text() == checksum:
            return
        shutil.rmtree(target)
    elif target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise HistoryError(f"{target} is in use and was not made by this script; remove it first")
    target.mkdir(parents=True, exist_ok=True)
    _git(target, "init", "--quiet", "--template=", "--initial-branch=main")
    _git(target, "fast-import", "--quiet", "--done", stdin=wanted)
    _git(target, "reset", "--quiet", "--hard", "main")
    stamp.write_text(checksum)


def _git(target: Path, *arguments: str, stdin: bytes = b"") -> None:
    # The user's own configuration (line endings, hooks, signing) must not change the result.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    try:
        done = subprocess.run(
            ["git", "-C", str(target), *arguments],
            input=stdin,
            env=environment,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise HistoryError("git is not installed; the sample shop needs it") from error
    if done.returncode:
        text = done.stderr.decode(errors="replace").strip()
        raise HistoryError(f"git {arguments[0]} failed: {text}")
