"""OPA's own conformance cases against our Rego: the share that is right, by folder.

``./dev bench rego-conformance FOLDER [v0|v1] [WORD]``: FOLDER holds OPA's
``v1/test/cases/testdata`` (YAML), or what swift-opa and jarl make of it (JSON, the same fields).
With WORD only the cases whose note holds it are run, and what is wrong is shown. A case that
expects an error of a strict builtin is right with any answer: ours is OPA's default, where such a
call is undefined.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from haechi.engines.rego.parser import parse
from haechi.engines.rego.program import compile_modules
from haechi.engines.rego.tree import Version
from haechi.engines.rego.values import UNDEFINED, RegoFailure, to_json
from haechi.errors import RuleError

_BINDING = re.compile(r"(data(?:\.\w+)*) = (?!input\b)([a-z]\w*)")

Answer = tuple[str, Any]
"""``ok`` and the sorted bindings as text, or ``error`` and what it says."""


def main(argv: list[str]) -> None:
    folder = Path(argv[0])
    version = Version[(argv[1] if len(argv) > 1 else "v1").upper()]
    word = argv[2] if len(argv) > 2 else ""
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    missing: Counter[str] = Counter()
    for place, case in cases(folder):
        if word not in case["note"]:
            continue
        total[place] += 1
        want, got = wanted(case), given(case, version)
        if is_right(case, want, got):
            right[place] += 1
            continue
        unknown = re.search(r"undefined function ([\w.]+)", str(got[1]))
        missing[unknown[1] if unknown else "other"] += 1
        if word or not unknown:
            print(f"{place}: {case['note']}\n  want {str(want)[:300]}\n  got  {str(got)[:300]}")
    for place in sorted(total):
        if right[place] < total[place]:
            print(f"{place:<36} {right[place]:>4} of {total[place]:>4}")
    print(f"unknown functions and other causes: {dict(missing.most_common())}")
    print(f"right: {right.total()} of {total.total()}")


def cases(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every case with the name of its folder."""
    for path in sorted([*folder.rglob("*.json"), *folder.rglob("*.y*ml")]):
        text = path.read_text(encoding="utf-8")
        found = json.loads(text) if text.lstrip()[:1] in "{[" else yaml.safe_load(text)
        if isinstance(found, dict):
            for case in found.get("cases") or []:
                yield path.parent.name, case


def wanted(case: dict[str, Any]) -> Answer:
    if "want_error" in case or "want_error_code" in case:
        return "error", case.get("want_error_code", case.get("want_error"))
    return "ok", canonical(case.get("want_result") or [], sort=bool(case.get("sort_bindings")))


def given(case: dict[str, Any], version: Version) -> Answer:
    try:
        return "ok", canonical(bindings(case, version), sort=bool(case.get("sort_bindings")))
    except RegoFailure as failure:
        return "error", failure.code
    except RuleError as error:
        return "error", f"compile: {error.what}"


def bindings(case: dict[str, Any], version: Version) -> list[Any]:
    """What the query binds. One of the form ``data.a.b = x`` asks for the document itself."""
    modules = [
        parse(text, file=f"module{number}.rego", version=version)
        for number, text in enumerate(case.get("modules") or [])
    ]
    document = asked_with(case)
    data = case.get("data") or {}
    names = sorted({name for row in case.get("want_result") or [] for name in row})
    simple = _BINDING.fullmatch(case["query"])
    if simple:
        path = tuple(simple[1].split(".")[1:])
        value = compile_modules(modules).evaluate(path, input=document, data=data)
        if value is UNDEFINED:
            return []
        return [{simple[2]: to_json(value)} if names else {}]
    pairs = ", ".join(f'"{name}": {name}' for name in names)
    text = f"package query_\n\nresult contains {{{pairs}}} if {{ {case['query']} }}\n"
    program = compile_modules([*modules, parse(text, version=Version.V1)])
    found = program.evaluate(("query_", "result"), input=document, data=data)
    return [to_json(row) for row in found]


def asked_with(case: dict[str, Any]) -> Any:
    if "input_term" not in case:
        return case.get("input", UNDEFINED)
    module = parse(f"package term_\n\nvalue := {case['input_term']}\n", version=Version.V1)
    return compile_modules([module]).evaluate(("term_", "value"))


def is_right(case: dict[str, Any], want: Answer, got: Answer) -> bool:
    if want[0] == "ok" or got[0] == "ok":
        return want == got or bool(case.get("strict_error") and want[0] == "error")
    return want[1] == got[1] or str(got[1]).startswith("compile")


def canonical(rows: list[Any], *, sort: bool) -> list[str]:
    """Rows as texts that are equal where the values are, with 2 and 2.0 as one number."""

    def plain(value: Any) -> Any:
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if isinstance(value, list):
            return [plain(item) for item in value]
        if isinstance(value, dict):
            return {name: plain(item) for name, item in value.items()}
        return value

    texts: set[str] = set()
    for row in rows:
        held = plain(row)
        if sort:
            held = {
                name: sorted(value, key=json.dumps) if isinstance(value, list) else value
                for name, value in held.items()
            }
        texts.add(json.dumps(held, sort_keys=True))
    return sorted(texts)


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
