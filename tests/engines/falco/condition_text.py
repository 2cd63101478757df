"""Random trees, to be written and parsed again."""

from __future__ import annotations

from hypothesis import strategies as st

from haechi.engines.falco.syntax import (
    And,
    Check,
    Field,
    Items,
    ListName,
    Macro,
    Node,
    Not,
    Operand,
    Or,
    Text,
    Transform,
    Values,
)

_KEYWORDS = {"and", "or", "not"}
_words = st.from_regex(r"[a-z][a-z0-9_]{0,6}", fullmatch=True).filter(
    lambda word: word not in _KEYWORDS
)
_any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_numbers = st.sampled_from(["0", "7", "-3", "+12", "0x1F", "3.25", "1e+5"])
_quoted = st.builds(Text, value=_any_text, quoted=st.just(True))
_bare = st.builds(Text, value=st.from_regex(r"[a-z0-9/.*:!{}\[\]<>|-]{1,8}", fullmatch=True))
_texts = _quoted | _bare
_fields = st.builds(
    Field,
    name=st.builds("{}.{}".format, _words, _words),
    arg=st.none() | _any_text | st.sampled_from(["0", "12", "/a/b", "key"]),
)
_literals = _quoted | st.builds(Text, value=_numbers)
_operands: st.SearchStrategy[Operand] = st.deferred(
    lambda: _fields | _literals | _transforms | _items
)
_transforms: st.SearchStrategy[Transform] = st.builds(
    Transform,
    name=st.sampled_from(["tolower", "b64", "len", "join", "getopt"]),
    args=st.lists(_operands, min_size=1, max_size=3).map(tuple),
    arg=st.none() | _any_text,
)
_items: st.SearchStrategy[Items] = st.builds(
    Items, items=st.lists(_fields | _literals | _transforms, max_size=3).map(tuple)
)
_values = st.builds(Values, values=st.lists(_texts, max_size=4).map(tuple))
_names = st.builds(ListName, name=_words)
_left = _fields | _transforms
_checks = st.one_of(
    st.builds(Check, left=_left, op=st.just("exists")),
    st.builds(
        Check,
        left=_left,
        op=st.sampled_from(["<", "<=", ">", ">="]),
        right=st.builds(Text, value=_numbers) | _fields | _transforms,
    ),
    st.builds(
        Check,
        left=_left,
        op=st.sampled_from(["=", "!=", "contains", "bcontains", "glob", "regex", "endswith"]),
        right=_texts | _fields | _transforms,
    ),
    st.builds(
        Check,
        left=_left,
        op=st.sampled_from(["=", "startswith", "iglob"]),
        modifier=st.sampled_from(["oneof", "anyof", "allof"]),
        right=_values | _names,
    ),
    st.builds(
        Check,
        left=_left,
        op=st.sampled_from(["in", "intersects", "pmatch"]),
        right=_values | _names | _fields | _transforms,
    ),
)
_leaves: st.SearchStrategy[Node] = _checks | st.builds(Macro, name=_words)


def _groups(parts: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    several = st.lists(parts, min_size=2, max_size=3).map(tuple)
    return st.builds(Not, part=parts) | st.builds(And, parts=several) | st.builds(Or, parts=several)


trees: st.SearchStrategy[Node] = st.recursive(_leaves, _groups, max_leaves=8)
