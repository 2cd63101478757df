"""The signed audit log: append-only segments, a Merkle tree over them, heads signed and chained.

``log.py`` writes, ``verify.py`` checks with its own reading of the files, given an anchor from
outside. The formats are told in docs/guide/audit-log.md, so that somebody else can check, too.
"""
