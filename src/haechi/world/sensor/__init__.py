"""The own sensor: what processes on this machine do, as events with Falco's field names.

Three ways in, best first: ``ebpf`` (programs loaded by ``bpf(2)`` through ctypes), ``audit``
(the kernel's audit stream), ``connector`` (process events only). Each yields ``Record``s;
``processes``, ``containers`` and ``users`` add what a single system call does not say.
"""
