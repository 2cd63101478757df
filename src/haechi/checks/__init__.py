"""Typed judges shared by several rooms, and the one evaluator that calls every judge."""
