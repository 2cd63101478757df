"""From bytes to rows: what is taken, what is refused, and that nothing else can happen."""

from __future__ import annotations

import gzip
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.errors import InputError, LimitExceeded
from haechi.model.access import Reach
from haechi.model.event import PRIORITIES, Event
from haechi.store.events.encoding import SCOPED, EncodedBatch, encode, encode_events, fields_of
from haechi.store.events.question import event_of
from haechi.store.events.sealing import split_id
from haechi.store.events.shapes import Limits
from tests.store.events.made import NOW_NS, event, lines

LIMITS = Limits()
DAY = 86_400 * 10**9
PLAIN: dict[str, Any] = {"id": "a", "ts_ns": NOW_NS, "source": "s", "type": "t"}


def encoded(data: bytes, limits: Limits = LIMITS) -> EncodedBatch:
    return encode(data, limits, now_ns=NOW_NS)


def events_of(batch: EncodedBatch) -> list[Event]:
    return [event_of(row[0], row[2], row[3], row[4]) for row in batch.rows]


def nested(depth: int) -> Any:
    return {"a": nested(depth - 1)} if depth > 1 else {}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"id": ""}, "length >= 1"),
        ({"id": 5}, "Expected `str`"),
        ({"id": "a\u0000b"}, "control"),
        ({"id": "x" * 513}, "longer than 512"),
        ({"source": "a\nb"}, "control"),
        ({"rule": "a\x1fb"}, "control"),
        ({"node": "a\u2028b"}, "control"),
        ({"container_id": "x" * 513}, "`container_id` is longer"),
        ({"resource": "r" * 1025}, "`resource` is longer"),
        ({"message": "m" * 16_385}, "`message` is longer"),
        ({"ts_ns": NOW_NS + DAY + 1}, "a day ahead"),
        ({"ts_ns": 946_684_799 * 10**9}, "2000"),
        ({"ts_ns": -1}, "2000"),
        ({"ts_ns": 1.5}, "Expected `int`"),
        ({"ts_ns": 10**30}, "2000"),
        ({"priority": "loud"}, "`priority` is none of"),
        ({"fields": [1]}, "`fields` is no object"),
        ({"fields": None}, "`fields` is no object"),
        ({"fields": nested(17)}, "deeper than 16"),
        ({"fields": {"a": "x" * 70_000}}, "65536 at most"),
        ({"namespce": "x"}, "unknown field `namespce`"),
        ({"schema": "haechi.event/2"}, "`schema` is not"),
        ({"cluster": "*"}, "not `*`"),
        ({"namespace": "*"}, "not `*`"),
    ],
)
def test_refuses_one_event_with_the_reason_and_takes_the_others(
    change: dict[str, Any], why: str
) -> None:
    told = [PLAIN, PLAIN | change, PLAIN | {"id": "b"}]
    for body in (b"\n".join(json.dumps(one).encode() for one in told), json.dumps(told).encode()):
        batch = encoded(body)
        assert [one.index for one in batch.refused] == [1]
        assert why in batch.refused[0].why
        assert len(batch.rows) == 2


@pytest.mark.parametrize("missing", ["id", "ts_ns", "source", "type"])
def test_refuses_an_event_without_a_required_name(missing: str) -> None:
    batch = encoded(json.dumps({k: v for k, v in PLAIN.items() if k != missing}).encode())
    assert f"`{missing}`" in batch.refused[0].why


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"nothing",
        b"5",
        b'"x"',
        b"\xff\xfe",
        b"{}",
        b'{"id":"\xff"}',
        b'{"id":"\\ud800"}',
        b'{"a":' * 5000,
        b"[" * 3000,
    ],
)
def test_refuses_what_is_no_event(line: bytes) -> None:
    batch = encoded(b"\n".join((json.dumps(PLAIN).encode(), line)))
    assert [one.index for one in batch.refused] == [1]
    assert len(batch.rows) == 1


@pytest.mark.parametrize("body", [b"[", b"[{}", b"[\xff]", b"[1,]", gzip.compress(b"[]", mtime=0)])
def test_a_body_that_is_no_list_at_all(body: bytes) -> None:
    if body.startswith(b"["):
        with pytest.raises(InputError):
            encoded(body)
    else:
        assert encoded(body).refused


@pytest.mark.parametrize("body", [b"", b"\n\n", b"  \r\n", b"[]"])
def test_an_empty_body_is_an_empty_batch(body: bytes) -> None:
    assert encoded(body).rows == []


