"""Judges of pod templates. ``view`` finds the template; the other modules hold the rules."""
