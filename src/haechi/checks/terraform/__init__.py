"""Typed judges of Terraform resources, by provider family; ``view`` is what they share."""
