"""Receivers of alerts: one module for each product, all behind ``open.opened``.

A receiver is given a ``Message`` (``haechi.model.alert``) that is plain, masked and bounded
already; it puts it into its product's form, escapes it for that form, sends it, and says whether
trying again makes sense.
"""
