"""Judges of dependency files: names, sources, registries, pins, licences."""
