"""The rule catalogue: load, check, compile, index. A rule is one entry in one file of data/."""
