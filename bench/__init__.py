"""Benchmarks that print figures; no figure is asserted."""
