"""What sources send, made into events: one module for each feed, all of them pure.

``runtime.sources.decoder`` finds the module of a kind. Its ``read(record, cluster=…)`` takes the
bytes of a line or of a request (one JSON document, an array, or one a line) or an object that is
decoded already. It never raises for what a record says: what is no event of that feed is a
``Refusal``, whatever else came becomes an event that the store accepts, its texts cut
(``haechi.cut`` names what) and its time put right (``haechi.clock`` keeps what was claimed) where
that is needed.

Read in this order: ``refusal`` (what is given back), ``documents`` (bytes to objects), ``bounds``
and ``times`` (what is made to fit), ``building`` (where every event is made), then any feed.
"""
