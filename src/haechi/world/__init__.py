"""Everything that touches the outside, one client per module."""
