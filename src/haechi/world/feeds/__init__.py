"""Feeds that are read here: files that grow and are rotated, and standard input.

What is read is handed over as ``Batch``: whole lines, and the place to go on from. Whoever takes
a batch makes its events durable first and keeps the place after it, so nothing is lost by a crash
at any moment; what is read twice then has the ids of what is stored, and counts once.

Read in this order: ``lines`` (the shapes), ``rotation`` (which file comes next), ``follow``,
``stream``. What became of the records is counted by the store, which keeps the refused ones, too.
"""
