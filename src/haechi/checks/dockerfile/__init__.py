"""Judges of Dockerfiles. All of them read the view of ``view.py``, which knows the stages."""
