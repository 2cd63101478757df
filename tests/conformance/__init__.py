"""Against what others made: public rule files. What is not on this machine is skipped."""
