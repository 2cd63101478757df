"""OPA's builtins. ``BUILTINS`` by dotted name; ``REFUSED`` tells why one is not here."""
