"""Who asks: tokens, sessions, OpenID Connect, pipelines; limits, lockout, forged requests."""