def test_too_many_events_are_one_refusal_of_all() -> None:
    with pytest.raises(LimitExceeded):
        encoded(b"{}\n" * 11, Limits(batch_events=10))


@pytest.mark.parametrize(
    ("values", "namespace"),
    [
        ({"namespace": "own"}, "own"),
        ({"resource": "k8s:prod/apps/Deployment/pay/api"}, "pay"),
        ({"resource": "k8s:prod/core/Node/-/n1"}, "-"),
        ({"fields": {"k8s.ns.name": "field"}}, "field"),
        ({"resource": "file:a/b/c/d/e", "fields": {"k8s.ns.name": "field"}}, "field"),
        ({"fields": {"k8s.ns.name": None}}, "-"),
        ({"fields": {"k8s.ns.name": ""}}, "-"),
        ({"fields": {"deep": {"k8s.ns.name": "no"}}}, "-"),
        ({"resource": "k8s:broken"}, "-"),
    ],
)
def test_the_namespace_comes_from_the_event_the_key_or_the_field(
    values: dict[str, Any], namespace: str
) -> None:
    (found,) = events_of(encoded(json.dumps(PLAIN | values).encode()))
    assert found.namespace == namespace


def test_events_out_of_the_senders_reach_are_refused() -> None:
    told = [event(1), event(2, namespace="pay", resource=""), event(3, cluster="stage")]
    within = (Reach(cluster="prod", namespace="shop"),)
    batch = encode(lines(told), LIMITS, now_ns=NOW_NS, within=within)
    assert [one.index for one in batch.refused] == [1, 2]
    assert encode(lines(told), LIMITS, now_ns=NOW_NS, within=()).rows == []


@pytest.mark.parametrize(
    ("resource", "taken"),
    [
        ("k8s:prod/apps/Deployment/shop/web", True),
        ("k8s:-/apps/Deployment/shop/web", True),
        ("k8s:prod/core/Node/-/one", True),
        ("k8s:prod/apps/Deployment/pay/web", False),
        ("k8s:-/apps/Deployment/pay/web", False),
        ("k8s:stage/apps/Deployment/shop/web", False),
        ("k8s:stage/core/Node/-/one", False),
        ("host:prod/one", False),
        ("user:prod/ana", False),
        ("many:prod/shop", False),
        ("container:prod/0123456789ab", False),
        ("file:deploy/web.yaml", True),
    ],
)
def test_a_sender_tells_nothing_of_things_out_of_its_reach(resource: str, taken: bool) -> None:
    data = lines([event(1, resource=resource), event(2, resource=resource)])
    within = (Reach(cluster="prod", namespace="shop"), Reach(cluster="lab"))
    batch = encode(data, LIMITS, now_ns=NOW_NS, within=within)
    assert len(batch.rows) == (2 if taken else 0)
    assert all("out of reach" in one.why for one in batch.refused)
    assert len(encoded(data).rows) == 2


@pytest.mark.parametrize(
    ("resource", "taken"), [("host:prod/one", True), ("host:stage/one", False)]
)
def test_a_sender_of_a_cluster_tells_of_its_hosts_alone(resource: str, taken: bool) -> None:
    data = lines([event(1, resource=resource)])
    batch = encode(data, LIMITS, now_ns=NOW_NS, within=(Reach(cluster="prod"),))
    assert len(batch.rows) == taken
    assert all("out of reach" in one.why for one in batch.refused)


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        ("{}", {}),
        ("{ }", {}),
        ('{"a": 1}', {"a": 1}),
        ('{ "haechi.scoped": false, "a": 1}', {"a": 1}),
        ('{"\\u0068aechi.scoped": false}', {}),
    ],
)
@pytest.mark.parametrize(
    ("within", "marked"),
    [
        ((Reach(cluster="prod", namespace="shop"), Reach(cluster="lab")), True),
        ((Reach(cluster="prod"),), False),
        ((Reach(),), False),
    ],
    ids=["namespace", "cluster", "everywhere"],
)
def test_what_a_sender_of_some_namespaces_says_is_marked(
    fields: str, kept: dict[str, object], within: tuple[Reach, ...], marked: bool
) -> None:
    head = {**PLAIN, "cluster": "prod", "namespace": "shop"}
    data = json.dumps(head)[:-1].encode() + b',"fields":' + fields.encode() + b"}"
    batch = encode(data, LIMITS, now_ns=NOW_NS, within=within)
    assert not batch.refused
    found = msgspec.json.decode(batch.rows[0][4])[4]
    assert found == ({SCOPED: True, **kept} if marked else kept)


