"""``haechi scan``: exit codes and their order, reports and where they go, what is refused."""

from __future__ import annotations

import json
import os
import stat

import pytest

from tests.cli.command import Haechi
from tests.trees import POD, write

BROKEN = "apiVersion: v1\nkind: [\n"
CLEAN = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: shop}\n"


@pytest.mark.parametrize(
    ("files", "arguments", "code"),
    [
        ({}, (), 0),
        ({"a.yaml": CLEAN}, (), 0),
        ({"a.yaml": POD}, (), 1),
        ({"a.yaml": BROKEN}, (), 3),
        ({"a.yaml": POD, "b.yaml": BROKEN}, (), 1),
        ({"a.yaml": POD, "haechi.yaml": "gate: {fail_on: nothing}"}, (), 2),
        ({"a.yaml": POD, "b.yaml": BROKEN, "haechi.waivers.yaml": "waivers: 1"}, (), 2),
        ({"a.yaml": POD.replace("true", "false")}, (), 0),
        ({"a.yaml": POD.replace("true", "false")}, ("--fail-on", "medium"), 1),
        ({"a.yaml": POD}, ("--fail-on", "critical"), 1),
        ({"a.yaml": POD, "haechi.yaml": "severity: {k8s-privileged: low}"}, (), 0),
        ({"a.yaml": POD, "haechi.yaml": "disable: [k8s-privileged]"}, (), 0),
        ({"a.yaml": POD, "haechi.yaml": "exclude: ['*.yaml']"}, (), 0),
        ({"a.yaml": POD, "haechi.yaml": "gate: {fail_on: critical}"}, ("--fail-on", "info"), 1),
    ],
)
def test_exit_codes(
    haechi: Haechi, files: dict[str, str], arguments: tuple[str, ...], code: int
) -> None:
    write(haechi.where, files)
    done = haechi("scan", *arguments)
    assert done.code == code, done
    assert bool(done.err) is (code == 2)
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere",), "there is no nowhere"),
        (("a" * 5000,), "there is no aaa"),
        (("--only", "code"), "this version does not look at code yet"),
        (("--only", "iac,image"), "this version does not look at image yet"),
        (("--only", "cats"), "no such domain"),
        (("--fail-on", "bad"), "'bad' is not one of"),
        (("--format", "pdf"), "'pdf' is not one of"),
        (("-o", "x"), "more -o than --format"),
        (("--format", "json", "--format", "sarif"), "several formats on standard output"),
        (("--baseline", "gone.json"), "the baseline gone.json cannot be read"),
        (("--baseline", "git:main"), "not in a git repository"),
        (("--nonsense",), "No such option"),
        ((".", "."), "unexpected extra argument"),
    ],
)
def test_wrong_use_is_explained(haechi: Haechi, arguments: tuple[str, ...], said: str) -> None:
    done = haechi("scan", *arguments)
    assert done.code == 2
    assert said in done.err
    assert done.out == ""


def test_a_wrong_configuration_is_told_with_every_line(haechi: Haechi) -> None:
    write(haechi.where, {"haechi.yaml": "gate:\n  fail_on: hihg\nexclud: [a]\n"})
    done = haechi("scan")
    assert done.code == 2
    assert "haechi.yaml:2: " in done.err
    assert "haechi.yaml:3: " in done.err
    assert "did you mean" in done.err.lower()


def test_a_wrong_waiver_is_told_with_its_line(haechi: Haechi) -> None:
    waiver = "waivers:\n  - rule: k8s-privileged\n    path: a.yaml\n    reason: so\n"
    write(haechi.where, {"haechi.waivers.yaml": waiver, "a.yaml": POD})
    done = haechi("scan")
    assert done.code == 2
    assert "haechi.waivers.yaml:2: " in done.err
    assert "owner" in done.err
    assert "expires" in done.err


def test_the_bare_command_fits_on_a_screen(haechi: Haechi) -> None:
    write(haechi.where, {f"{n}.yaml": POD.replace("ok", f"p{n}") for n in range(40)})
    write(haechi.where, {"broken.yaml": BROKEN})
    done = haechi()
    assert done.code == 1
    assert 5 < len(done.out.splitlines()) <= 25
    assert "runs privileged" in done.out
    assert "broken.yaml" in done.out


