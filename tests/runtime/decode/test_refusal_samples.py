"""What is shown of a record that nobody could read gives no secret away."""

from __future__ import annotations

import pytest

from haechi.runtime.decode.refusal import sample

LONG = "".join(chr(48 + number % 10) + chr(65 + number % 26) for number in range(60))


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        (f"root:$6$abcdefgh${LONG[:86]}:19000:0:99999:7:::", LONG[:86]),
        (f"root:$y$j9T$saltsalt${LONG[:43]}:19000::::::", LONG[:43]),
        (f"ana:$2b$12${LONG[:53]}", LONG[:53]),
        (f"ana:$argon2id$v=19$m=65536,t=3,p=4${LONG[:20]}", LONG[:20]),
        (LONG[:64], LONG[:64]),
        (f"{LONG[:64]}\n{LONG[:62]}==\n", LONG[:30]),
    ],
    ids=["sha512", "yescrypt", "bcrypt", "argon2", "a line of a key", "lines of a key"],
)
def test_a_followed_file_that_became_a_link_to_secrets_tells_none(text: str, hidden: str) -> None:
    assert hidden not in sample(text)
    assert "***" in sample(text)


@pytest.mark.parametrize(
    "text", ["cp $a$b /tmp", "price: $5 to $6 each", "GET /a/b/c 200 12", "x" * 40]
)
def test_other_text_stays(text: str) -> None:
    assert sample(text) == text
