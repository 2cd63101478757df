"""Judges of GitLab pipelines."""
