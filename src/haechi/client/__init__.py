"""The server's API for programs, sync and async."""
