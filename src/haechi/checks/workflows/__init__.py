"""Judges of CI files: GitHub workflows and composite actions; GitLab pipelines in ``gitlab``."""
