"""Names of which a part is made by an apply still say whose they are."""

from __future__ import annotations

import pytest

from haechi.model.unknown import Unknown
from haechi.scan.iac.terraform.read import read_texts

BUCKET = """
resource "random_id" "part" { byte_length = 4 }
resource "aws_s3_bucket" "shop" { bucket = "shop-${random_id.part.hex}" }
resource "aws_s3_bucket_versioning" "shop" { bucket = aws_s3_bucket.shop.bucket }
"""
LATE = "locals { name = aws_s3_bucket.shop.bucket }\n" + BUCKET.replace(
    "= aws_s3_bucket.shop.bucket", "= local.name"
)


@pytest.mark.parametrize("text", [BUCKET, LATE], ids=["at once", "through a local"])
def test_what_uses_a_name_refers_to_its_resource(text: str) -> None:
    found = {one.kind: one for one in read_texts({"main.tf": text.encode()}).resources}
    name = found["aws_s3_bucket_versioning"].data["bucket"]
    assert isinstance(name, Unknown)
    assert "aws_s3_bucket.shop" in {reference.address for reference in name.refs}
    assert name.parts[0] == "shop-"


def test_the_name_itself_does_not_refer_to_itself() -> None:
    found = {one.kind: one for one in read_texts({"main.tf": BUCKET.encode()}).resources}
    name = found["aws_s3_bucket"].data["bucket"]
    assert isinstance(name, Unknown)
    assert {reference.address for reference in name.refs} == {"random_id.part"}
