"""What later items do to earlier ones: append, override, enable."""

from __future__ import annotations

import pytest

from tests.engines.falco.rulefiles import codes, condition, errors, loaded, only, rule

LIST = "- {list: l, items: [a]}\n"
MACRO = "- {macro: m, condition: proc.name = a}\n"
USES_LIST, USES_MACRO = (
    rule("proc.name in (l)", "warn_evttypes: false"),
    rule("m", "warn_evttypes: false"),
)
RULE = rule("evt.type = open", "tags: [t]\nwarn_evttypes: false")


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ("{list: l, items: [b], override: {items: append}}", "proc.name in (a, b)"),
        ("{list: l, items: [b], override: {items: replace}}", "proc.name in (b)"),
        ("{list: l, items: [b]}", "proc.name in (b)"),
    ],
)
def test_lists_are_overridden(item: str, expected: str) -> None:
    found = loaded(f"{LIST}- {item}\n{USES_LIST}")
    assert condition(found) == expected
    assert codes(found) == []


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (
            "{macro: m, condition: or proc.name = b, override: {condition: append}}",
            "(proc.name = a) or (proc.name = b)",
        ),
        ("{macro: m, condition: proc.name = b, override: {condition: replace}}", "proc.name = b"),
        ("{macro: m, condition: proc.name = b}", "proc.name = b"),
    ],
)
def test_macros_are_overridden(item: str, expected: str) -> None:
    found = loaded(f"{MACRO}- {item}\n{USES_MACRO}")
    assert condition(found) == expected
    assert codes(found) == []


@pytest.mark.parametrize(
    ("before", "item", "expected"),
    [
        (LIST + USES_LIST, "{list: l, items: [b], append: true}", "proc.name in (a, b)"),
        (
            MACRO + USES_MACRO,
            "{macro: m, condition: and proc.name = b, append: true}",
            "(proc.name = a) and (proc.name = b)",
        ),
        (
            RULE,
            "{rule: r, condition: and proc.name = b, append: true}",
            "(evt.type = open) and (proc.name = b)",
        ),
    ],
    ids=["list", "macro", "rule"],
)
def test_the_old_append_works_and_is_deprecated(before: str, item: str, expected: str) -> None:
    found = loaded(before, f"- {item}")
    assert condition(found) == expected
    assert codes(found) == ["LOAD_DEPRECATED_ITEM"]


def test_append_false_defines() -> None:
    found = loaded(f"{LIST}- {{list: l, items: [b], append: false}}\n{USES_LIST}")
    assert condition(found) == "proc.name in (b)"


def test_every_key_that_can_be_appended_to() -> None:
    found = only(
        loaded(
            RULE,
            """
            - rule: r
              condition: and proc.name = b
              output: and %proc.pname
              desc: and more
              tags: [u, t]
              exceptions: [{name: e, fields: proc.exe, values: [x]}]
              override:
                condition: append
                output: append
                desc: append
                tags: append
                exceptions: append
            """,
        )
    )
    assert found.text == "evt.type = open and proc.name = b"
    assert found.output == "seen %proc.name and %proc.pname"
    assert found.desc == "what it is for and more"
    assert found.tags == ("t", "u")
    assert [one.name for one in found.exceptions] == ["e"]


def test_every_key_that_can_be_replaced() -> None:
    found = only(
        loaded(
            RULE,
            """
            - rule: r
              condition: evt.type = dup and proc.nope exists
              output: new
              desc: else
              tags: [u]
              exceptions: [{name: e, fields: proc.exe, values: [x]}]
              priority: Info
              enabled: false
              warn_evttypes: true
              skip-if-unknown-filter: true
              capture: true
              capture_duration: 3
              override:
                condition: replace
                output: replace
                desc: replace
                tags: replace
                exceptions: replace
                priority: replace
                enabled: replace
                warn_evttypes: replace
                skip-if-unknown-filter: replace
                capture: replace
                capture_duration: replace
            - rule: r
              condition: evt.type = dup
              override: {condition: replace}
            """,
        )
    )
    assert (found.text, found.output, found.desc) == ("evt.type = dup", "new", "else")
    assert (found.priority, found.enabled, found.tags) == ("informational", False, ("u",))
    assert found.warn_evttypes
    assert found.skip_if_unknown_filter
    assert len(found.exceptions) == 1


