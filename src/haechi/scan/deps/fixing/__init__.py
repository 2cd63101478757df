"""Upgrades that clear vulnerabilities: which, how each is made, and the text that makes it.

``plan`` decides by values alone (the server proposes with it, too), ``choosing`` finds the version
to go to, ``ways`` what has to change for it. ``patches`` changes manifests and keeps their text;
lock files are left to the ecosystem's own tool (``locks``).
"""
