"""Planning: proof by judging again, withdrawal, and files that are not touched."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec import structs

from haechi.checks.judge import Judge
from haechi.engines.cel import CelEngine
from haechi.engines.documents import Document, parse_documents
from haechi.engines.objects import resources_of
from haechi.errors import InputError
from haechi.model.finding import Finding
from haechi.model.review import Review, State
from haechi.model.severity import Severity
from haechi.rules.schema import AppliesTo, JudgeKind, Rule
from haechi.scan.findings import Findings, in_order
from haechi.scan.fix.diff import diff_of
from haechi.scan.fix.plan import FileFix, Planner
from haechi.scan.fix.write import replace_file
from haechi.scan.iac.kubernetes import Inventory


def rule(name: str, expression: str, path: str, fixer: str, severity: Severity) -> Rule:
    return Rule(
        id=f"t-{name}",
        title=name,
        severity=severity,
        why="w",
        fix="f",
        applies_to=AppliesTo(kinds=["core/ConfigMap"]),
        judge=JudgeKind.CEL,
        bad=["x"],
        good=["x"],
        expression=expression,
        path=path,
        fixer=fixer,
    )


LOW, HIGH = Severity.LOW, Severity.HIGH
RULES = [
    rule("a", "object.data.a != '1'", "data.a", 'set hit = "0"', HIGH),
    rule("b", "object.data.b != '1'", "data.b", 'set hit = "2"', HIGH),
    rule("not-two", "object.data.b != '2'", "data.b", "", HIGH),
    rule("c", "object.data.c != '1'", "data.c", 'risky set hit = "2"', HIGH),
    rule("hidden", "object.data.c != '2'", "data.c", "", LOW),
    rule("d", "object.data.d != '1'", "data.d", 'set parent.e = "1"', HIGH),
    rule("twice", "object.data.a != '1'", "data.a", 'set hit = "0"', LOW),
]
TEXT = (
    "# head\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n"
    'data: {a: "%s", b: "%s", c: "%s", d: "%s"} # tail\n'
)


def text(a: str = "0", b: str = "0", c: str = "0", d: str = "0") -> str:
    return TEXT % (a, b, c, d)


def judge() -> Judge:
    return Judge(RULES, CelEngine())


def findings(content: str, path: str = "a.yaml") -> list[Finding]:
    found = Findings({})
    by_id = {one.id: one for one in RULES}
    documents = [d for d in parse_documents(content.encode()) if isinstance(d, Document)]
    resources = [r for d in documents for r in resources_of(d, path)]
    for resource in resources:
        for verdict in judge().review(Review(resource=resource, scope=Inventory(resources))):
            if verdict.state is State.FAIL:
                found.add(by_id[verdict.rule], verdict, resource)
    return list(in_order(found.found))


def plan(content: str, wanted: Sequence[Finding] | None = None, data: bytes = b"") -> FileFix:
    planner = Planner(judge=judge(), resources=(), read=lambda _: data or content.encode())
    (fix,) = planner.plan(findings(content) if wanted is None else wanted)
    return fix


def names(fix: FileFix) -> list[str]:
    return sorted(made.finding.rule for made in fix.made)


def test_one_edit_may_settle_several_findings() -> None:
    fix = plan(text(a="1"))
    assert fix.after.decode() == text(a="0")
    assert names(fix) == ["t-a", "t-twice"]


def test_a_fix_that_raises_another_finding_is_withdrawn_alone() -> None:
    fix = plan(text(a="1", b="1"))
    assert fix.after.decode() == text(a="0", b="1")
    assert [(left.finding.rule, left.reason) for left in fix.left] == [
        ("t-b", "it would raise t-not-two")
    ]


def test_a_risky_fix_may_uncover_what_is_less_severe_and_says_so() -> None:
    fix = plan(text(c="1"))
    assert fix.after.decode() == text(c="2")
    assert [(made.risky, made.uncovers) for made in fix.made] == [(True, ("t-hidden",))]


def test_a_fix_that_leaves_the_finding_is_withdrawn() -> None:
    fix = plan(text(d="1"))
    assert fix.before == fix.after
    assert [left.reason for left in fix.left] == ["the finding would still be there"]


def test_only_the_asked_findings_are_fixed() -> None:
    content = "---\n".join([text(a="1"), text(a="1").replace("name: x", "name: w")])
    second = [one for one in findings(content) if one.label.endswith("w")]
    fix = plan(content, second)
    assert fix.after.decode() == "---\n".join(
        [text(a="1"), text(a="0").replace("name: x", "name: w")]
    )


def test_objects_of_a_list_and_of_other_documents_keep_their_bytes() -> None:
    items = "".join(
        f"- apiVersion: v1\n  kind: ConfigMap\n  metadata: {{name: {name}}}\n"
        f'  data: {{a: "{value}", b: "", c: "", d: ""}}\n'
        for name, value in (("p", "1"), ("q", "0"), ("r", "1"))
    )
    content = f"not: ours\n---\napiVersion: v1\nkind: List\nitems:\n{items}\n--- # end\n{text()}"
    fix = plan(content)
    assert fix.after.decode() == content.replace('a: "1"', 'a: "0"')
    assert not fix.left


def test_byte_order_mark_and_carriage_returns_stay() -> None:
    content = text(a="1").replace("\n", "\r\n")
    fix = plan(content, data=b"\xef\xbb\xbf" + content.encode())
    assert fix.after == b"\xef\xbb\xbf" + content.replace('a: "1"', 'a: "0"').encode()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (text(a="1").encode("utf-16"), "UTF-8"),
        (b"#" * 2_000_000, "bytes"),
        (b"a: {{ .Values.x }}\n", "template"),
        (b"a: b\n", "as it stands"),
        (b"\xff\x00\xff", "UTF-8"),
    ],
)
def test_files_that_cannot_be_edited_are_left_with_a_reason(data: bytes, reason: str) -> None:
    fix = plan(text(a="1"), data=data)
    assert fix.before == fix.after
    assert fix.left
    assert all(reason in left.reason for left in fix.left)


def test_a_file_that_cannot_be_read_is_left() -> None:
    def refuse(path: str) -> bytes:
        raise InputError("no", where=path)

    planner = Planner(judge=judge(), resources=(), read=refuse)
    (fix,) = planner.plan(findings(text(a="1")))
    assert {left.reason for left in fix.left} == {"no"}


def test_findings_of_another_place_are_not_touched() -> None:
    (first, _) = findings(text(a="1"))
    moved = structs.replace(first, location=structs.replace(first.location, line=1))
    fix = plan(text(a="1"), [moved])
    assert fix.before == fix.after
    assert "as it stands" in fix.left[0].reason


def test_diff_can_be_applied() -> None:
    content = text(a="1").removesuffix("\n")
    assert diff_of([plan(content), plan(text(d="1"))]) == (
        "--- a/a.yaml\n+++ b/a.yaml\n@@ -2,4 +2,4 @@\n apiVersion: v1\n kind: ConfigMap\n"
        ' metadata: {name: x}\n-data: {a: "1", b: "0", c: "0", d: "0"} # tail\n'
        "\\ No newline at end of file\n"
        '+data: {a: "0", b: "0", c: "0", d: "0"} # tail\n\\ No newline at end of file\n'
    )


# --- writing -------------------------------------------------------------------------------


def test_writes_whole_and_keeps_the_mode(tmp_path: Path) -> None:
    target = tmp_path / "d" / "a"
    target.parent.mkdir()
    target.write_bytes(b"old")
    target.chmod(0o640)
    replace_file(tmp_path, "d/a", b"old", b"new")
    assert target.read_bytes() == b"new"
    assert target.stat().st_mode & 0o777 == 0o640
    assert [entry.name for entry in target.parent.iterdir()] == ["a"]


def test_refuses_a_file_that_changed_meanwhile(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"older")
    with pytest.raises(InputError, match="changed meanwhile"):
        replace_file(tmp_path, "a", b"old", b"new")
    assert (tmp_path / "a").read_bytes() == b"older"


def test_refuses_links_of_every_kind(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a").write_bytes(b"old")
    root = tmp_path / "root"
    root.mkdir()
    (root / "file").symlink_to(outside / "a")
    (root / "folder").symlink_to(outside)
    (root / "hard").hardlink_to(outside / "a")
    for path in ("file", "folder/a", "hard", "../outside/a"):
        with pytest.raises(InputError):
            replace_file(root, path, b"old", b"new")
    assert (outside / "a").read_bytes() == b"old"


def test_refuses_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        replace_file(tmp_path, "a", b"", b"new")
    assert not list(tmp_path.iterdir())
