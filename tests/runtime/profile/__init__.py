"""Tests of learnt behaviour."""
