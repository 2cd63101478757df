"""What other projects keep as samples of their detectors, read from their repositories.

Nothing of it is kept in this repository: each reader takes a bare clone of a public project and
yields ``Sample``s; ``bench.samples`` writes them below ``~/.cache/haechi-bench/samples``.
"""
