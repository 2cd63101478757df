"""What a password, a log-in, a key in armour or a token can be, and what it surely is not."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.checks.secrets.detect import Detector, sources_of
from haechi.checks.secrets.forms import Forge
from haechi.checks.secrets.structures import (
    CHECKS,
    key_data,
    letters_digits,
    openssh_locked,
    openssh_plain,
    password,
    pgp_secret,
    token,
    two_cases,
    user_and_password,
)
from haechi.engines.patterns import keyword_matcher
from haechi.model.severity import Severity
from haechi.rules.schema import JudgeKind, Pattern, Rule

FORGE = Forge("structures")
DRAWN = FORGE.make("<<base62 14>>q1Z")


def armour(label: str, data: bytes, *, end: str = "\n", head: str = "") -> bytes:
    text = base64.b64encode(data).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    parts = [f"-----BEGIN {label}-----", *([head, ""] if head else []), *lines]
    return end.join([*parts, f"-----END {label}-----"]).encode()


@pytest.mark.parametrize(
    "value", [DRAWN, "Tr0ub4dor&3x", "p%40ss%2Fw0rd9z", "correct-horse-battery", "서울특별시1"]
)
def test_a_password_can_be_anything(value: str) -> None:
    assert password(value.encode())


@pytest.mark.parametrize(
    "value",
    [
        "",
        "abc",
        "aaaa",
        "password",
        "Password1!",
        "my_password",
        "dbpassword",
        "postgres",
        "root",
        "test1234",
        "changeme",
        "secret",
        "user_pass",
        "xxxxxxxx",
        "${PASSWORD}",
        "$PASSWORD",
        "%s:%s",
        "%DB_PASS%",
        "{{password}}",
        "<password>",
        "[password]",
        "****",
        "....",
        "getpass()",
        "os.environ",
        "%7Bpassword%7D",
        "123456",
        "yourStrong(!)Password",
    ],
)
def test_templates_defaults_and_stand_ins_are_no_passwords(value: str) -> None:
    assert not password(value.encode())


def encoded(text: str) -> bytes:
    return base64.b64encode(text.encode())


@pytest.mark.parametrize(
    ("value", "holds"),
    [
        (encoded(f"deploy:{DRAWN}"), True),
        (encoded(f"deploy:{DRAWN}").rstrip(b"="), True),
        (encoded("user:password"), False),
        (encoded(f":{DRAWN}"), False),
        (encoded(DRAWN), False),
        (base64.b64encode(b"a:\x00\x01\x02binary"), False),
        (b"not base64!", False),
        (b"", False),
    ],
)
def test_a_log_in_is_a_user_and_a_password(value: bytes, holds: bool) -> None:
    assert user_and_password(value) is holds


def openssh(cipher: bytes) -> bytes:
    return b"openssh-key-v1\0" + len(cipher).to_bytes(4, "big") + cipher + bytes(80)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\\n", '",\n"', '" +\n"'])
@pytest.mark.parametrize(
    ("data", "plain", "locked"),
    [
        (openssh(b"none"), True, False),
        (openssh(b"aes256-ctr"), False, True),
        (openssh(b""), False, False),
        (b"openssh-key-v1\0\xff\xff\xff\xff" + bytes(60), False, False),
        (bytes(80), False, False),
    ],
)
def test_openssh_keys_say_whether_a_passphrase_protects_them(
    end: str, data: bytes, plain: bool, locked: bool
) -> None:
    value = armour("OPENSSH PRIVATE KEY", data, end=end)
    assert (openssh_plain(value), openssh_locked(value)) == (plain, locked)


@pytest.mark.parametrize(
    ("first", "holds"), [(0x94, True), (0x95, True), (0xC5, True), (0x98, False), (0xC6, False)]
)
@pytest.mark.parametrize("head", ["Version: GnuPG v2", "Comment: a-b - c"])
def test_a_pgp_block_begins_with_a_secret_key(first: int, holds: bool, head: str) -> None:
    data = bytes((first,)) + bytes(range(200))
    block = armour("PGP PRIVATE KEY BLOCK", data, head=head)
    assert pgp_secret(block) is holds
    assert pgp_secret(block.replace(b"\n-----END", b"\n=aB3d\n-----END")) is holds


def test_key_data_is_a_private_key_in_base64() -> None:
    assert key_data(base64.b64encode(FORGE.make("<<pem RSA PRIVATE KEY>>").encode()))
    assert not key_data(base64.b64encode(b"-----BEGIN CERTIFICATE-----"))
    assert not key_data(b"%%%")


def signed(header: object, claims: object, signature: str = "c2ln") -> bytes:
    parts = [
        base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=") for p in (header, claims)
    ]
    return b".".join((*parts, signature.encode()))


@pytest.mark.parametrize(
    ("value", "holds"),
    [
        (signed({"alg": "HS256"}, {"sub": "17"}), True),
        (signed({"alg": "HS256"}, {"sub": "1234567890", "name": "John Doe"}), False),
        (signed({"alg": "none"}, {"sub": "17"}), False),
        (signed({"alg": "HS256"}, {"sub": "17"}, ""), False),
        (signed({"typ": "JWT"}, {"sub": "17"}), False),
        (signed({"alg": 1}, {"sub": "17"}), False),
        (signed({"alg": "HS256"}, ["x"]), False),
        (b"a.b.c", False),
        (b"a.b", False),
    ],
)
def test_a_token_is_signed_and_not_from_a_tutorial(value: bytes, holds: bool) -> None:
    assert token(value) is holds


@pytest.mark.parametrize(
    ("value", "cases", "digits"),
    [(b"aB1", True, True), (b"ab1", False, True), (b"AB1", False, True), (b"aB", True, False)],
)
def test_mixtures(value: bytes, cases: bool, digits: bool) -> None:
    assert (two_cases(value), letters_digits(value)) == (cases, digits)


@given(st.binary(max_size=400), st.sampled_from(sorted(CHECKS)))
def test_no_value_makes_a_proof_fail(value: bytes, name: str) -> None:
    assert CHECKS[name](value) in {True, False}
    framed = b"-----BEGIN OPENSSH PRIVATE KEY-----\n\n" + value + b"\n-----END "
    assert CHECKS[name](framed) in {True, False}
    assert CHECKS[name](base64.b64encode(value)) in {True, False}


def test_a_vendors_mark_goes_before_a_password_in_an_address() -> None:
    """The filter ``password`` proves nothing, so it must not outrank who knows the token."""
    text = FORGE.make("https://bot:acme_<<base62 30>>@git.acme.io/shop.git").encode()
    rules = [
        rule("secret-url", r"https://bot:(?P<secret>[^@]{4,99})@", "https://", check="password"),
        rule("secret-acme", r"(?P<secret>acme_[0-9A-Za-z]{30})", "acme_"),
    ]
    found = Detector(rules, keyword_matcher(sources_of(rules))).find(text)
    assert [candidate.rule.id for candidate in found] == ["secret-acme"]


def rule(name: str, regex: str, keyword: str, *, check: str = "") -> Rule:
    return Rule(
        id=name,
        title="x",
        severity=Severity.LOW,
        why="x",
        fix="x",
        judge=JudgeKind.PATTERN,
        pattern=Pattern(regex=regex, keywords=[keyword], form="<<hex 8>>", check=check),
        bad=["<<secret>>"],
        good=["<<hex 2>>"],
    )
