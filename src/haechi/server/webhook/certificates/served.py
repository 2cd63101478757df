"""Whether a handshake with our own port succeeds as an API server would make it."""

from __future__ import annotations

import socket
import ssl

SECONDS = 5.0


def fault_of(port: int, bundle: bytes, name: str, *, host: str = "127.0.0.1") -> str:
    """Why an API server that trusts ``bundle`` (PEM) and calls ``name`` would refuse what is
    served on the port; empty when it would not. Blocks."""
    if not bundle.strip():
        return "the caBundle is empty: API servers trust nobody here"
    try:
        context = ssl.create_default_context(cadata=bundle.decode("ascii"))
        # As in Go's verifier, each certificate of the bundle is a root, whatever signed it.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.set_alpn_protocols(["http/1.1"])
        with (
            socket.create_connection((host, port), timeout=SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=name),
        ):
            return ""
    except ssl.SSLCertVerificationError as error:
        return f"the served certificate is not trusted under the caBundle: {error.verify_message}"
    except (OSError, ValueError) as error:
        return f"no TLS connection to the own port: {error}"
