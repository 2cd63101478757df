"""Telling people: which news go where, in which words, and that they arrive.

``intake`` turns changes of incidents and actions into rows of the outbox (``store.state.alerts``)
by ``routing``; ``delivery`` sends what is due, one receiver apart from the other; ``tickets``
keeps ours and theirs in step. ``alerting.SecurityAlertManager`` is the whole.
"""
