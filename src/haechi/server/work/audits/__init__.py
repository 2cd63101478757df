"""The background audit: what the policies at the door say of what is there already.

``policies`` finds the policies of a cluster, ``objects`` what is to be judged by them; ``child`` is
the process that judges (policies of users may loop or take all memory), ``process`` its handle,
``wire`` what both say to each other. ``results`` makes a state with counts of the verdicts,
``findings`` and ``events`` what others see of it.
"""
