"""From a kubeconfig, or from inside a pod, to ``Access``.

What would be unsafe is refused with advice instead of done in silence: no verification of the
server's certificate, passwords and authentication providers that API servers and kubectl have
dropped long ago.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from haechi.engines.addresses import is_loopback
from haechi.errors import ConfigError
from haechi.world.kube.access import (
    Access,
    Credential,
    Credentials,
    Pem,
    proxy_url,
    read_file,
    server_url,
)
from haechi.world.kube.credentials import Fixed, TokenFile, checked_token
from haechi.world.kube.kubeconfig import (
    ClusterEntry,
    Kubeconfig,
    UserEntry,
    files_of,
    load,
)
from haechi.world.kube.plugin import Plugin

log = logging.getLogger("haechi.kube")
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_PROVIDERS = {
    "gcp": "install gke-gcloud-auth-plugin and fetch the kubeconfig anew",
    "azure": "run `kubelogin convert-kubeconfig`",
    "oidc": "use the plug-in kubelogin (kubectl oidc-login) as `exec`",
}


def from_kubeconfig(
    path: Path | None = None,
    *,
    context: str = "",
    name: str = "",
    insecure: bool = False,
    environ: Mapping[str, str] | None = None,
    home: Path | None = None,
) -> Access:
    """Access as kubectl would have it. ``path`` None: KUBECONFIG, else ``~/.kube/config``.
    ``insecure`` allows a server whose certificate is not verified. Raises ConfigError."""
    environ = os.environ if environ is None else environ
    if path is not None:
        config = load([path], required=True)
    else:
        config = load(files_of(environ, home or Path.home()), required=False)
    return access_of(config, context=context, name=name, insecure=insecure, environ=environ)


def access_of(
    config: Kubeconfig,
    *,
    context: str = "",
    name: str = "",
    insecure: bool = False,
    environ: Mapping[str, str],
) -> Access:
    """Access of one context. Raises ConfigError."""
    chosen, entry, cluster, user = config.chosen(context)
    where = f"{', '.join(config.files)}: cluster {entry.cluster!r}"
    server_url(cluster.server, where)
    authority = _pem(cluster.certificate_authority, cluster.certificate_authority_data, where)
    if cluster.insecure_skip_tls_verify:
        _insecure(where, authority=authority, allowed=insecure)
    where_user = f"{', '.join(config.files)}: user {entry.user!r}"
    return Access(
        name=name or chosen,
        server=cluster.server,
        credentials=_credentials(user, cluster, where_user, environ),
        authority=authority,
        tls_name=cluster.tls_server_name,
        proxy=_proxy(cluster, environ, where),
        insecure=cluster.insecure_skip_tls_verify,
        compress=not cluster.disable_compression,
        namespace=entry.namespace or "default",
        headers=_impersonation(user, where_user),
        groups=tuple(_header(one, where_user) for one in user.impersonate_groups),
    )


def in_cluster(
    *,
    name: str = "",
    environ: Mapping[str, str] | None = None,
    folder: Path = ACCOUNT,
) -> Access:
    """Access of the pod that this runs in. Raises ConfigError."""
    environ = os.environ if environ is None else environ
    host = environ.get("KUBERNETES_SERVICE_HOST", "")
    port = environ.get("KUBERNETES_SERVICE_PORT", "")
    if not host or not port:
        raise ConfigError(
            "this does not run in a pod",
            why="KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set",
            do="name a kubeconfig",
        )
    token = folder / "token"
    if not token.exists():
        raise ConfigError(
            "the pod has no account's token",
            do="set automountServiceAccountToken: true for it",
            where=str(token),
        )
    namespace = folder / "namespace"
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    where = "KUBERNETES_SERVICE_HOST"
    server_url(server, where)
    return Access(
        name=name or "in-cluster",
        server=server,
        credentials=TokenFile(str(token), Credential()),
        authority=Pem(file=str(folder / "ca.crt")),
        proxy=environment_proxy(server, environ, where),
        namespace=_text(namespace) if namespace.exists() else "default",
    )


def _text(path: Path) -> str:
    return read_file(str(path)).decode("utf-8", "replace").strip()


def _insecure(where: str, *, authority: Pem, allowed: bool) -> None:
    if authority:
        raise ConfigError(
            "insecure-skip-tls-verify and certificate-authority contradict each other",
            do="take insecure-skip-tls-verify away",
            where=where,
        )
    if not allowed:
        raise ConfigError(
            "the server's certificate would not be verified (insecure-skip-tls-verify)",
            why="whoever is on the way could take the token and answer in its place",
            do="give certificate-authority(-data), and tls-server-name if the name differs",
            where=where,
        )
    log.warning("%s: the server's certificate is NOT verified; anybody may answer for it", where)


def _pem(file: str, data: str, where: str) -> Pem:
    """Inline data goes over a file, as with kubectl."""
    if not data:
        return Pem(file=file)
    try:
        return Pem(data=base64.b64decode("".join(data.split()), validate=True))
    except (binascii.Error, ValueError):
        raise ConfigError("inline data is not base64", where=where) from None


def _credentials(
    user: UserEntry, cluster: ClusterEntry, where: str, environ: Mapping[str, str]
) -> Credentials:
    _outdated(user, where)
    certificate = _pem(user.client_certificate, user.client_certificate_data, where)
    key = _pem(user.client_key, user.client_key_data, where)
    if bool(certificate) != bool(key):
        raise ConfigError("client-certificate and client-key go together", where=where)
    token = checked_token(user.token, where) if user.token else ""
    beside = Credential(token=token, certificate=certificate, key=key)
    if user.exec is not None and not (token or user.token_file):  # kubectl shows the token then
        info = cluster_info(cluster)
        return Plugin(user.exec, cluster=info, beside=beside, environ=environ, where=where)
    if user.token_file:
        return TokenFile(user.token_file, beside)
    return Fixed(beside)


def _outdated(user: UserEntry, where: str) -> None:
    if user.auth_provider is not None:
        provider = user.auth_provider
        name = str(provider.get("name", ""))[:40] if isinstance(provider, dict) else ""
        raise ConfigError(
            f"the auth-provider {name!r} was taken out of Kubernetes 1.26",
            do=_PROVIDERS.get(name, "use a credential plug-in (exec)"),
            where=where,
        )
    if user.username or user.password:
        raise ConfigError(
            "passwords (username, password) were taken out of Kubernetes 1.19",
            do="use a token, a client certificate or a credential plug-in",
            where=where,
        )


def cluster_info(cluster: ClusterEntry) -> dict[str, Any]:
    """What a plug-in is told of the cluster. Raises ConfigError."""
    info: dict[str, Any] = {"server": cluster.server}
    if cluster.tls_server_name:
        info["tls-server-name"] = cluster.tls_server_name
    if cluster.insecure_skip_tls_verify:
        info["insecure-skip-tls-verify"] = True
    if cluster.certificate_authority_data:
        info["certificate-authority-data"] = cluster.certificate_authority_data
    elif cluster.certificate_authority:
        data = read_file(cluster.certificate_authority)
        info["certificate-authority-data"] = base64.b64encode(data).decode()
    if cluster.proxy_url:
        info["proxy-url"] = cluster.proxy_url
    if cluster.disable_compression:
        info["disable-compression"] = True
    for extension in cluster.extensions:
        if extension.name == "client.authentication.k8s.io/exec":
            info["config"] = extension.extension
    return info


def _impersonation(user: UserEntry, where: str) -> dict[str, str]:
    if not user.impersonate:
        if user.impersonate_uid or user.impersonate_groups or user.impersonate_extra:
            raise ConfigError("as-uid, as-groups and as-user-extra need `as`", where=where)
        return {}
    headers = {"Impersonate-User": _header(user.impersonate, where)}
    if user.impersonate_uid:
        headers["Impersonate-Uid"] = _header(user.impersonate_uid, where)
    for name, values in user.impersonate_extra.items():
        if len(values) != 1:
            raise ConfigError("as-user-extra with several values is not supported", where=where)
        headers[f"Impersonate-Extra-{quote(name.lower(), safe='')}"] = _header(values[0], where)
    return headers


def _header(value: str, where: str) -> str:
    if not value.isascii() or not value.isprintable():
        raise ConfigError("a name to act as holds characters that no header has", where=where)
    return value


def _proxy(cluster: ClusterEntry, environ: Mapping[str, str], where: str) -> str:
    if cluster.proxy_url:
        return proxy_url(cluster.proxy_url, where)
    return environment_proxy(cluster.server, environ, where)


def environment_proxy(server: str, environ: Mapping[str, str], where: str) -> str:
    """The proxy that HTTPS_PROXY and NO_PROXY say for a server, as Go reads them; "" for none.
    Raises ConfigError."""
    url = server_url(server, where)
    host = (url.hostname or "").rstrip(".")
    name = "HTTPS_PROXY" if url.scheme == "https" else "HTTP_PROXY"
    found = environ.get(name) or environ.get(name.lower()) or ""
    if not found or is_loopback(host):
        return ""
    listed = environ.get("NO_PROXY") or environ.get("no_proxy") or ""
    port = url.port or (443 if url.scheme == "https" else 80)
    if any(_exempt(one.strip().lower(), host, port) for one in listed.split(",") if one.strip()):
        return ""
    return proxy_url(found if "://" in found else f"http://{found}", f"${name}")


def _exempt(pattern: str, host: str, port: int) -> bool:
    """One entry of NO_PROXY (golang.org/x/net/http/httpproxy)."""
    if pattern == "*":
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(pattern, strict=False)
    except ValueError:
        pass
    parts = urlsplit(f"//{pattern}")
    try:
        if parts.port is not None and parts.port != port:
            return False
    except ValueError:
        return False
    name = (parts.hostname or "").removeprefix("*")
    if name.startswith("."):
        return host.endswith(name)
    return bool(name) and (host == name or host.endswith(f".{name}"))
