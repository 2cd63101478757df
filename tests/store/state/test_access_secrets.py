"""The form of our credentials: recognised, checked, hashed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.store.state.access_secrets import DIGITS, Kind, digest, mint, prefix, well_formed


@pytest.mark.parametrize("kind", list(Kind))
def test_has_the_form_of_its_kind_only(kind: Kind) -> None:
    secret = mint(kind)
    assert [one for one in Kind if well_formed(secret, one)] == [kind]
    assert len({mint(kind) for _ in range(50)}) == 50
    assert secret.startswith(prefix(secret))
    assert len(prefix(secret)) == len(f"haechi_{kind}_") + 6


@given(st.integers(11, 59), st.sampled_from(DIGITS))
def test_a_wrong_letter_is_noticed(place: int, letter: str) -> None:
    secret = mint(Kind.TOKEN)
    wrong = secret[:place] + letter + secret[place + 1 :]
    assert well_formed(wrong, Kind.TOKEN) == (wrong == secret)


@given(st.text())
def test_any_text_is_judged(text: str) -> None:
    assert not well_formed(text, Kind.TOKEN)
    assert not well_formed(f"haechi_api_{text}", Kind.TOKEN)
    assert len(digest(text)) == 64
    assert text.startswith(prefix(text))
