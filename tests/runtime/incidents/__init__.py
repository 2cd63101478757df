"""Tests of the grouping of detections."""
