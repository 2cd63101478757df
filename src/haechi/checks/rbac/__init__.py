"""Who may do what: the RBAC engine (``grants``, ``subjects``) and the rules that use it."""
