"""Events: durable in SQLite while they are hot, then hourly Parquet files read by DuckDB.

Read in the order of an event's way: ``encoding`` (bytes of a request → checked rows),
``writer`` (group commit), ``schema`` and ``names`` (how rows lie in ``hot.db``), ``payloads``
(compression), ``tallies`` (counts kept at ingest), ``sealing`` and ``cold`` (Parquet),
``reading`` (pages and searches over both), ``retention``; ``events`` is the door.
"""
