# Product pictures: read by everyone, by way of the CDN only (so it was planned).
resource "aws_s3_bucket" "pictures" {
  bucket = "${local.name}-pictures"
}

resource "aws_s3_bucket_acl" "pictures" {
  bucket = aws_s3_bucket.pictures.id
  acl    = "public-read"
}

resource "aws_s3_bucket_public_access_block" "pictures" {
  bucket                  = aws_s3_bucket.pictures.id
  block_public_acls       = false
  block_public_policy     = false
  ignore_public_acls      = false
  restrict_public_buckets = false
}

# Receipts: what a careful bucket looks like.
resource "aws_s3_bucket" "receipts" {
  bucket = "${local.name}-receipts"
}

resource "aws_s3_bucket_public_access_block" "receipts" {
  bucket                  = aws_s3_bucket.receipts.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_versioning" "receipts" {
  bucket = aws_s3_bucket.receipts.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_kms_key" "receipts" {
  description         = "Encrypts receipts"
  enable_key_rotation = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "receipts" {
  bucket = aws_s3_bucket.receipts.id
  rule {
    bucket_key_enabled = true
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.receipts.arn
    }
  }
}
