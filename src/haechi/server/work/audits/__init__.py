"""The background audit: what the policies at the door say of what is there already.

``policies`` finds the policies of a cluster, ``objects`` what is to be judged by them. ``child`` is
the process that judges (policies of users may loop or take all memory) by ``judging``, ``process``
its handle, ``wire`` what both say to each other. ``results`` makes a state with counts of the
verdicts; ``publishing`` writes it, and has ``events`` and ``findings`` told. ``comparing`` asks
other policies about the same.
"""
