"""Settings of all tests: no timed assertion, not even hypothesis' own; machines are shared."""

from hypothesis import settings

settings.register_profile("haechi", deadline=None, print_blob=True)
settings.load_profile("haechi")
