"""Response: incident → plan of steps → checks → approval → apply → verify → undo; and alerts."""
