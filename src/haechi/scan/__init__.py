"""Before the door: understand what lies in a repository and judge it."""
