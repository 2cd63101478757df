"""Advisories kept in one SQLite file: imported from OSV exports, asked by scans and the server.

    from haechi.world.advisories.reading import Advisories, open_default
    from haechi.world.advisories.importing import import_from

A file is never changed in place: an import writes a new one beside it and renames it, so whoever
reads goes on with what it opened. What the reading side answers is in ``shapes``.
"""
