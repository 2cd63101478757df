terraform {
  required_version = ">= 1.9"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }
}

provider "aws" {
  region = var.region
  default_tags {
    tags = local.tags
  }
}

variable "region" {
  type    = string
  default = "ap-northeast-2"
}

variable "office_cidr" {
  type        = string
  default     = "0.0.0.0/0"
  description = "Where administrators come from"
}

variable "vpc_id" {
  type = string
}

variable "db_password" {
  type      = string
  sensitive = true
}

locals {
  name = "shop-${terraform.workspace}"
  tags = {
    system = "shop"
    owner  = "platform"
  }
}
