"""The waiver file: what is demanded, all faults at once, expiry."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.errors import ConfigError
from haechi.gate.waivers import load_waivers
from haechi.model.waiver import WaiverOrigin
from haechi.rules.catalogue import rule_files
from tests.gate.builders import TODAY

NAME = "haechi.waivers.yaml"
GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "waivers.md"
PRINT = "0123456789abcdef0123456789abcdef"
BASE = {"rule": "k8s-a", "reason": "because", "owner": "@kim", "expires": "2027-01-01"}


def _text(*entries: object) -> str:
    return "waivers:\n" + "".join(f"- {msgspec.json.encode(e).decode()}\n" for e in entries)


def test_a_complete_waiver_is_read() -> None:
    text = _text({**BASE, "path": "deploy/**", "resource": "Deployment shop/*"})
    (waiver,) = load_waivers(text, NAME, TODAY)
    assert waiver.rule == "k8s-a"
    assert waiver.origin is WaiverOrigin.FILE
    assert str(waiver.location) == f"{NAME}:2"
    assert (waiver.path, waiver.resource) == ("deploy/**", "Deployment shop/*")
    assert (waiver.reason, waiver.owner) == ("because", "@kim")
    assert waiver.expires == dt.date(2027, 1, 1)


@pytest.mark.parametrize("text", ["", "# none\n", "waivers: []", "waivers:\n#- rule: x\n"])
def test_a_file_may_hold_none(text: str) -> None:
    assert load_waivers(text, NAME, TODAY) == ()


@pytest.mark.parametrize(
    "entry",
    [
        {**BASE, "path": "a"},
        {**BASE, "resource": "Pod x"},
        {**BASE, "fingerprint": PRINT},
        {**BASE, "everywhere": True},
        {**BASE, "rule": "*", "fingerprint": PRINT},
        {**BASE, "rule": "*", "path": "a/**"},
        {**BASE, "path": "**", "resource": "Pod x"},
        {**BASE, "path": "a", "expires": "2027-11-21"},
        {**BASE, "path": "a", "expires": "2020-01-01"},
        {**BASE, "path": "a", "fingerprint": None},
    ],
)
def test_valid_waivers(entry: dict[str, object]) -> None:
    assert len(load_waivers(_text(entry), NAME, TODAY)) == 1


@pytest.mark.parametrize(
    ("entry", "part"),
    [
        ({**BASE}, "does not say what it covers"),
        ({**BASE, "everywhere": False}, "does not say what it covers"),
        ({k: v for k, v in BASE.items() if k != "reason"} | {"path": "a"}, "lacks `reason`"),
        ({k: v for k, v in BASE.items() if k != "owner"} | {"path": "a"}, "lacks `owner`"),
        ({k: v for k, v in BASE.items() if k != "expires"} | {"path": "a"}, "lacks `expires`"),
        ({**BASE, "path": "a", "reason": "  "}, "`reason` is empty"),
        ({**BASE, "path": "a", "owner": ""}, "`owner` is empty"),
        ({**BASE, "path": "a", "expires": "2027-11-22"}, "more than 365 days ahead"),
        ({**BASE, "path": "a", "expires": "never"}, "must be a date"),
        ({**BASE, "path": "/a"}, "begins with '/'"),
        ({**BASE, "path": ""}, "`path` is empty"),
        ({**BASE, "path": "**"}, "covers everything"),
        ({**BASE, "resource": "*"}, "covers everything"),
        ({**BASE, "rule": "*", "path": "**/*"}, "covers everything"),
        ({**BASE, "rule": "*", "resource": "Pod x"}, "needs a path or a fingerprint"),
        ({**BASE, "rule": "*", "everywhere": True}, "needs a path or a fingerprint"),
        ({**BASE, "rule": "k8s-*", "path": "a"}, "not a rule id"),
        ({**BASE, "path": "a", "everywhere": True}, "contradicts"),
        ({**BASE, "fingerprint": "12"}, "32 hexadecimal digits"),
        ({**BASE, "path": ["a"]}, "must be text"),
        ({**BASE, "path": "a", "until": "x"}, "unknown key `until`"),
        ("k8s-a", "must be a mapping"),
    ],
)
def test_invalid_waiver_ends_the_run_with_its_line(entry: object, part: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_waivers(_text(entry), NAME, TODAY)
    assert caught.value.exit_code == 2
    assert caught.value.where == f"{NAME}:2", caught.value.explain()
    assert part in caught.value.what


def test_all_faults_of_all_waivers_are_told_at_once() -> None:
    text = _text(
        {**BASE, "path": "a"},
        {**BASE, "paht": "a", "expires": "never", "reason": ""},
        {**BASE, "rule": "*"},
        {**BASE, "everywhere": 1, "path": "/b"},
    )
    with pytest.raises(ConfigError) as caught:
        load_waivers(text, NAME, TODAY)
    lines = caught.value.what.splitlines()
    assert lines[0] == "7 faults"
    assert [re.search(r":(\d+): waiver (\d)", line).groups() for line in lines[1:]] == [  # type: ignore[union-attr]
        ("3", "2"),
        ("3", "2"),
        ("3", "2"),
        ("4", "3"),
        ("4", "3"),
        ("5", "4"),
        ("5", "4"),
    ]


@pytest.mark.parametrize("text", ["[]", "waiver: []", "waivers: {}", "waivers: x", "a: [", "x"])
def test_files_of_another_shape_are_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        load_waivers(text, NAME, TODAY)


_KEYS = ["rule", "path", "resource", "fingerprint", "reason", "owner", "expires", "everywhere"]
_VALUES = st.sampled_from(["*", "**", "k8s-a", "2027-01-01", PRINT, "", "/"]) | (
    st.none() | st.booleans() | st.integers() | st.lists(st.text(), max_size=2) | st.text()
)


_ENTRIES = st.dictionaries(st.sampled_from(_KEYS), _VALUES, max_size=1)
_NEARLY_RIGHT = _ENTRIES.map(lambda given: {**BASE, "path": "a", **given})


@given(st.lists(_NEARLY_RIGHT | _ENTRIES | _VALUES, max_size=2))
def test_any_entries_give_waivers_or_a_configuration_error(entries: list[object]) -> None:
    try:
        found = load_waivers(_text(*entries), NAME, TODAY)
    except ConfigError as error:
        assert error.where.startswith(NAME)
    else:
        assert len(found) == len(entries)
        assert all(each.reason and each.owner and each.expires for each in found)


@given(st.text(max_size=80))
def test_any_text_gives_waivers_or_a_configuration_error(text: str) -> None:
    try:
        load_waivers(text, NAME, TODAY)
    except ConfigError as error:
        assert error.explain()


def test_the_guides_example_is_valid_and_names_every_key() -> None:
    text = GUIDE.read_text()
    example = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)[0]
    assert len(load_waivers(example, NAME, TODAY)) == 2
    for key in _KEYS:
        assert f"| `{key}` |" in text


def test_the_guides_name_rules_that_exist() -> None:
    text = GUIDE.read_text() + GUIDE.with_name("configuration.md").read_text()
    named = set(re.findall(r"\b(?:k8s|docker)-[a-z0-9-]+", text))
    known = {
        match
        for path in rule_files()
        for match in re.findall(r"^\s*- id: (\S+)", path.read_text(), re.MULTILINE)
    }
    assert len(named) > 3
    assert named <= known
