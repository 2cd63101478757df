"""haechi keeps a cloud-native system safe from commit to cluster.

Read the packages in the order in which a fact travels: ``world`` looks, ``scan``
understands, ``checks`` judge by ``rules``, ``graph`` joins, ``gate`` decides,
``report`` tells. ``docs/architecture.md`` is the one-page map.
"""

__version__ = "0.1.0"
