"""The served chain, and the API server's trust in it.

Without files of the user's (``given``) each replica is its own small authority (``authority``,
``keeper``): keys never leave its folder and no right to read Secrets is needed. What API servers
have to trust is written into the ``caBundle`` of the webhook configurations (``bundle``), the
certificates of all replicas side by side. A new authority stands there before anything it signed
is served, and an old one until nothing is served by it any more. ``served`` asks the only question
that counts: whether a handshake with this port succeeds under that bundle.
"""
