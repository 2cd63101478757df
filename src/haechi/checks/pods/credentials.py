"""Telling a literal credential from everything that merely looks like one.

A name says that a secret is meant (``DB_PASSWORD``, ``--api-key``), a value says by itself what
it is (``AKIA…``, ``postgres://user:pw@host``). Most false alarms are names *about* secrets
(``TOKEN_TTL``, ``SECRET_NAME``) and values that point elsewhere (paths, references, switches,
placeholders), so a name counts only when nothing but a qualifier follows the secret word, and a
value only when it can be the secret itself. Nothing here ever returns a value.
"""

from __future__ import annotations

import re
from functools import lru_cache

from haechi.checks.placeholders import is_stand_in

_TOKENS = (
    ("AWS access key", r"(?<![A-Z0-9])(?:AKIA|ASIA)[A-Z2-7]{16}(?![A-Z0-9])"),
    ("GitHub token", r"\b(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{50,255})\b"),
    ("GitLab token", r"\bglpat-[A-Za-z0-9_-]{20,}"),
    ("Slack token", r"\bxox[abeprs]-[A-Za-z0-9-]{10,}"),
    ("Slack webhook", r"hooks\.slack\.com/services/T[A-Z0-9]{6,}/B[A-Z0-9]{6,}/[A-Za-z0-9]{16,}"),
    ("Stripe live key", r"\b[rs]k_live_[A-Za-z0-9]{16,}"),
    ("Google API key", r"\bAIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])"),
    ("SendGrid key", r"\bSG\.[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,64}"),
    ("npm token", r"\bnpm_[A-Za-z0-9]{36}\b"),
    ("PyPI token", r"\bpypi-AgE[A-Za-z0-9_-]{50,}"),
    ("OpenAI key", r"\bsk-(?:proj-|svcacct-)?[A-Za-z0-9_-]{40,}"),
    ("Anthropic key", r"\bsk-ant-[A-Za-z0-9_-]{24,}"),
    ("Hugging Face token", r"\bhf_[A-Za-z0-9]{30,}\b"),
    ("Vault token", r"\bhv[sb]\.[A-Za-z0-9_-]{24,}"),
    ("DigitalOcean token", r"\bdo[por]_v1_[0-9a-f]{64}\b"),
    ("JSON web token", r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    ("private key", r"-----BEGIN (?:[A-Z0-9]{2,12} ){0,3}PRIVATE KEY-----"),
)
_KNOWN = re.compile("|".join(f"(?P<t{i}>{regex})" for i, (_, regex) in enumerate(_TOKENS)))
_KNOWN_HINT = re.compile(
    r"AKIA|ASIA|gh[pousr]_|github_pat_|glpat-|xox|hooks\.slack|k_live_|AIza|SG\.|npm_|pypi-|sk-|hf_"
    r"|hv[sb]\.|_v1_|eyJ|PRIVATE KEY"
)
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,30}://([^\s/:@\"']{0,100}):([^\s/@\"']{1,200})@[^\s/]")

_SECRET_WORDS = frozenset(
    [
        "apikey",
        "apikeys",
        "apitoken",
        "credential",
        "credentials",
        "creds",
        "pass",
        "passphrase",
        "passwd",
        "passwort",
        "password",
        "passwords",
        "pw",
        "pwd",
        "requirepass",
        "secret",
        "token",
        "masterauth",
    ]
)
_FUSED = re.compile(
    r"(?:password|passwd|passphrase|apikey|accesskey|secretkey|privatekey|authtoken|apitoken"
    r"|accesstoken|clientsecret)\Z"
)
_KEY_OWNERS = frozenset(
    [
        "access",
        "account",
        "api",
        "auth",
        "encryption",
        "jwt",
        "license",
        "master",
        "private",
        "secret",
        "session",
        "shared",
        "signing",
        "storage",
    ]
)
_OBJECT_WORDS = ("secret", "credential", "credentials", "creds")
_QUALIFIERS = frozenset(
    [
        "base",
        "base64",
        "b64",
        "current",
        "data",
        "default",
        "dev",
        "local",
        "new",
        "old",
        "plain",
        "plaintext",
        "primary",
        "prod",
        "production",
        "secondary",
        "staging",
        "string",
        "test",
        "text",
        "v1",
        "v2",
        "value",
    ]
)
_ABOUT = frozenset(
    [
        "allow",
        "check",
        "csrf",
        "disable",
        "disabled",
        "enable",
        "enabled",
        "forgot",
        "has",
        "hide",
        "is",
        "max",
        "min",
        "no",
        "num",
        "public",
        "pull",
        "require",
        "required",
        "reset",
        "show",
        "skip",
        "use",
        "validate",
        "verify",
        "with",
        "without",
    ]
)
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")

