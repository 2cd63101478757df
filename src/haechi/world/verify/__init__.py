"""Asking a provider whether a leaked credential still lives (``--verify``, off by default)."""
