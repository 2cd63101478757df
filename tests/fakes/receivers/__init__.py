"""Receivers of alerts on loopback: what their products answer, right and wrong."""
