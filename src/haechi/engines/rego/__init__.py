"""Rego, the language of Open Policy Agent, read and run without a foreign engine.

``parser`` gives the tree of ``tree`` (dialects v0 and v1), ``writer`` writes any tree as Rego v1,
``program`` compiles modules to Python functions and evaluates rules. ``values`` says how Rego's
values are held, ``builtins`` has its functions. OPA itself is the oracle of the tests.
"""
