"""Steps from one schema to the next. A step that was released is never changed."""

ORDER = (
    "0001_first",
    "0002_lists_of_many",
    "0003_first_screen",
    "0004_runtime",
    "0005_lost",
    "0006_incidents",
    "0007_actions",
    "0008_profiles",
    "0009_alerts",
    "0010_objects",
    "0011_admission",
    "0012_dependencies",
)
"""Names of the modules, oldest first; the number is the revision."""
