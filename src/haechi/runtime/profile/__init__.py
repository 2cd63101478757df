"""What is normal for a workload, learnt from its events, and how rare an event is against that.

``features`` says what of an event counts, ``frequency`` and ``markov`` hold the counts in bounded
memory, ``quantile`` turns a sum of rarities into the workload's own quantile, ``profile`` is one
workload with its states, ``profiles`` all of them. ``sequence`` is apart: a model of traces of
system calls, measured by ``./dev bench anomaly``. All of it is pure: times are given.
"""
