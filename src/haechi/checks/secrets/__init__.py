"""Credentials in text: how they look, which are real, which only look so. Pure, on bytes."""
