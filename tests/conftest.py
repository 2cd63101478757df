"""Settings of all tests: no timed assertion, not even hypothesis' own; machines are shared. And no
advisories but those that a test imports: what is known against a package changes by the day."""

import os

from hypothesis import settings

os.environ.pop("HAECHI_DB", None)
os.environ["XDG_DATA_HOME"] = "/nonexistent"

settings.register_profile("haechi", deadline=None, print_blob=True)
settings.load_profile("haechi")
