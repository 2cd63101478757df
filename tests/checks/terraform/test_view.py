"""The vocabulary of judges: known, given, unknown; links between resources; policy documents."""

from __future__ import annotations

import json
from typing import Any

import pytest

from haechi.checks.terraform import view
from haechi.errors import NotEvaluated
from haechi.model.location import AttrPath, Location
from haechi.model.resource import Resource
from haechi.model.review import Review
from haechi.model.unknown import Reference, Unknown, withheld
from haechi.scan.iac.kubernetes import Inventory

UNKNOWN = withheld(Unknown("var.x has no value", cause="var.x at main.tf:1"))
ARN = withheld(Unknown("after apply", cause="aws_kms_key.k.arn", given=True))


def block(name: str, **data: Any) -> Resource:
    """A resource of the root module."""

    def locate(path: AttrPath) -> Location:
        return Location(path="main.tf")

    kind = name.rpartition(".")[0].rpartition(".module.")[2]
    kind = name.split(".")[-2]
    return Resource(key=f"tf:-/{name}", kind=kind, name=name, data=data, locate=locate)


def refers(address: str, *path: str) -> Any:
    """An attribute of another resource that apply will tell."""
    reference = Reference(address, path or ("id",))
    return withheld(Unknown("after apply", cause=address, refs=(reference,), given=True))


def review(about: Resource, *others: Resource) -> Review:
    """The review of a resource among others."""
    return Review(resource=about, scope=Inventory([], others=[about, *others]))


@pytest.mark.parametrize(
    "look",
    [
        lambda x: x == "a",
        lambda x: x in ("a", "b"),
        lambda x: isinstance(x, str),
        lambda x: isinstance(x, dict),
        bool,
        str,
        len,
        list,
        hash,
        lambda x: x.startswith("a"),
        lambda x: x["a"],
        lambda x: x > 1,
        lambda x: "a" in x,
    ],
)
def test_whoever_looks_at_an_unknown_value_is_stopped(look: Any) -> None:
    with pytest.raises(NotEvaluated) as stopped:
        look(UNKNOWN)
    assert stopped.value.cause == "var.x at main.tf:1"


def test_an_unknown_value_answers_what_may_be_asked() -> None:
    assert (UNKNOWN is None, view.is_unknown(UNKNOWN), repr(UNKNOWN)) == (False, True, "unknown")
    assert view.is_set(ARN)
    for ask in (view.known, view.is_set, lambda x: view.truth(x, True)):
        with pytest.raises(NotEvaluated):
            ask(UNKNOWN)


def test_values_by_path() -> None:
    resource = block("aws_x.y", a=[{"b": {"c": 1}}], u=UNKNOWN, n="7", t="yes")
    assert view.value(resource, "a.0.b.c") == 1
    assert view.value(resource, "a[0].b.c") == 1
    assert view.value(resource, "a.1.b") is None
    assert view.is_unknown(view.value(resource, "u.deeper"))
    assert (view.number(resource.data["n"]), view.truth(resource.data["t"], False)) == (7, True)
    assert (view.truth(None, True), view.text(True), view.text(3)) == (True, "true", "3")


def test_blocks_come_before_the_doubt() -> None:
    made = withheld(Unknown("var.x has no value", cause="var.x", content=[{"n": 2}]))
    resource = block("aws_x.y", rule=[{"n": 1}, made])
    seen = []
    with pytest.raises(NotEvaluated):
        for rule in view.blocks(resource, "rule"):
            seen.append(rule.get("n"))  # noqa: PERF401 - the loop ends with an exception
    assert seen == [1]
    possible = []
    with pytest.raises(NotEvaluated):
        for rule in view.blocks(resource, "rule", possible=True):
            possible.append((rule.get("n"), rule.possible))  # noqa: PERF401 - as above
    assert possible == [(1, False), (2, True)]
    assert list(view.blocks(resource, "none")) == []


def test_texts_tell_the_known_ones_first() -> None:
    seen = []
    with pytest.raises(NotEvaluated):
        for text in view.texts([UNKNOWN, "a", ARN]):
            seen.append(text)  # noqa: PERF402 - the loop ends with an exception
    assert seen == ["a"]
    assert list(view.texts(["a", ARN])) == ["a"]


def test_links_by_reference_by_name_and_by_instance() -> None:
    bucket = block("aws_s3_bucket.b[0]", bucket="logs")
    by_reference = block("aws_s3_bucket_policy.a", bucket=refers("aws_s3_bucket.b[0]"))
    by_name = block("aws_s3_bucket_policy.n", bucket="logs")
    any_instance = block("aws_s3_bucket_policy.i", bucket=refers("aws_s3_bucket.b"))
    other = block("aws_s3_bucket_policy.o", bucket=refers("aws_s3_bucket.b[1]"))
    everything = (by_reference, by_name, any_instance, other)
    found = view.linked(review(bucket, *everything), "aws_s3_bucket_policy", "bucket")
    assert [one.name for one in found] == [
        "aws_s3_bucket_policy.a",
        "aws_s3_bucket_policy.i",
        "aws_s3_bucket_policy.n",
    ]
    assert view.target(review(by_reference, bucket), "bucket") == [bucket]
    assert view.target(review(by_name, bucket), "bucket", type_="aws_s3_bucket") == [bucket]
    assert view.target(review(other, bucket), "bucket") == []


def test_an_attribute_that_nobody_knows_is_a_doubt() -> None:
    bucket = block("aws_s3_bucket.b")
    policy = block("aws_s3_bucket_policy.p", bucket=UNKNOWN)
    asked = review(bucket, policy)
    assert view.linked(asked, "aws_s3_bucket_policy", "bucket") == []
    with pytest.raises(NotEvaluated):
        view.require_no_doubt(asked, "aws_s3_bucket_policy", "bucket")
    view.require_no_doubt(review(bucket), "aws_s3_bucket_policy", "bucket")


