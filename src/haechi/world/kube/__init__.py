"""Kubernetes: the one client of the project, and clusters as what rules and judges can read.

``config`` (a kubeconfig or the pod's own account) → ``Access``; ``client`` speaks to one API
server over ``wire``; ``mirror`` follows it; ``cluster`` is what others read, whether it comes
from a server, a folder or the past.
"""