def test_a_sender_of_one_namespace_cannot_take_the_place_of_anothers_event() -> None:
    def idents(namespace: str, *within: Reach) -> list[int]:
        data = lines([event(1, namespace=namespace, resource="")])
        batch = encode(data, LIMITS, now_ns=NOW_NS, within=within or (Reach(),))
        return [row[1] for row in batch.rows]

    shop, pay = Reach(cluster="prod", namespace="shop"), Reach(cluster="prod", namespace="pay")
    whole = Reach(cluster="prod")
    everywhere = idents("pay")
    assert idents("pay", whole) == idents("shop", whole) == idents("pay", shop, whole) == everywhere
    assert len({*everywhere, *idents("shop", shop), *idents("pay", pay)}) == 3
    assert idents("shop", shop) == idents("shop", shop, pay)


@pytest.mark.parametrize(
    "source", ["Haechi", "haechi ", " haechi", "haechi\u200b", "-haechi-", "HAE_CHI"]
)
def test_no_source_looks_like_our_own(source: str) -> None:
    batch = encoded(lines([event(1, source=source)]))
    assert "what the server itself finds" in batch.refused[0].why
    assert encoded(lines([event(1, source="haechi2")])).rows


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("18446744073709551616", 18446744073709551616.0),
        ("9" * 400, None),
        ("1e999", None),
        ("-1e999", None),
        ("123456789012345678", 123456789012345678),
        ("9" * 5000, None),
    ],
)
def test_numbers_past_the_machines_become_floats_or_null(text: str, value: float | None) -> None:
    line = b'{"id":"a","ts_ns":%d,"source":"s","type":"t","fields":{"n":%s}}'
    for number in (text, f'[{{"a":{text}}}],"k8s.ns.name":"x"'):
        (found,) = events_of(encoded(line % (NOW_NS, number.encode())))
        inner = found.fields["n"] if number == text else found.fields["n"][0]["a"]
        assert (type(inner), inner) == (type(value), value)
        msgspec.json.encode(found)


@pytest.mark.parametrize("id", ["a", 'q"', "\\", '\\"', 'a\\\\"b', "한", '"', '\\\\"\\'])
def test_the_id_is_split_from_a_payload(id: str) -> None:
    (row,) = encode_events([event(1, id=id)], LIMITS, now_ns=NOW_NS).rows
    found, rest = split_id(row[4])
    assert found == id
    assert msgspec.json.decode(rest) == msgspec.json.decode(row[4])[1:]


_TEXT = st.text(max_size=20)
_NAME = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=20)
_VALUE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=8,
)
_EVENT = st.builds(
    Event,
    id=_NAME,
    ts_ns=st.integers(946_684_800 * 10**9, NOW_NS + DAY),
    source=_NAME,
    type=_NAME,
    cluster=_NAME.filter(lambda name: name != "*"),
    node=_NAME,
    container_id=_NAME,
    resource=_NAME,
    namespace=_NAME.filter(lambda name: name not in "*-"),
    rule=_NAME,
    priority=st.sampled_from(("", *PRIORITIES)),
    message=_TEXT,
    fields=st.dictionaries(_TEXT, _VALUE, max_size=4),
)


@settings(max_examples=150)
@given(st.lists(_EVENT, max_size=4), st.sampled_from(["lines", "array", "spaced", "escaped"]))
def test_every_event_comes_back_as_it_was(told: list[Event], way: str) -> None:
    values = [msgspec.to_builtins(one) for one in told]
    body = {
        "lines": lambda: lines(told),
        "array": lambda: msgspec.json.encode(told),
        "spaced": lambda: json.dumps(values, indent="\t", ensure_ascii=False).encode(),
        "escaped": lambda: b"\n".join(json.dumps(one).encode() for one in values),
    }[way]()
    batch = encoded(body)
    assert batch.refused == []
    assert events_of(batch) == told
    for row in batch.rows:  # what sealing writes a line of may hold no mark of its own
        assert not any(mark in row[4] for mark in (b"\n", b"\r", b"\t", b"\x1f", b"\x02"))


