data "aws_iam_policy_document" "ci" {
  statement {
    sid       = "Deploy"
    actions   = ["*"]
    resources = ["*"]
  }
}

resource "aws_iam_policy" "ci" {
  name   = "${local.name}-ci"
  policy = data.aws_iam_policy_document.ci.json
}

resource "aws_iam_role" "ci" {
  name = "${local.name}-ci"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRoleWithWebIdentity"
      Principal = { Federated = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com" }
      Condition = {
        StringLike = { "token.actions.githubusercontent.com:sub" = "repo:shop-example/*" }
      }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "ci" {
  role       = aws_iam_role.ci.name
  policy_arn = aws_iam_policy.ci.arn
}

# Receipts are written by one service, and by nothing else.
data "aws_iam_policy_document" "receipts" {
  statement {
    sid       = "WriteReceipts"
    actions   = ["s3:PutObject"]
    resources = ["${aws_s3_bucket.receipts.arn}/*"]
  }
}

resource "aws_iam_policy" "receipts" {
  name   = "${local.name}-receipts"
  policy = data.aws_iam_policy_document.receipts.json
}
