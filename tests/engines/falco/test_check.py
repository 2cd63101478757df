"""What libs refuses though the grammar takes it, and what is legal and looks like a mistake."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from haechi.engines.falco.check import check_condition, check_output, is_field
from haechi.engines.falco.fields import SOURCES
from haechi.engines.falco.parse import parse_condition
from haechi.engines.falco.syntax import Node
from haechi.errors import ConditionError
from tests.engines.falco.condition_text import trees

_ALLOWED = {
    "proc.name": "= != < <= > >= contains icontains startswith endswith glob iglob regex in "
    "intersects pmatch exists",
    "proc.pid": "= != < <= > >= in intersects exists",
    "proc.duration": "= != < <= > >= in intersects exists",
    "evt.is_io": "= != in intersects exists",
    "fd.sip": "= != in intersects exists",
    "fd.net": "= != in intersects exists",
    "fd.sport": "= != < <= > >= in intersects exists",
    "evt.buffer": "= != contains startswith endswith bcontains bstartswith in intersects exists",
    "fd.types": "in intersects exists",
}
_VALUE = {"evt.is_io": "true", "fd.sip": "10.0.0.1", "fd.net": "10.0.0.0/8"}
_NUMERIC = ["<", "<=", ">", ">="]
_EVERY = sorted({op for ops in _ALLOWED.values() for op in ops.split()})
_CASES = [
    (field, op) for field in _ALLOWED for op in _EVERY if field not in _VALUE or op not in _NUMERIC
]


def _condition(field: str, op: str) -> str:
    value = _VALUE.get(field, "12")
    if op == "exists":
        return f"{field} exists"
    return (
        f"{field} {op} ({value})"
        if op in ("in", "intersects", "pmatch")
        else (f"{field} {op} {value}")
    )


@pytest.mark.parametrize(("field", "op"), _CASES)
def test_a_type_takes_its_operators_only(field: str, op: str) -> None:
    node = parse_condition(_condition(field, op))
    if op in _ALLOWED[field].split():
        cautions = check_condition(node, "syscall")
        assert all("may be optimized" in caution.message for caution in cautions)
        return
    with pytest.raises(ConditionError, match="not supported"):
        check_condition(node, "syscall")


REFUSED = {
    "proc.nam = x": "nonexistent field proc.nam",
    "proc.name[1] = x": "nonexistent field proc.name[1]",
    "proc.aname[x] = x": "nonexistent field proc.aname[x]",
    "evt.arg = x": "filter syntax error: evt.arg",
    "evt.arg[x] = x": "x is not a valid number",
    "evt.arg.nope = x": "unknown event argument nope",
    "ka.verb = get": "nonexistent field ka.verb",
    "container.mount.dest = x": "requires an argument but none provided",
    "container.id[x] = x": "does not allow nor require an argument but one is provided: x",
    "evt.type = opne": "unknown event type opne",
    "evt.type in (open, opne)": "unknown event type opne",
    "evt.type startswith ope": "unknown event type ope",
    "proc.pid = x": "x is not a valid number",
    "proc.pid in (1, x)": "x is not a valid number",
    "proc.tty = ''": "is not a valid number",
    "evt.is_io = yes": "unrecognized boolean value yes",
    "fd.sip = 1.2.3": "unrecognized IPv4 address 1.2.3",
    "fd.sip = ::zz": "unrecognized IPv6 address ::zz",
    "fd.net = 10.0.0.1": "unrecognized IP network 10.0.0.1",
    "fd.net in (10.0.0.0/33)": "invalid netmask 33",
    "fd.sport = nonesuch": "unrecognized protocol nonesuch",
    "proc.name regex '('": "invalid regex pattern",
    "evt.buffer bcontains 2g": "support hex strings only",
    "evt.buffer bstartswith 123": "support hex strings only",
    r"proc.name = '\x00'": "cannot contain a NUL byte",
    "proc.name = val(proc.nope)": "nonexistent field proc.nope",
    "proc.name = val(proc.pid)": "has type 'CHARBUF' while",
    "proc.name = val(proc.aname)": "can't be used as a right-hand side field",
    "proc.aname = val(proc.name)": "'proc.aname' doesn't support right-hand side fields",
    "fd.net = val(fd.sip)": "field type 'IPNET' doesn't support right-hand side fields",
    "proc.name pmatch val(proc.exe)": "operator 'PMATCH' doesn't support right-hand side",
    "proc.name regex val(proc.exe)": "operator 'REGEX' doesn't support right-hand side",
    "fd.types in val(proc.name)": "'fd.types' doesn't support right-hand side fields",
    "tolower(proc.pid) = x": "type 'INT64' is not supported by 'tolower'",
    "tolower(proc.aname) = x": "field 'proc.aname' does not support transformers",
    "len(tolower(proc.aname)) = 1": "field 'proc.aname' does not support transformers",
    "len(proc.pid) = 1": "type 'INT64' is not supported by 'len'",
    "len(proc.name) contains x": "'contains' operator not supported for numeric filters",
    "tolower(proc.name)[x] = a": "transformer 'tolower' does not support field arguments",
    "tolower(proc.name, proc.exe) = a": "unknown multivalue transformer",
    "join(',') = a": "join() requires more than one argument",
    "join(',', proc.name) = a": "join() second argument must be a list",
    "join((proc.name), (proc.name)) = a": "join() first argument (separator) must be a single",
    "join(',', (proc.name), 1) = a": "join() requires exactly 2 arguments",
    "join(',', (proc.name))[x] = a": "transformer 'join' does not support field arguments",
    "concat(proc.name, proc.pid) = a": "concat() arguments must be strings",
    "getopt(proc.name, 'a') in (a)": "getopt() first argument must be a list",
    "getopt(fd.types, ('a')) in (a)": "getopt() second argument (optstring) must be a single",
    "getopt(fd.types, 'a')[ab] = a": "must be a single option character",
    "getopt(fd.types, 'a') = a": "'=' operator not supported for list filters",
}


@pytest.mark.parametrize("text", REFUSED, ids=repr)
def test_what_libs_cannot_compile_is_refused(text: str) -> None:
    with pytest.raises(ConditionError) as caught:
        check_condition(parse_condition(text), "syscall")
    assert REFUSED[text] in caught.value.what
    assert caught.value.place is not None


TAKEN = [
    "proc.name = val(proc.pname)",
    "toupper(proc.name) = toupper(proc.pname)",
    "proc.name in val(proc.pname)",
    "proc.aname[2] in (a, b) and proc.aname = c",
    "proc.env[A] = b and proc.env contains 'A='",
    "evt.arg[0] = x and evt.arg.flags contains O_RDONLY",
    "evt.rawarg.flags = 4",
    "proc.name in () and evt.type in ()",
    "fd.sport in (https, 80) and fd.cport != 22",
    "fd.snet in (10.0.0.0/8, 'fe80::/10')",
    "len(fd.types) > 3 and len(proc.name) >= 2",
    "join(',', (proc.name, 'x', tolower(proc.exe))) startswith a",
    "concat(proc.name, '-', proc.exe) endswith b",
    "getopt(fd.types, 'a:')[a] = v and getopt(fd.types, 'a:') intersects (v)",
    "container.mount.dest[/proc*] exists and container.mount[0] exists",
    "proc.name startswith oneof (a, b) and proc.pid = anyof (1, 2)",
    "thread.cgroup.cpuset startswith /kubepods",
    "evt.buffer contains 'a' and evt.buffer = '\\x00'",
]


@pytest.mark.parametrize("text", TAKEN)
def test_what_libs_compiles_is_taken(text: str) -> None:
    assert check_condition(parse_condition(text), "syscall") == []


CAUTIONS = {
    "proc.name = proc.pname": ("LOAD_COMPILE_CONDITION", "may be a valid field misused"),
    "proc.name in (a, 'proc.aname[2]')": ("LOAD_COMPILE_CONDITION", "may be a valid field misused"),
    "proc.name = 'tolower( proc.exe )'": (
        "LOAD_COMPILE_CONDITION",
        "may be a valid field transformer misused",
    ),
    "proc.name regex '^bash$'": ("LOAD_COMPILE_CONDITION", "simpler operators"),
    "proc.name regex '.*sh'": ("LOAD_COMPILE_CONDITION", "simpler operators"),
    "evt.dir = <": ("LOAD_DEPRECATED_ITEM", "'evt.dir' is deprecated"),
    "tolower(evt.latency.human) = 1": ("LOAD_DEPRECATED_ITEM", "'evt.latency.human'"),
}


@pytest.mark.parametrize("text", CAUTIONS, ids=repr)
def test_what_looks_like_a_mistake_is_told(text: str) -> None:
    code, part = CAUTIONS[text]
    (caution,) = check_condition(parse_condition(text), "syscall")
    assert caution.code == code
    assert part in caution.message


@pytest.mark.parametrize(
    "text", ["proc.name regex 'ba(sh)?'", "proc.name = /etc/a.b", "proc.name = a.b"]
)
def test_ordinary_values_are_not_suspected(text: str) -> None:
    assert check_condition(parse_condition(text), "syscall") == []


@pytest.mark.parametrize("op", ["=", "!="])
def test_comparing_audit_fields_with_na_is_unsafe(op: str) -> None:
    (caution,) = check_condition(parse_condition(f"ka.verb {op} <NA>"), "k8s_audit")
    assert caution.code == "LOAD_UNSAFE_NA_CHECK"


def test_evt_type_of_other_sources_is_any_text() -> None:
    assert check_condition(parse_condition("evt.type = create"), "k8s_audit") == []


OUTPUTS = {
    "plain": "",
    "a %proc.name, %proc.aname[2]. %toupper(proc.name)": "",
    "%10proc.name|": "",
    "%proc.name.and more": "",
    "%proc.name[3]": "",
    "*%proc.name": "",
    "": "empty formatting token",
    "x %": "formatting cannot end with a %",
    "x %10": "formatting cannot end with a number",
    "x %nope": "unknown filter:",
    "%proc.nope": "unknown filter: filter_check called with nonexistent field proc.nope",
    "%container.mount.dest": "requires an argument",
    "%ka.verb": "unknown filter:",
    "50%% of %proc.name": "unknown filter:",
    "%toupper(proc.pid)": "unknown filter: can't add field transformer",
}


@pytest.mark.parametrize("output", OUTPUTS, ids=repr)
def test_outputs_name_fields_of_their_source(output: str) -> None:
    if not OUTPUTS[output]:
        check_output(output, "syscall")
        return
    with pytest.raises(ConditionError) as caught:
        check_output(output, "syscall")
    assert OUTPUTS[output] in caught.value.what


def test_what_may_stand_left_in_an_exception() -> None:
    assert is_field("proc.name", "syscall")
    assert is_field("tolower(proc.name)", "syscall")
    assert not is_field("proc.nope", "syscall")
    assert not is_field("tolower(proc.pid)", "syscall")
    assert not is_field("proc.name = x", "syscall")


def test_nested_transformers_are_looked_at_once() -> None:
    text = "proc.name"
    for _ in range(22):
        text = f"concat({text}, tolower(proc.exe))"
    assert check_condition(parse_condition(f"{text} = a"), "syscall") == []


def test_types_in_a_transformer_of_several_are_those_of_the_fields() -> None:
    with pytest.raises(ConditionError, match="arguments must be strings"):
        check_condition(parse_condition("concat(proc.name, proc.pid) = a"), "syscall")
    assert check_condition(parse_condition("concat(proc.name, len(proc.exe)) = a"), "syscall") == []


@settings(deadline=None, max_examples=150)
@given(trees)
def test_any_tree_is_taken_or_refused_with_a_condition_error(tree: Node) -> None:
    for source in SOURCES:
        try:
            check_condition(tree, source)
        except ConditionError as error:
            assert error.what
