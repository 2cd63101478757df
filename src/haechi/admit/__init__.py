"""At the door: one policy engine for files, admission requests, the background audit and what-if.

``load`` reads policies of any format into a ``PolicySet``; ``reviews`` makes the ``Review`` of a
file's object, of a request, of a live object; ``PolicySet.review`` is the one function that
judges; ``decide`` makes the decision. Families of policies live in modules and folders of their
own: ``pod_security``, ``images``, ``catalogue`` (haechi's rules), ``gatekeeper/``, ``vap/``.
"""
