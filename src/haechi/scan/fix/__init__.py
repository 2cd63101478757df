"""Mechanical corrections: small changes of a file's text, shown as a diff, proven by judging again.

A fix is a list of changes of values (``changes``). The same changes are applied twice, to the
plain data and to the text (``edits``, ``docker_text``); the fix stands only if the new text reads
back as the new data, the finding is gone and no other appeared (``proof``).
"""
