"""What is a secret by its name, its value, its file name, or its place on a command line.

Every test here errs on the side of silence: placeholders, references, paths and switches are
no secrets, because people block pipelines on these rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fnmatch import translate

from haechi.checks.placeholders import is_stand_in

_NAME = re.compile(
    r"""(?:\A|[_.-])
    (?:[a-z0-9]*passw(?:or)?d|passphrase|pass|pword|[a-z0-9]*secret|[a-z0-9]*token|api_?key
      |(?:private|secret|access|master|encryption|signing|account|deploy|auth)_?key
      |credentials?)
    s?(?:_base|_value)?\Z""",
    re.IGNORECASE | re.VERBOSE,
)
_NO_SECRET_NAME = re.compile(r"public|csrf_?token|no_?token|use_?token|max_?token", re.IGNORECASE)

_NO_SECRET_VALUE = re.compile(
    r"""(?:
        (?:true|false|yes|no|on|off|none|null|nil|undefined|todo|tbd|unset|unused|optional|required)
        |[<\[{(].*|%.*%|\*+|x+|\.+|-+|_+
        |.*(?:placeholder|dummy|fake|not[-_ ]?used|build[-_ ]?time|replace[-_ ]?me|your[-_ ]
             |example[-_.]|set[-_ ]?me|insert|to[-_ ]be).*
        |[./~].*|[a-z]+://[^@]*
        |[0-9]{1,2}
    )\Z""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)

_TOKENS = (
    ("an AWS access key", re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b")),
    ("a GitHub token", re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{60})")),
    ("a GitLab token", re.compile(r"\bglpat-[A-Za-z0-9_-]{20}")),
    ("a Slack token", re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{20}")),
    ("a Stripe key", re.compile(r"\b[rs]k_live_[A-Za-z0-9]{20}")),
    ("a Google API key", re.compile(r"\bAIza[0-9A-Za-z_-]{35}")),
    ("an npm token", re.compile(r"\bnpm_[A-Za-z0-9]{36}\b")),
    ("a PyPI token", re.compile(r"\bpypi-AgE[A-Za-z0-9_-]{40}")),
    ("a Docker Hub token", re.compile(r"\bdckr_pat_[A-Za-z0-9_-]{20}")),
    ("a SendGrid key", re.compile(r"\bSG\.[A-Za-z0-9_-]{20,24}\.[A-Za-z0-9_-]{40}")),
    ("a Vault token", re.compile(r"\bhvs\.[A-Za-z0-9_-]{24}")),
    ("a private key", re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----")),
    ("a signed web token", re.compile(r"\beyJ[\w-]{10,200}\.eyJ[\w-]{10,2000}\.[\w-]{20}")),
    (
        "credentials in a URL",
        re.compile(
            r"\b[a-z][a-z0-9+]{1,10}://[^\s:/@$\"'<>{}]{1,80}:[^\s:/@$\"'<>{}]{3,120}@"
            r"(?!localhost|127\.|0\.0\.0\.0|example)\w"
        ),
    ),
)
_HINTS = re.compile(
    r"AKIA|ASIA|gh[pousr]_|_pat_|glpat|xox|k_live|AIza|npm_|pypi-|SG\.|hvs\.|BEGIN|eyJ|@"
)

_SECRET_FILES = (
    "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", ".netrc", "_netrc", ".pgpass", ".my.cnf",
    ".git-credentials", ".dockercfg", ".vault-token", ".pypirc", ".s3cfg", ".boto", "kubeconfig",
    "credentials.json", "client_secret*.json", "service-account*.json", "service_account*.json",
    "*.p12", "*.pfx", "*.keystore", "*-key.pem", "*_key.pem", "*.key.pem", "privkey*.pem",
    "private*.pem", "private*.key", "*.tfstate", "*.ppk", "secrets.yml", "secrets.yaml",
    "master.key", "secret.txt", "secrets.txt", "password.txt",
    "passwords.txt", "token.txt", ".ssh", ".aws", ".gnupg", ".kube",
)  # fmt: skip
_SECRET_PATHS = ("*.aws/credentials", "*.docker/config.json", "*.kube/config", "*.ssh/*")
_ENV_FILE = re.compile(
    r"\.env(?:\.(?!example|sample|template|dist|defaults?|test|schema)[\w.-]+)?\Z"
)
_PUBLIC = re.compile(r"\.pub\Z|known_hosts|authorized_keys|ssh_config|example|sample|template")
_CREDENTIAL_FILES = (
    ".npmrc", ".yarnrc", ".yarnrc.yml", "pip.conf", "nuget.config", "settings.xml", "*.tfvars",
    ".htpasswd", "auth.json", "*.jks", "*.key", "gradle.properties", ".bash_history", ".aws/config",
)  # fmt: skip
_PUBLIC_KEYS = re.compile(
    r"pub|gpg|apt|repo|archive|release|signing|keyring|yarn|rpm", re.IGNORECASE
)


def _any_of(patterns: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(translate(pattern) for pattern in patterns))


_IS_SECRET_FILE = _any_of(_SECRET_FILES)
_IS_SECRET_PATH = _any_of(_SECRET_PATHS)
_IS_CREDENTIAL_FILE = _any_of(_CREDENTIAL_FILES)

_OPTIONS = frozenset({
    "--password", "--passwd", "--pass", "--token", "--auth-token", "--secret", "--api-key",
    "--apikey", "--access-token", "--secret-key", "--http-password", "--passphrase",
    "--client-secret", "--admin-password", "--root-password",
})  # fmt: skip
_AUTH_TOKEN = re.compile(r"(?<![A-Za-z0-9])_(?:authToken|auth|password)[= ](?P<value>[^\s$]{8,})")


def is_secret_name(name: str) -> bool:
    """True for DB_PASSWORD and its like; not for *_FILE, *_PATH, *_URL, *_PUBLIC_KEY …"""
    return len(name) < 100 and bool(_NAME.search(name)) and not _NO_SECRET_NAME.search(name)


def is_literal_secret(value: str) -> bool:
    """True when a value is a literal that could be one: no reference, placeholder or path."""
    text = value.strip().strip("'\"")
    if not text or "$" in text or "`" in text or _NO_SECRET_VALUE.match(text):
        return False
    return not is_stand_in(text)


def known_token(text: str) -> str:
    """What kind of credential stands in a text, recognised by its form; empty when none."""
    if not _HINTS.search(text):
        return ""
    return next((kind for kind, pattern in _TOKENS if pattern.search(text)), "")


def is_secret_file(path: str) -> bool:
    """True for a file or folder that is nothing but secrets."""
    place = path.rstrip("/*").lower()
    name = place.rpartition("/")[2]
    if _PUBLIC.search(place):
        return False
    return (
        bool(_ENV_FILE.match(name))
        or bool(_IS_SECRET_FILE.match(name))
        or bool(_IS_SECRET_PATH.match(place))
    )


def may_hold_credentials(path: str) -> bool:
    """True for a configuration or key file that often holds some."""
    name = path.rstrip("/").lower().rpartition("/")[2]
    if is_secret_file(path) or _PUBLIC.search(name):
        return False
    if name.endswith(".key") and _PUBLIC_KEYS.search(path):
        return False
    return bool(_IS_CREDENTIAL_FILE.match(name))


def option_secrets(name: str, args: Sequence[str]) -> Iterator[str]:
    """Options of a command line that carry a literal secret."""
    for index, arg in enumerate(args):
        option, equals, value = arg.partition("=")
        following = args[index + 1] if index + 1 < len(args) else ""
        if option in _OPTIONS:
            value = value if equals else following
            if is_literal_secret(value) and not value.startswith("-"):
                yield option
        elif name in ("curl", "wget") and arg in ("-u", "--user"):
            user, colon, word = following.partition(":")
            if user and colon and "$" not in user and is_literal_secret(word):
                yield arg
        elif name == "sshpass" and arg.startswith("-p") and is_literal_secret(arg[2:]):
            yield "-p"
    match = _AUTH_TOKEN.search(" ".join(args)) if name in ("npm", "yarn", "pnpm", "echo") else None
    if match and is_literal_secret(match.group("value")):
        yield "_authToken"
