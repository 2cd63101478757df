"""Credentials in the working tree and in everything that git keeps of it."""
