"""Terraform and OpenTofu before the door: folders of ``*.tf`` → resources that rules can judge.

``folders`` sorts files into modules, ``modules`` reads one, ``instances`` evaluates it as it is
called, ``bodies`` its blocks, ``places`` leads from an attribute back to its line; ``calls`` finds
what a module call means, ``policies`` computes ``data.aws_iam_policy_document``. ``plans`` reads
``terraform show -json`` and state, ``kubernetes`` makes objects of the Kubernetes provider's
blocks. ``read`` puts it together. Nothing here is imported by a scan of a tree without such files.
"""
