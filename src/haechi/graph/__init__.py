"""The risk graph that joins what the rooms found."""
