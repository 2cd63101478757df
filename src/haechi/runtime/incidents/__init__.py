"""From detections to incidents: what belongs together, and what of it is noise.

``reading`` takes from a detection what it is grouped by, ``correlate`` groups (pure, with what it
knows in ``memory``), ``exceptions`` proposes what to silence and measures it.
"""