_SWITCHES = frozenset(
    [
        "0",
        "1",
        "disabled",
        "enabled",
        "false",
        "n",
        "none",
        "no",
        "null",
        "off",
        "on",
        "true",
        "undefined",
        "y",
        "yes",
    ]
)
_REFERENCE = re.compile(
    r"\$[({A-Za-z_]|\{\{|%[({]|<[^>]{0,80}>|\A(?:vault|secret|secrets|ref\+|op|awssm|aws-sm|arn|sm|gcpsm"
    r"|azurekeyvault@|file|env|k8s|kv|keyvault|ssm|projects/[^/]+/secrets)(?:[:/+]|\Z)"
)
_PLACEHOLDER = re.compile(
    r"(?i)\A(?:x{3,}|\*{3,}|\.{3,}|-+|_+|.{0,40}(?:placeholder|redacted|replace[-_ ]?"
    r"(?:me|with|this)|your[-_ ]|fill[-_ ]?me|insert[-_ ]|set[-_ ]?me|todo|dummy|example).{0,60})\Z"
)
_PATH = re.compile(
    r"\A(?:/|\./|~/)[A-Za-z0-9._@-]+(?:/[A-Za-z0-9._@-]+)+/?\Z|\A/[a-z]+\Z"
    r"|\A[A-Za-z0-9._/-]+\.(?:json|ya?ml|pem|key|crt|txt|toml|conf|properties|env|cer|p12|jks)\Z"
)
_HASH = re.compile(r"\A\$(?:2[aby]|argon2[a-z]*|[156y]|scrypt|pbkdf2[a-z0-9-]*)\$")
_OBJECT_NAME = re.compile(
    r"\A[a-z0-9]+(?:[-.][a-z0-9]+)*-(?:secrets?|tls|certs?|credentials?|creds?|tokens?|keys?|config"
    r"|ca|password|auth)\Z|\Aregcred\Z"
)
_SECRET_OBJECT = re.compile(r"\A[a-z]+(?:[-.][a-z]+){1,8}\Z")
"""Words with hyphens under a name that ends in SECRET: the name of a Secret, not its content."""
_SPAN = re.compile(r"\A[0-9.]+(?:ms|s|m|h|d|w|y)?\Z")
_LONGEST = 20_000
SHORTEST_TOKEN = 15


@lru_cache(maxsize=4096)
def means_secret(name: str) -> str:
    """The secret word that the name ends in (``password``, ``token``, ``key``), or ""."""
    words: list[str] = [word.lower() for word in _WORDS.findall(name[:120])]
    while words and (words[-1] in _QUALIFIERS or words[-1].isdigit()):
        words.pop()
    if not words or words[0] in _ABOUT or "public" in words:
        return ""
    last = words[-1]
    if last in _SECRET_WORDS or _FUSED.search(last):
        return last
    if last in ("key", "keys") and len(words) > 1 and words[-2] in _KEY_OWNERS:
        return "key"
    return ""


def can_be_secret(word: str, value: str) -> bool:
    """Whether a value under a name that means ``word`` is the secret itself."""
    text = value.strip()
    if len(text) < 3 or len(text) > _LONGEST or text.lower() in _SWITCHES or "://" in text:
        return False
    if _HASH.match(text) or _REFERENCE.search(text) or _PLACEHOLDER.match(text):
        return False
    if _PATH.match(text) or _OBJECT_NAME.match(text) or is_stand_in(text):
        return False
    if word in _OBJECT_WORDS and _SECRET_OBJECT.match(text):
        return False
    if word.startswith("pass") or word in ("pw", "pwd"):
        return True
    # A token or a key of fewer than six characters, or a plain number, is rather a setting.
    return len(text) >= 6 and not _SPAN.match(text)


def known_token(value: str) -> str:
    """What kind of credential the text holds by its own form, or ""."""
    if len(value) < SHORTEST_TOKEN:
        return ""
    text = value[:_LONGEST]
    if not _KNOWN_HINT.search(text):
        return ""
    for match in _KNOWN.finditer(text):
        # Documentation's keys say so.
        if "EXAMPLE" not in match.group().upper():
            return str(_TOKENS[int(str(match.lastgroup)[1:])][0])
    return ""


def has_url_password(value: str) -> bool:
    """Whether the text holds a URL with a literal password."""
    if "://" not in value:
        return False
    for match in _URL.finditer(value[:_LONGEST]):
        user, password = match.groups()
        if _REFERENCE.search(password) or _PLACEHOLDER.match(password) or "$" in password:
            continue
        if "%" in password and password.strip("%sdv") == "":
            continue
        if password.isdigit() and not user:
            continue
        return True
    return False
