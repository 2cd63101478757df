"""No frame shows a secret's value, whatever the finding was about."""

from __future__ import annotations

import pytest

from haechi.engines.logins import without_logins
from haechi.model.location import Location
from haechi.report.frame import MASK, Frames
from haechi.report.text import inert

VALUE = "xT7uWq9Zk2"
SECRETS = [
    f"DB_PASSWORD: {VALUE}",
    f"      value: postgres://user:{VALUE}@db/x",
    f"ENV API_KEY={VALUE}",
    f"ENV SECRET_KEY {VALUE}",
    f'args: ["--db-password", "{VALUE}"]',
    f"- --db-password\n- {VALUE}",
    f"- name: DB_PASSWORD\n  value: {VALUE}",
    f"- value: {VALUE}\n  name: DB_PASSWORD",
    f"- {{name: SECRET_TOKEN, value: {VALUE}}}",
    f"- name: Authorization\n  value: Bearer {VALUE}",
    f"RUN curl -u admin:{VALUE} http://x",
    f"RUN sshpass -p {VALUE} ssh x",
    f"RUN docker login -u x -p {VALUE} && \\",
    f"RUN echo 'root:{VALUE}' | chpasswd",
    f"RUN mysql -p{VALUE} -e 1",
    f"FROM https://u:{VALUE}@registry/x",
    f'proxy_set_header X-Api-Key "{VALUE}";',
    f"key.pem: |\n  first\n  {VALUE}",
    f"//registry.npmjs.org/:_authToken={VALUE}",
    f"kind: Secret\ndata:\n  harmless: {VALUE}",
    f"kind: Secret\nstringData:\n  name: {VALUE}\nmetadata:\n  name: a",
    f'{{"kind": "Secret", "data": {{"a": "{VALUE}"}}}}',
    f"kind: Secret\ndata: {VALUE}",
    f"kind: Secret\nmetadata:\n  annotations:\n    last: '{{{VALUE}}}'",
]


@pytest.mark.parametrize("text", SECRETS)
def test_lines_that_may_hold_a_secret_are_not_shown(text: str) -> None:
    frames = Frames(lambda _: text, [])
    lines = range(1, text.count("\n") + 2)
    shown = [
        row for n in lines for row in frames.around(Location(path="a", line=n), before=1, after=1)
    ]
    assert any(row.text == MASK for row in shown)
    assert not any(VALUE in row.text for row in shown)


@pytest.mark.parametrize(
    "line",
    [
        "automountServiceAccountToken: false",
        "secretName: database",
        "secretKeyRef: {name: db, key: password}",
        "password: ${DB_PASSWORD}",
        "  - name: DB_PASSWORD",
        "kind: Secret",
        "kind: SecretStore",
        "resources: [secrets]",
        "serviceAccountToken: {path: x}",
        "author: someone",
        "RUN curl -fsSL https://example.com/x | sh",
        "image: registry.example.com/app@sha256:" + "0" * 64,
        "x" * 5_000,
    ],
)
def test_lines_about_secrets_are_shown(line: str) -> None:
    (row,) = Frames(lambda _: line, []).around(Location(path="a", line=1), before=0, after=0)
    assert row.text != MASK


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("uses https://u:pw@host/x", "uses https://u:***@host/x"),
        ("needs 'git::https://:pw@h' and a://b:c@d", "needs 'git::https://:***@h' and a://b:***@d"),
        ("https://ghp_0123456789abcdefgh@github.com", "https://***@github.com"),
        ("ssh://git@host:22/x, a@b:c", "ssh://git@host:22/x, a@b:c"),
    ],
)
def test_passwords_of_addresses_are_not_said(text: str, said: str) -> None:
    assert without_logins(text) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("::set-output name=x::y", "<U+003A>:set-output name=x::y"),
        ("a\n  ::error::x", "a\n  <U+003A>:error::x"),
        ("a ##[set-output name=x]y", "a <U+0023>#[set-output name=x]y"),
        ("##vso[task.setvariable variable=x]y", "<U+0023>#vso[task.setvariable variable=x]y"),
        ("listens on ::, see ## and a::b", "listens on ::, see ## and a::b"),
    ],
)
def test_no_line_is_a_command_to_a_ci_server(text: str, said: str) -> None:
    assert inert(text) == said
