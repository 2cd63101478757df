"""Falco's rule language: parse, load, resolve, judge, render. No I/O.

Read in this order: ``syntax`` (the tree), ``parse`` (text to tree), ``fields`` (what a field is),
``ruleset`` (rules as loaded), ``load`` (files to rules), ``values`` (how two values compare),
``tree`` (the slow judge that is plainly right), ``generate`` (the fast one, equal to it),
``engine`` (all rules over one event), ``output`` (what a rule says), ``lint`` (rules that are
dead or always true).
"""
