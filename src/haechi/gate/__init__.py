"""Findings, waivers, baseline and thresholds decide: pass or block."""
