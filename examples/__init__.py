"""The sample shop, its history, and the run that shows haechi at work on it."""
