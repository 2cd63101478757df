resource "aws_db_instance" "orders" {
  identifier             = "${local.name}-orders"
  engine                 = "postgres"
  engine_version         = "17.6"
  instance_class         = "db.t4g.medium"
  allocated_storage      = 50
  username               = "shop"
  password               = var.db_password
  publicly_accessible    = true
  storage_encrypted      = false
  skip_final_snapshot    = true
  vpc_security_group_ids = [aws_security_group.db.id]
}
