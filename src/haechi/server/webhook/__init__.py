"""The admission webhook: a front that answers in time, and children that judge and may be killed.

``front`` takes requests over TLS and never runs a policy: it hands the raw review to one of the
evaluators (``evaluator``, forked by a ``nursery`` that has loaded the policies once) and waits no
longer than the API server will. ``pool`` is the front's side of that: a bounded queue, deadlines,
who is to blame when a child has to be killed, and the swap to a new set of policies. What could
not be judged is answered by group (``answers``): policies that fail closed refuse, the others let
through with a warning; every such answer is counted by its reason (``figures``).

``sources`` bring policies (files, git, a cluster) and what is known of the cluster,
``certificates`` keep the served chain and the API server's trust in step, ``manifest`` writes what
registers all this, ``telling`` reports decisions to a haechi server, ``serve`` puts it together.
"""
