"""Dependencies: what lock files, manifests and installed environments say a project is made of.

``collect`` reads a tree, ``formats`` holds one reader for each kind of file.
"""
