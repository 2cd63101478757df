"""Falco's codes of load errors and warnings, and messages that say what to do about them.

The codes are Falco's (``falco_load_result.cpp``), so that what people know and search for fits.
"""

from __future__ import annotations

YAML_PARSE = "LOAD_ERR_YAML_PARSE"
YAML_VALIDATE = "LOAD_ERR_YAML_VALIDATE"
COMPILE_CONDITION = "LOAD_ERR_COMPILE_CONDITION"
COMPILE_OUTPUT = "LOAD_ERR_COMPILE_OUTPUT"
VALIDATE = "LOAD_ERR_VALIDATE"

UNKNOWN_SOURCE = "LOAD_UNKNOWN_SOURCE"
UNSAFE_NA_CHECK = "LOAD_UNSAFE_NA_CHECK"
NO_EVTTYPE = "LOAD_NO_EVTTYPE"
UNKNOWN_FILTER = "LOAD_UNKNOWN_FILTER"
UNUSED_MACRO = "LOAD_UNUSED_MACRO"
UNUSED_LIST = "LOAD_UNUSED_LIST"
UNKNOWN_ITEM = "LOAD_UNKNOWN_ITEM"
DEPRECATED_ITEM = "LOAD_DEPRECATED_ITEM"
APPEND_NO_VALUES = "LOAD_APPEND_NO_VALUES"
EXCEPTION_NAME_NOT_UNIQUE = "LOAD_EXCEPTION_NAME_NOT_UNIQUE"
INVALID_MACRO_NAME = "LOAD_INVALID_MACRO_NAME"
INVALID_LIST_NAME = "LOAD_INVALID_LIST_NAME"
UNKNOWN_KEY = "LOAD_UNKNOWN_KEY"

OVERRIDE_AND_APPEND = (
    "Keys 'override' and 'append: true' cannot be used together: write an 'append' entry under "
    "'override' instead, for example 'condition: append'"
)
NO_PREVIOUS = {
    "list": (
        "List uses 'append' or 'override.items: append' but no list by that name already exists"
    ),
    "macro": (
        "Macro uses 'append' or 'override.condition: append' but no macro by that name already "
        "exists"
    ),
    "rule": (
        "Rule uses 'append' or 'override.<key>: append' but no rule by that name already exists"
    ),
}
NO_PREVIOUS_REPLACE = (
    "An 'override.<key>: replace' to a rule was requested but no rule by that name already exists"
)
NO_PREVIOUS_ENABLED = "Rule has 'enabled' key but no rule by that name already exists"
OLD_APPEND = (
    "'append' key is deprecated: write an 'append' entry under 'override' instead, for example "
    "'condition: append'"
)
OLD_ENABLED = (
    "The standalone 'enabled' key is deprecated: write 'enabled: replace' under 'override' and "
    "the rule's 'enabled' beside it"
)
UNSAFE_NA = "Comparing with '<NA>' is unsafe: to ask whether a field is there, use 'exists'"
TOO_MANY_TYPES = (
    "Rule matches too many evt.type values, which costs much time: restrict it by evt.type"
)
UNUSED = "{kind} not referred to by any other rule/macro"


def deprecated_field(name: str) -> str:
    """Why a field should not be used any more."""
    if name == "evt.dir":
        return (
            "field 'evt.dir' is deprecated: there are no enter events any more, so it is always "
            "'<'; leave the test out"
        )
    return f"field '{name}' is deprecated: it is never there, for want of enter events"


def undefined_macro(name: str) -> str:
    return f"Undefined macro '{name}' used in filter."


def is_unknown(message: str) -> bool:
    """Whether ``skip-if-unknown-filter`` forgives this error."""
    return any(
        part in message
        for part in (
            "nonexistent field",
            "invalid formatting token",
            "unknown event type",
            "unknown filter:",
        )
    )
