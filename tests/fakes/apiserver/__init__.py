"""A fake Kubernetes API server for tests and benches; see README.md beside this file."""

from tests.fakes.apiserver.faults import Entry, Fault
from tests.fakes.apiserver.request import User
from tests.fakes.apiserver.server import ApiServer

__all__ = ["ApiServer", "Entry", "Fault", "User"]