def test_links_lead_through_blocks_and_lists() -> None:
    group = block("aws_security_group.g")
    vm = block("aws_eks_cluster.c", vpc_config=[{"ids": ["sg-1", refers("aws_security_group.g")]}])
    assert view.linked(review(group, vm), "aws_eks_cluster", "vpc_config.ids") == [vm]


def statements(*listed: dict[str, Any], **more: Any) -> list[view.Statement]:
    """Of a policy in JSON."""
    policy = json.dumps({"Version": "2012-10-17", "Statement": list(listed), **more})
    return list(view.documents(block("aws_x.y", policy=policy), "policy"))


@pytest.mark.parametrize(
    ("statement", "public"),
    [
        ({"Effect": "Allow", "Principal": "*", "Action": "s3:*"}, True),
        ({"Effect": "Allow", "Principal": {"AWS": ["*"]}, "Action": "s3:*"}, True),
        ({"Effect": "Deny", "Principal": "*", "Action": "s3:*"}, False),
        ({"Effect": "Allow", "Principal": {"Service": "*"}, "Action": "s3:*"}, False),
        ({"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::1:root"}}, False),
        ({"Effect": "Allow", "NotPrincipal": {"AWS": "x"}, "Action": "s3:*"}, True),
        (
            {
                "Effect": "Allow",
                "Principal": "*",
                "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}},
            },
            False,
        ),
        (
            {
                "Effect": "Allow",
                "Principal": "*",
                "Condition": {"StringLike": {"aws:SourceArn": "*"}},
            },
            True,
        ),
        (
            {
                "Effect": "Allow",
                "Principal": "*",
                "Condition": {"Bool": {"aws:SecureTransport": "true"}},
            },
            True,
        ),
    ],
)
def test_who_is_let_in(statement: dict[str, Any], public: bool) -> None:
    assert [one.is_public for one in statements(statement)] == [public]


def test_actions_and_resources() -> None:
    [one] = statements({"Effect": "Allow", "Action": ["s3:Get*", "iam:*"], "Resource": "*"})
    assert one.can("S3:GetObject")
    assert not one.can("s3:PutObject")
    assert one.has_action("IAM:*")
    assert not one.is_admin
    [all_] = statements({"Effect": "Allow", "Action": "*", "Resource": "*"})
    assert all_.is_admin
    [most] = statements({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"})
    assert (most.can("s3:Get"), most.can("iam:PassRole")) == (True, False)


def test_unknown_pieces_of_a_policy_hold_up_only_what_asks_for_them() -> None:
    policy = withheld(
        Unknown(
            "var.x has no value",
            cause="var.x",
            parts=(
                '{"Statement": {"Effect": "Allow", "Principal": {"AWS": "',
                UNKNOWN,
                '"}, "Action": "s3:Get*", "Resource": "arn:aws:s3:::',
                UNKNOWN,
                '/*"}}',
            ),
        )
    )
    [one] = view.documents(block("aws_x.y", policy=policy), "policy")
    assert one.allows
    assert one.can("s3:GetObject")
    assert not one.has_all_resources  # it begins with an ARN
    with pytest.raises(NotEvaluated):
        assert one.is_anyone


@pytest.mark.parametrize(
    ("cidrs", "world"),
    [
        (["10.0.0.0/8", "0.0.0.0/0"], "0.0.0.0/0"),
        (["::/0"], "::/0"),
        (["2000::/3"], "2000::/3"),
        (["fd00::/8", "fc00::/7", "ff00::/8"], None),
        ("0:0:0:0:0:0:0:0/0", "0:0:0:0:0:0:0:0/0"),
        (["0.0.0.0/1", "128.0.0.0/1"], "0.0.0.0/1"),
        ("*", "*"),
        ("Internet", "Internet"),
        (["10.0.0.0/8", "203.0.113.0/24", "not a block"], None),
        ([ARN, "10.0.0.0/8"], None),
        (None, None),
    ],
)
def test_the_whole_internet(cidrs: Any, world: str | None) -> None:
    assert view.open_to_world(cidrs) == world


def test_a_block_that_nobody_knows_is_no_closed_door() -> None:
    assert view.open_to_world([UNKNOWN, "0.0.0.0/0"]) == "0.0.0.0/0"
    with pytest.raises(NotEvaluated):
        view.open_to_world([UNKNOWN, "10.0.0.0/8"])
    assert view.open_to_world(withheld(Unknown(parts=(UNKNOWN, "/32")))) is None


@pytest.mark.parametrize(
    ("low", "high", "inside"),
    [(0, 65535, True), (22, 22, True), ("22", None, True), (-1, -1, True), (80, 443, False)],
)
def test_ranges_of_ports(low: Any, high: Any, inside: bool) -> None:
    assert view.covers(low, high, 22) is inside


@pytest.mark.parametrize(
    ("addresses", "narrowed"),
    [
        (["10.0.0.0/8"], True),
        ("203.0.113.7", True),
        (["0.0.0.0/0"], False),
        (["203.0.113.7/32", "::/0"], False),
        (["0.0.0.0/1", "128.0.0.0/1"], False),
        ("*", False),
    ],
)
def test_halves_of_the_internet_keep_nobody_out(addresses: Any, narrowed: bool) -> None:
    condition = {"IpAddress": {"aws:SourceIp": addresses}}
    policy = {"Statement": [{"Effect": "Allow", "Principal": "*", "Condition": condition}]}
    [statement] = view.documents(block("aws_x.a", policy=json.dumps(policy)), "policy")
    assert (statement.is_narrowed, statement.is_public) == (narrowed, not narrowed)
