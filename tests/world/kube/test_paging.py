"""Lists in pages: nothing twice, nothing left out, whatever becomes of the tokens."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.errors import KubeError, KubeGone
from haechi.world.kube.answers import ListMeta
from haechi.world.kube.paging import Page, names, pages, raws, whole


def item(name: str) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode({"metadata": {"namespace": "a", "name": name}}))


class Server:
    """Objects in order of their names; tokens are names. ``expire``: the number of the request
    that finds its token too old; ``token``: whether it then gives one to go on with."""

    def __init__(self, objects: list[str], expire: set[int], *, token: bool) -> None:
        self.objects, self.expire, self.token = objects, expire, token
        self.asked: list[dict[str, str]] = []

    def __call__(self, query: tuple[tuple[str, str], ...]) -> Page:
        words = dict(query)
        self.asked.append(words)
        after = words.get("continue", "")
        if after and len(self.asked) - 1 in self.expire:
            gone = KubeGone("too old")
            gone.token = f"{after}!" if self.token else ""
            raise gone
        rest = [one for one in self.objects if one > after.rstrip("!")]
        limit = int(words.get("limit", len(rest) or 1))
        token = rest[limit - 1] if len(rest) > limit else ""
        return Page(
            metadata=ListMeta(resource_version="7", continue_=token),
            items=[item(one) for one in rest[:limit]] or None,
        )


NAMES = st.lists(st.sampled_from([f"n{i:03}" for i in range(60)]), unique=True).map(sorted)


@given(NAMES, st.integers(1, 9), st.sets(st.integers(1, 6), max_size=2), st.booleans())
def test_every_object_comes_once(
    objects: list[str], page: int, expire: set[int], token: bool
) -> None:
    found = [names(raw)[1] for raw in raws(Server(objects, expire, token=token), page=page)]
    assert sorted(found) == objects
    assert len(set(found)) == len(found)


@given(NAMES, st.integers(1, 9), st.sets(st.integers(1, 6)), st.booleans())
def test_a_moment_is_read_again_in_one_piece(
    objects: list[str], page: int, expire: set[int], token: bool
) -> None:
    server = Server(objects, expire, token=token)
    found, version = whole(server, page=page)
    assert version == "7"
    assert [names(raw)[1] for one in found for raw in one.items or ()] == objects
    mixed = any("!" in words.get("continue", "") for words in server.asked)
    assert not mixed


def test_a_list_that_never_holds_is_given_up() -> None:
    with pytest.raises(KubeGone):
        list(raws(Server(["a", "b", "c"], set(range(99)), token=False), page=1))


def test_a_list_in_circles_is_given_up() -> None:
    circle = Page(metadata=ListMeta(continue_="x"), items=[item("a")])
    with pytest.raises(KubeError, match="circles"):
        list(pages(lambda _: circle))


@pytest.mark.parametrize("body", [b"5", b'{"metadata": 5}', b'{"metadata": {"name": 5}}'])
def test_an_item_that_is_no_object_is_an_error(body: bytes) -> None:
    with pytest.raises(KubeError):
        names(msgspec.Raw(body))
