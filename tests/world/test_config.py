"""haechi.yaml: defaults, strictness with lines, files on disk, and its documentation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import inspect

from haechi.errors import ConfigError
from haechi.model.config import INLINE_POLICIES, Config, Development, GateSection, PodTemplate
from haechi.model.severity import Severity
from haechi.world.config import load_config, parse_config

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "configuration.md"


def test_absent_file_means_the_defaults(tmp_path: Path) -> None:
    assert load_config(tmp_path) == Config()


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "---\n", "{}", "null"])
def test_empty_file_means_the_defaults(text: str) -> None:
    assert parse_config(text.encode(), "haechi.yaml") == Config()


@pytest.mark.parametrize("name", ["haechi.yaml", ".haechi.yaml"])
def test_reads_either_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("gate: {fail_on: low}\n")
    assert load_config(tmp_path).gate.fail_on is Severity.LOW


def test_two_files_at_once_are_refused(tmp_path: Path) -> None:
    for name in ("haechi.yaml", ".haechi.yaml"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(ConfigError, match="two configuration files"):
        load_config(tmp_path)


def test_link_inside_the_tree_is_followed_and_one_out_of_it_refused(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "conf").mkdir(parents=True)
    (root / "conf" / "h.yaml").write_text("gate: {fail_on: low}\n")
    (root / "haechi.yaml").symlink_to("conf/h.yaml")
    assert load_config(root).gate.fail_on is Severity.LOW
    (tmp_path / "outside.yaml").write_text("gate: {fail_on: info}\n")
    (root / "haechi.yaml").unlink()
    (root / "haechi.yaml").symlink_to("../outside.yaml")
    with pytest.raises(ConfigError, match="leads out"):
        load_config(root)
    (root / "haechi.yaml").unlink()
    (root / "haechi.yaml").symlink_to("gone.yaml")
    with pytest.raises(ConfigError, match="leads nowhere"):
        load_config(root)


def test_folder_and_huge_file_in_its_place_are_refused(tmp_path: Path) -> None:
    (tmp_path / "haechi.yaml").mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path)
    (tmp_path / "haechi.yaml").rmdir()
    (tmp_path / "haechi.yaml").write_text("# " + "x" * (1 << 20))
    with pytest.raises(ConfigError, match="more than"):
        load_config(tmp_path)


@pytest.mark.parametrize(
    ("text", "line", "parts"),
    [
        ("gaet: {}", 1, ["unknown key `gaet`", "did you mean `gate`?"]),
        ("xyzzy: 1", 1, ["the keys here are: exclude, rules"]),
        ("gate:\n  fail_onn: high", 2, ["`fail_onn` in `gate`", "did you mean `fail_on`?"]),
        ("gate:\n  fail_on: hgih", 2, ["critical, high, medium", "did you mean `high`?"]),
        ("exclude: vendor", 1, ["`exclude` must be a list"]),
        ("exclude:\n- ok\n- /abs", 3, ["begins with '/'"]),
        ("exclude: ['']", 1, ["is empty"]),
        ("rules: [' ']", 1, ["`rules[0]` is empty"]),
        ("disable: ['k8s-*']", 1, ["is not a rule id"]),
        ("severity:\n  k8s-x: bad", 2, ["must be one of"]),
        ("severity: {'a b': low}", 1, ["is not a rule id"]),
        ("owners: {'a/../b': x}", 1, ["'..'"]),
        ("owners: {a: ' '}", 1, ["names nobody"]),
        ("kubernetes_version: 1.30", 1, ["must be text", "quotes"]),
        ("kubernetes_version: '1.30.2'", 1, ["`1.30.2`", "minor version"]),
        ("kubernetes_version: '2.1'", 1, ["minor version"]),
        ("pod_templates:\n- kind: Rollout\n  path: a", 2, ["group/Kind"]),
        ("pod_templates:\n- kind: a.io/Rollout\n  path: a..b", 3, ["spec.template"]),
        ("pod_templates:\n- kind: a.io/Rollout", 2, ["lacks `path`"]),
        ("gate: {inline_waivers: max-medum}", 1, ["did you mean `max-medium`?", "allow, deny"]),
        ("gate: {inline_waivers: 3}", 1, ["must be text"]),
        ("gate:\n  due_days:\n    hihg: 3", 3, ["did you mean `high`?"]),
        ("gate: {due_days: {high: 0}}", 1, ["1 to 3650 days, not 0"]),
        ("gate: {due_days: {high: 1.5}}", 1, ["a whole number"]),
        (
            "coverage: {accept: [{kind: x, reason: ''}]}",
            1,
            ["`coverage.accept[0].reason` is empty"],
        ),
        ("coverage: {accept: [{kind: x}]}", 1, ["lacks `reason`"]),
        ("coverage: {accept: [{kind: x, reason: why, path: /z}]}", 1, ["begins with '/'"]),
    ],
)
def test_fault_names_line_key_and_remedy(text: str, line: int, parts: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(text.encode(), "haechi.yaml")
    assert caught.value.exit_code == 2
    assert caught.value.where == f"haechi.yaml:{line}"
    for part in parts:
        assert part in caught.value.explain()


def test_all_faults_are_told_at_once() -> None:
    text = b"gate:\n  inline_waivers: no-thanks\n  due_days: {critical: -1}\nexclude: ['/a']\n"
    with pytest.raises(ConfigError) as caught:
        parse_config(text, "haechi.yaml")
    assert caught.value.what.startswith("3 faults")


def test_due_days_that_are_not_named_keep_their_default() -> None:
    config = parse_config(b"gate: {due_days: {critical: 3}}", "haechi.yaml")
    assert config.gate.due_days == {"critical": 3, "high": 30, "medium": 90, "low": 180}


@pytest.mark.parametrize("policy", INLINE_POLICIES)
def test_every_inline_policy_is_accepted(policy: str) -> None:
    config = parse_config(f"gate: {{inline_waivers: {policy}}}".encode(), "haechi.yaml")
    assert config.gate.inline_waivers == policy


@pytest.mark.parametrize(
    ("policy", "honoured"),
    [
        ("allow", "critical high medium low info"),
        ("deny", ""),
        ("max-critical", "critical high medium low info"),
        ("max-medium", "medium low info"),
        ("max-info", "info"),
        ("max-", ""),
        ("medium", ""),
        ("anything else", ""),
    ],
)
def test_inline_policy_honours_up_to_its_severity(policy: str, honoured: str) -> None:
    gate = GateSection(inline_waivers=policy)
    assert " ".join(s for s in Severity if gate.honours_inline(s)) == honoured


def test_pod_template_path_becomes_steps() -> None:
    assert PodTemplate(kind="a/B", path="spec.template").steps == ("spec", "template")
    assert PodTemplate(kind="a/B", path="").steps == ()


_WORDS = [
    *("gate", "fail_on", "exclude", "coverage", "accept", "due_days", "owners", "rules", "kind"),
    *("high", "**", "/x", "1.33", "allow"),
]
_NODES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(_WORDS) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_WORDS), inner, max_size=4)
    ),
    max_leaves=15,
)


@given(_NODES)
def test_any_document_gives_a_configuration_or_a_configuration_error(value: Any) -> None:
    try:
        assert isinstance(parse_config(msgspec.json.encode(value), "haechi.yaml"), Config)
    except ConfigError as error:
        assert error.explain()


@given(st.binary(max_size=200))
def test_any_bytes_give_a_configuration_or_a_configuration_error(data: bytes) -> None:
    try:
        parse_config(data, "haechi.yaml")
    except ConfigError as error:
        assert error.explain()


# --- the documentation ---------------------------------------------------------------------

_ROW = re.compile(r"^\| `([a-z_.\[\]]+)` \| [^|]+ \| (?:`([^`]+)`|(required)) \|", re.MULTILINE)


def _documented() -> dict[str, str]:
    return {key: default or required for key, default, required in _ROW.findall(GUIDE.read_text())}


def _keys(info: inspect.Type, prefix: str) -> Iterator[tuple[str, str]]:
    """(key, default as documented) of every key, sections themselves left out."""
    assert isinstance(info, inspect.StructType)
    for field in info.fields:
        key = f"{prefix}{field.encode_name}"
        if isinstance(field.type, inspect.StructType):
            yield from _keys(field.type, f"{key}.")
            continue
        yield key, _default(field)
        if isinstance(field.type, inspect.ListType) and isinstance(
            field.type.item_type, inspect.StructType
        ):
            yield from _keys(field.type.item_type, f"{key}[].")


def _default(field: inspect.Field) -> str:
    value: Any = field.default
    if field.default_factory is not msgspec.NODEFAULT:
        value = field.default_factory()
    match value:
        case msgspec.NODEFAULT:
            return "required"
        case dict():
            return "{" + ", ".join(f"{key}: {item}" for key, item in value.items()) + "}"
        case bool():
            return str(value).lower()
        case Severity() | Development() | list() | int():
            return str(value)
        case "allow":
            return "allow"
        case _:
            return f'"{value}"'


def test_every_key_is_documented_with_its_default_and_no_other() -> None:
    keys = dict(_keys(inspect.type_info(Config), ""))
    assert len(keys) > 10
    assert _documented() == keys


def test_the_guides_example_is_valid() -> None:
    example = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert len(example) == 1
    assert parse_config(example[0].encode(), "haechi.yaml").gate.due_days["critical"] == 3


def test_every_severity_and_policy_is_in_the_guide() -> None:
    text = GUIDE.read_text()
    for word in (*Severity, "allow", "deny", "max-<severity>"):
        assert f"`{word}`" in text
