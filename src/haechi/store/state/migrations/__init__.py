"""Steps from one schema to the next. A step that was released is never changed."""

ORDER = (
    "0001_first",
    "0002_lists_of_many",
    "0003_first_screen",
    "0004_runtime",
    "0005_lost",
)
"""Names of the modules, oldest first; the number is the revision."""