def test_one_override_may_append_and_replace() -> None:
    found = only(
        loaded(
            RULE,
            "- {rule: r, condition: and proc.name = b, output: new, "
            "override: {condition: append, output: replace}}",
        )
    )
    assert (found.text, found.output) == ("evt.type = open and proc.name = b", "new")


def test_a_rule_is_enabled_by_its_name_alone() -> None:
    found = loaded(RULE, "- {rule: r, enabled: false}")
    assert not only(found).enabled
    assert codes(found) == ["LOAD_DEPRECATED_ITEM"]
    assert (
        only(loaded(RULE, "- {rule: r, enabled: no, override: {enabled: replace}}")).enabled
        is False
    )


def test_appending_does_not_enable() -> None:
    disabled = rule("evt.type = open", "enabled: false")
    found = loaded(
        disabled, "- {rule: r, enabled: true, condition: and proc.name = b, append: true}"
    )
    assert not only(found).enabled


def test_source_may_be_named_again_or_left_out_when_appending() -> None:
    text = rule("ka.verb = get", "source: k8s_audit").replace("%proc.name", "%ka.verb")
    for source in ("source: k8s_audit, ", "source: , ", ""):
        more = (
            f"- {{rule: r, {source}condition: or ka.verb = list, override: {{condition: append}}}}"
        )
        assert only(loaded(text, more)).text == "ka.verb = get or ka.verb = list"


WRONG = {
    "list before": ("", "{list: l, items: [b], override: {items: append}}", "no list by that name"),
    "macro before": ("", "{macro: m, condition: or x, append: true}", "no macro by that name"),
    "rule before": ("", "{rule: r, condition: or x, append: true}", "no rule by that name"),
    "replace before": (
        "",
        "{rule: r, condition: x, override: {condition: replace}}",
        "replace' to a rule was requested but no rule by that name",
    ),
    "enable before": ("", "{rule: r, enabled: true}", "no rule by that name"),
    "both ways": (
        RULE,
        "{rule: r, condition: or x, append: true, override: {condition: append}}",
        "cannot be used together",
    ),
    "both ways, list": (
        LIST,
        "{list: l, items: [b], append: true, override: {items: append}}",
        "cannot be used together",
    ),
    "not to be appended": (
        RULE,
        "{rule: r, priority: debug, override: {priority: append}}",
        "Key 'priority' cannot be appended to, use 'replace' instead",
    ),
    "not to be replaced": (
        RULE,
        "{rule: r, source: flow, override: {source: replace}}",
        "Key 'source' cannot be replaced",
    ),
    "no operation": (
        RULE,
        "{rule: r, output: x, override: {output: prepend}}",
        "Invalid override operation for key 'output': 'prepend'. Allowed values are: append "
        "replace",
    ),
    "wrong key of a list": (
        LIST,
        "{list: l, items: [b], override: {values: append}}",
        "Key 'values' cannot be appended to",
    ),
    "not given": (
        RULE,
        "{rule: r, override: {output: append}}",
        "An append override for 'output' was specified but 'output' is not defined",
    ),
    "not announced": (
        RULE,
        "{rule: r, output: x, desc: y, override: {output: append}}",
        "Unexpected key 'desc': no corresponding entry under 'override' is defined.",
    ),
    "nothing to append": (
        RULE,
        "{rule: r, append: true}",
        "Appended rule must have exceptions or condition property",
    ),
    "another source": (
        RULE,
        "{rule: r, source: flow, condition: or x, override: {condition: append}}",
        "Rule has been re-defined with a different source",
    ),
    "neither rule nor override": (RULE, "{rule: r}", "no mapping for key 'enabled'"),
    "override is no mapping": (RULE, "{rule: r, override: 3}", "'override' is no mapping"),
    "empty capture": (
        RULE,
        "{rule: r, capture_duration: -1, override: {capture_duration: replace}}",
        "not a whole number",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_an_override_that_is_wrong_changes_nothing(case: str) -> None:
    before, item, message = WRONG[case]
    found = loaded(before or "[]", f"- {item}")
    assert any(message in one for one in errors(found)), errors(found)
    assert len(errors(found)) == 1
    if before == RULE:
        assert [(one.text, one.output) for one in found.rules] == [
            ("evt.type = open", "seen %proc.name")
        ]


def test_a_definition_with_another_source_is_refused() -> None:
    found = loaded(RULE, rule("flow.verdict = denied", "source: flow"))
    assert any("re-defined with a different source" in one for one in errors(found))
    assert [one.source for one in found.rules] == ["syscall"]
