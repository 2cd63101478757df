"""The programs that run in the kernel, assembled for the kernel they are loaded into.

``frame`` is what all share (the record's head, sending, reading user memory), ``walk`` turns a
dentry into a path, the others say what each system call sends; ``numbers`` are the calls'
numbers. No program decides anything but whether to send: judging is for user space.
"""
