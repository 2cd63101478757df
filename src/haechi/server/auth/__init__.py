"""Who asks: tokens, sessions, OpenID Connect, pipelines; limits, lockout, forged requests."""

from haechi.server.auth.authenticate import authenticate, greet
from haechi.server.auth.first import ensure_admin, new_sign_in_code

__all__ = ["authenticate", "ensure_admin", "greet", "new_sign_in_code"]
