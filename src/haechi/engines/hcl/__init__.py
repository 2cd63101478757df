"""HCL, the language of Terraform and OpenTofu: text → syntax tree → values, known or unknown.

No I/O: modules, variable files and the file system are given by ``scan/iac/terraform``.
"""
