"""The objects of a git repository: everything it keeps, read fast and without trusting it.

``repository`` opens, ``scope`` says what is asked for, ``listing`` which blobs that means,
``reader`` gives contents, ``walk`` and ``attribution`` say where something came from. All of it
goes through ``command``, which knows how to run git on a repository that means harm.
"""