_HOSTILE = st.one_of(
    st.binary(max_size=60),
    st.text(alphabet='{}[]",:\\/u0123dDeE+-. \t\r\nntf\u00e9\ud55c', max_size=60).map(str.encode),
    _EVENT.map(msgspec.json.encode).flatmap(
        lambda line: st.tuples(
            st.integers(0, len(line)), st.integers(0, 3), st.binary(max_size=3)
        ).map(lambda cut: line[: cut[0]] + cut[2] + line[cut[0] + cut[1] :])
    ),
)


CLAIMS = b'{"id":"a","ts_ns":%d,"source":"s","type":"t","namespace":"%s","fields":%s}'


@pytest.mark.parametrize("namespace", [b"shop", b""], ids=["placed", "nowhere"])
@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        (b'{"haechi.rule":"x","a":1}', {"a": 1}),
        (b'{"a":1,"haechi.tags":["x"],"haechi.event":"e","haechi.source":"s"}', {"a": 1}),
        (b'{"\\u0068aechi.rule":"x","a":1}', {"a": 1}),
        (b'{"h\\u0061echi\\u002erule":"x","a":"b"}', {"a": "b"}),
        (b'{"haechi.rule":1,"haechi.rule":2}', {}),
        (b'{"haechi.new":{"a":1}}', {}),
        (b'{"haechi.cut":["fd.name"],"haechi.clock":5,"haechi.rule":"x"}',
         {"haechi.cut": ["fd.name"], "haechi.clock": 5}),
        (b'{"a":"haechi.rule","b":{"haechi.rule":"x"},"haechi":1}',
         {"a": "haechi.rule", "b": {"haechi.rule": "x"}, "haechi": 1}),
    ],
)  # fmt: skip
def test_what_is_ours_to_say_is_not_taken_from_a_sender(
    fields: bytes, kept: dict[str, Any], namespace: bytes
) -> None:
    one = CLAIMS % (NOW_NS, namespace, fields)
    other = CLAIMS.replace(b'"a"', b'"b"', 1) % (NOW_NS, namespace, b'{"n":"\xc3\xa9"}')
    for body in (one, b"[" + one + b"]", one + b"\n" + other):
        assert events_of(encoded(body))[0].fields == kept


def test_what_our_decoders_and_detections_say_stays() -> None:
    fields = {"haechi.rule": "x", "haechi.cut": ["*"]}
    batch = encode_events([event(1, fields=fields)], LIMITS, now_ns=NOW_NS)
    assert events_of(batch)[0].fields == fields


@settings(max_examples=400)
@given(st.lists(_HOSTILE, max_size=4), st.sampled_from([b"\n", b",", b"[", b""]))
def test_hostile_bytes_are_refused_or_can_be_read_again(parts: list[bytes], glue: bytes) -> None:
    body = glue + (b"," if glue != b"\n" else b"\n").join(parts) + (b"]" if glue == b"[" else b"")
    try:
        batch = encoded(body)
    except InputError:
        return
    found = events_of(batch)
    places = {one.index for one in batch.refused}
    assert len(places) == len(batch.refused)
    assert all(one.why for one in batch.refused)
    for row, one in zip(batch.rows, found, strict=True):
        assert one.id
        assert not any(mark in row[4] for mark in (b"\n", b"\r", b"\t", b"\x1f", b"\x02"))
        msgspec.json.encode(one)
        assert fields_of(msgspec.json.encode(one.fields)) is not None


@pytest.mark.parametrize(
    "text",
    [b"a\\\\nb", b'a\\"b', b"a\\u0041b", b"a\\/b", b"a\\\\u0041", b"\\\\/", b"plain"],
    ids=["line-break", "quote", "letter", "slash", "no-letter", "no-slash", "none"],
)
def test_an_escape_beside_others_is_kept_as_the_store_writes_it(text: bytes) -> None:
    one = b'{"id":"%d","ts_ns":%d,"source":"s","type":"t","fields":{"a":"%s"}}'
    bodies = [b"\n".join(one % (n, NOW_NS, each) for n, each in enumerate((b"x", text)))]
    bodies.append(one % (1, NOW_NS, text))
    fields = [encode(body, Limits(), now_ns=NOW_NS).rows[-1][4] for body in bodies]
    value = json.loads(b'"%s"' % text)
    for payload in fields:
        assert json.loads(payload)[4] == {"a": value}
        assert json.dumps(value, ensure_ascii=False).encode() in payload