def test_scan_shows_the_place_of_each_finding(haechi: Haechi) -> None:
    write(haechi.where, {"a.yaml": POD})
    done = haechi("scan")
    assert "9:9 CRITICAL k8s-privileged" in done.out
    assert "privileged: true" in done.out
    summary = haechi("scan", "--summary")
    assert len(summary.out.splitlines()) <= 25


def test_several_reports_at_once(haechi: Haechi) -> None:
    write(haechi.where, {"a.yaml": POD})
    done = haechi(
        "scan", "--format", "json", "-o", "out/deep/a.json", "--format", "sarif", "-o", "b.sarif",
        "--format", "markdown",
    )  # fmt: skip
    assert done.code == 1
    report = json.loads((haechi.where / "out/deep/a.json").read_text())
    assert report["schema"] == "haechi.scan/1"
    assert json.loads((haechi.where / "b.sarif").read_text())["version"] == "2.1.0"
    assert "### ⛔ haechi blocks" in done.out
    assert not [path for path in haechi.where.rglob(".*") if path.is_file()]


def test_reports_in_files_leave_the_screen_to_the_summary(haechi: Haechi) -> None:
    write(haechi.where, {"a.yaml": POD})
    done = haechi("scan", "--format", "html", "-o", "a.html")
    assert "What matters most" in done.out
    assert (haechi.where / "a.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize("name", ["json", "sarif", "junit", "html", "markdown", "terminal"])
def test_every_format_goes_to_standard_output(haechi: Haechi, name: str) -> None:
    write(haechi.where, {"a.yaml": POD})
    done = haechi("scan", "--format", name)
    assert done.code == 1
    assert "k8s-privileged" in done.out
    assert done.out.endswith("\n")
    assert done.err == ""


def test_a_report_takes_the_place_of_an_older_one_or_leaves_it(haechi: Haechi) -> None:
    write(haechi.where, {"a.yaml": POD})
    target = haechi.where / "r.json"
    target.write_text("older")
    assert haechi("scan", "--format", "json", "-o", "r.json").code == 1
    assert target.read_text().startswith("{")
    assert stat.S_IMODE(target.stat().st_mode) == 0o644
    folder = haechi.where / "folder"
    folder.mkdir()
    done = haechi("scan", "--format", "json", "-o", "folder")
    assert done.code == 2
    assert "cannot write folder" in done.err
    done = haechi("scan", "--format", "json", "-o", "a.yaml/r.json")
    assert done.code == 2
    assert not list(haechi.where.glob(".*"))


def test_a_pipe_is_written_to_and_not_replaced(haechi: Haechi) -> None:
    write(haechi.where, {"a.yaml": CLEAN})
    pipe = haechi.where / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert haechi("scan", "--format", "junit", "-o", "pipe").code == 0
        assert os.read(reader, 10).startswith(b"<?xml")
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize(
    ("variables", "colour"),
    [
        ({}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ({"NO_COLOR": "1"}, False),
    ],
)
def test_colour_is_for_terminals_and_whoever_asks(
    haechi: Haechi, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], colour: bool
) -> None:
    write(haechi.where, {"a.yaml": POD})
    for key, value in variables.items():
        monkeypatch.setenv(key, value)
    assert ("\x1b[" in haechi("scan").out) is colour
    assert ("\x1b[" in haechi().out) is colour


def test_the_project_is_the_nearest_folder_upwards_that_says_so(haechi: Haechi) -> None:
    write(haechi.where, {"deploy/a.yaml": POD, "b.yaml": POD, "haechi.yaml": "disable: []"})
    done = haechi("scan", "deploy", "--format", "json")
    found = {f["location"]["path"] for f in json.loads(done.out)["findings"]}
    assert found == {"deploy/a.yaml"}
    (haechi.where / "haechi.yaml").write_text("exclude: [deploy/]")
    assert haechi("scan", "deploy").code == 0


def test_two_configurations_are_one_too_many(haechi: Haechi) -> None:
    write(haechi.where, {".haechi.yaml": ""})
    done = haechi("scan")
    assert done.code == 2
    assert "keep one" in done.err


def test_only_iac_is_all_there_is(haechi: Haechi) -> None:
    write(haechi.where, {"a.yaml": POD})
    assert haechi("scan", "--only", "iac").code == 1
    assert haechi("scan", "--only", "iac", "--only", "iac").code == 1


RULE = """\
rules:
- id: team-%s
  title: A rule of the team
  severity: high
  why: Because
  fix: Do
  applies_to: {kinds: [pod]}
  judge: cel
  expression: %s
  message: the pod is not as agreed
  bad: ["apiVersion: v1\\nkind: Pod\\nmetadata: {name: a}\\nspec: {hostIPC: true}"]
  good: ["apiVersion: v1\\nkind: Pod\\nmetadata: {name: a}\\nspec: {}"]
"""
SAFE = POD.replace("true", "false")


def user_rules(haechi: Haechi, *arguments: str, **rules: str) -> dict[str, object]:
    files = {f"ci/{name}.yaml": RULE % (name, text) for name, text in rules.items()}
    write(haechi.where, {"haechi.yaml": "rules: [ci]\nexclude: [ci/]", "a.yaml": SAFE, **files})
    report: dict[str, object] = json.loads(haechi("scan", "--format", "json", *arguments).out)
    return report


def test_rules_of_the_team_judge_beside_ours(haechi: Haechi) -> None:
    report = user_rules(haechi, no="'!has(object.spec.containers)'", yes="'true'")
    found = [f for f in report["findings"] if f["rule"].startswith("team-")]  # type: ignore[attr-defined]
    assert [(f["rule"], f["message"]) for f in found] == [("team-no", "the pod is not as agreed")]
    assert report["coverage"]["gaps"] == []  # type: ignore[index]


def test_a_broken_rule_is_told_with_its_line_and_the_others_run(haechi: Haechi) -> None:
    report = user_rules(
        haechi, good="'false'", schema="'true'\n  colour: red", syntax="'object.('", types="'1 + 1'"
    )
    gaps = report["coverage"]["gaps"]  # type: ignore[index]
    assert sorted((gap["kind"], gap["path"]) for gap in gaps) == [
        ("rule-error", "ci/schema.yaml:2"),
        ("rule-error", "ci/syntax.yaml:9"),
        ("rule-error", "ci/types.yaml:9"),
    ]
    rules = {f["rule"] for f in report["findings"]}  # type: ignore[attr-defined]
    assert "team-good" in rules
    assert "k8s-seccomp-missing" in rules


def test_a_rule_that_does_not_fit_the_object_is_an_error_not_a_pass(haechi: Haechi) -> None:
    report = user_rules(haechi, missing="'object.spec.nothing == 1'")
    (gap,) = report["coverage"]["gaps"]  # type: ignore[index]
    assert gap["kind"] == "rule-error"
    assert gap["path"].startswith("a.yaml:")
    assert "team-missing" in gap["reason"]


def test_a_slow_rule_is_ended_and_the_others_run(
    haechi: Haechi, monkeypatch: pytest.MonkeyPatch
) -> None:
    from haechi.world import isolated

    defaults = isolated.IsolatedRules.__init__.__kwdefaults__ or {}
    monkeypatch.setitem(defaults, "deadline_s", 1.5)
    numbers = "'object.data.many.exists(x, x in object.data.far)'"
    many, far = list(range(9_000)), list(range(10_000, 200_000))
    big = f"apiVersion: v1\nkind: Secret\ndata: {{many: {many}, far: {far}}}\n"
    write(haechi.where, {"big.yaml": big})
    rules = {"good": "'false'", "slow": numbers}
    for name, text in rules.items():
        rule = (RULE % (name, text)).replace("[pod]", "[core/Secret]")
        write(haechi.where, {f"ci/{name}.yaml": rule})
    write(haechi.where, {"haechi.yaml": "rules: [ci]\nexclude: [ci/]"})
    report = json.loads(haechi("scan", "--format", "json").out)
    (gap,) = report["coverage"]["gaps"]
    assert gap["kind"] == "rule-error"
    assert "team-slow" in gap["reason"]
    assert "did not finish within" in gap["reason"]
    assert "team-good" in {f["rule"] for f in report["findings"]}


@pytest.mark.parametrize(
    ("variables", "language"),
    [
        ({"LANG": "ko_KR.UTF-8"}, "ko"),
        ({"LANG": "en_US.UTF-8"}, "en"),
        ({"LC_ALL": "en_US.UTF-8", "LANG": "ko_KR.UTF-8"}, "en"),
        ({}, "en"),
    ],
)
def test_the_html_report_opens_in_the_readers_language(
    variables: dict[str, str], language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from haechi.cli.screen import language as told

    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert told() == language
