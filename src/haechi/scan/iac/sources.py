"""Which files of a tree say something about infrastructure, told by name and first look."""

from __future__ import annotations

import re
from enum import Enum, auto

_DOCKERFILE = re.compile(r"(?:.*[._-])?(?:dockerfile|containerfile)(?:[._-].*)?\Z", re.IGNORECASE)
_NOT_DOCKERFILE = re.compile(
    r".*\.(?:md|txt|rst|adoc|html|go|py|js|ts|rs|rb|java|sh|json|ya?ml|lock|log|dockerignore|"
    r"hcl|tf|cs|php|c|h|cpp|swp|bak|orig|png|svg|pdf)\Z|.*\.dockerfile\.ignore\Z",
    re.IGNORECASE,
)
_TEMPLATE = re.compile(
    r".*\.(?:j2|jinja2?|tmpl|tpl|template|erb|in|mustache|hbs|gotmpl|ejs)\Z", re.IGNORECASE
)
_MANIFEST = re.compile(r".*\.(?:ya?ml|json)\Z", re.IGNORECASE)
_MANIFEST_TEMPLATE = re.compile(r".*\.(?:ya?ml|json)\.[a-z0-9]+\Z", re.IGNORECASE)
_PACKED = re.compile(r".+-[0-9].*\.tgz\Z")
_HELMFILE = re.compile(r"helmfile\.ya?ml(?:\.gotmpl)?\Z")
_WORKFLOW = re.compile(r"(?:.*/)?\.github/workflows/[^/]+\.ya?ml\Z")
_ACTION = re.compile(r"action\.ya?ml\Z")
_GITLAB = re.compile(
    r"(?:.*/)?(?:[^/]*\.gitlab-ci\.ya?ml|\.gitlab(?:/ci|-ci)/.*\.ya?ml)\Z", re.IGNORECASE
)
_TERRAFORM = re.compile(r".+\.(?:tf|tofu)(?:\.json)?\Z")
_TERRAGRUNT = re.compile(r"terragrunt(?:\.stack|\.values)?\.hcl(?:\.json)?\Z")
_STATE = re.compile(r".*\.tfstate(?:\.\d+)?(?:\.backup)?\Z")
KUSTOMIZATIONS = frozenset({"kustomization.yaml", "kustomization.yml", "Kustomization"})
CHART = "Chart.yaml"


class Source(Enum):
    """What a file may be, by its name."""

    MANIFEST = auto()
    MANIFEST_TEMPLATE = auto()
    DOCKERFILE = auto()
    DOCKERFILE_TEMPLATE = auto()
    KUSTOMIZATION = auto()
    CHART = auto()
    PACKED_CHART = auto()
    HELMFILE = auto()
    WORKFLOW = auto()
    ACTION = auto()
    GITLAB = auto()
    TERRAFORM = auto()
    TERRAGRUNT = auto()
    TERRAFORM_STATE = auto()
    OTHER = auto()


def classify(path: str) -> Source:
    """Tell by the name alone; contents decide later whether a manifest is one."""
    name = path.rpartition("/")[2]
    if name in KUSTOMIZATIONS:
        return Source.KUSTOMIZATION
    if name == CHART:
        return Source.CHART
    if _HELMFILE.match(name):
        return Source.HELMFILE
    if _WORKFLOW.match(path):
        return Source.WORKFLOW
    if _ACTION.match(name):
        return Source.ACTION
    if _GITLAB.match(path):
        return Source.GITLAB
    if ".t" in name and _TERRAFORM.match(name):
        return Source.TERRAFORM
    if ".tfstate" in name and _STATE.match(name):
        return Source.TERRAFORM_STATE
    if _MANIFEST.match(name):
        return Source.MANIFEST
    if ".hcl" in name and _TERRAGRUNT.match(name):
        return Source.TERRAGRUNT
    if _PACKED.match(name):
        return Source.PACKED_CHART
    if _DOCKERFILE.match(name) and not _NOT_DOCKERFILE.match(name):
        return Source.DOCKERFILE_TEMPLATE if _TEMPLATE.match(name) else Source.DOCKERFILE
    if _MANIFEST_TEMPLATE.match(name) and _TEMPLATE.match(name):
        return Source.MANIFEST_TEMPLATE
    return Source.OTHER


NEEDLES = (b"apiVersion", b"kind")
PLAN = (b'"root_module"', b'"format_version"')
"""What every plan of Terraform in JSON holds."""
WIDE = (b"\xff\xfe", b"\xfe\xff")
"""How a text in UTF-16 begins."""


def may_hold_objects(data: bytes) -> bool:
    """True when a file can hold Kubernetes objects; cheap, so that other YAML costs nothing."""
    if data[:2] in WIDE or data[:4] == b"\x00\x00\xfe\xff":
        return True
    return all(needle in data for needle in NEEDLES)
