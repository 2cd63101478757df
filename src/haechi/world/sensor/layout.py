"""What the arguments of each record are called: agreed between the ways in and ``build``.

Absent keys mean that the way in could not see it. Where a name is relative, ``base`` (``oldbase``,
``newbase``, ``linkbase``) is the directory that it starts from. ``path_cut`` is set when a path
was too deep or too long to be told whole; it then begins with ``…/`` instead of a slash. Calls
that do the same come as the better known one: a successful ``execveat`` as ``execve``,
``fchmodat2`` as ``fchmodat``, ``open_by_handle_at`` (without a name) as ``openat``, ``move_mount``
as ``mount``. ``io_uring`` is set when it was asked of io_uring: then the result is not known and
``ret`` is 0.
"""

ARGS: dict[str, tuple[str, ...]] = {
    # a new program: exe as asked for, path as the kernel resolved it, argv, selected environment
    "execve": (
        *("filename", "path", "argv", "env", "argv_cut", "upper_layer", "memfd", "tty", "cwd"),
        *("ino", "dev", "cap_effective", "cap_permitted", "cap_inheritable", "env_cut"),
        *("pgid", "sid", "lower_layer"),
        # of a failed one only the name: dirfd, base
        *("dirfd", "base"),
    ),
    "execveat": ("filename", "dirfd", "base"),
    "clone": ("child_pid", "child_tid", "child_vpid", "flags"),
    "procexit": ("status",),
    # name as asked for; path resolved (absolute, as the process sees it) when known; ret is the fd
    "open": ("name", "path", "base", "flags", "mode", "dirfd", "ino", "dev", "created"),
    "openat": ("name", "path", "base", "flags", "mode", "dirfd", "ino", "dev", "created"),
    "openat2": ("name", "path", "base", "flags", "mode", "dirfd", "ino", "dev", "created"),
    "creat": ("name", "path", "base", "mode", "ino", "dev", "created"),
    "rename": ("oldpath", "oldbase", "newpath", "newbase"),
    "renameat": ("olddirfd", "oldpath", "oldbase", "newdirfd", "newpath", "newbase"),
    "renameat2": ("olddirfd", "oldpath", "oldbase", "newdirfd", "newpath", "newbase", "flags"),
    "unlink": ("path", "base"),
    "unlinkat": ("dirfd", "path", "base", "flags"),
    "rmdir": ("path", "base"),
    "mkdir": ("path", "base", "mode"),
    "mkdirat": ("dirfd", "path", "base", "mode"),
    "chmod": ("path", "base", "mode"),
    "fchmod": ("fd", "mode", "path"),
    "fchmodat": ("dirfd", "path", "base", "mode", "flags"),
    "link": ("oldpath", "oldbase", "newpath", "newbase"),
    "linkat": ("olddirfd", "oldpath", "oldbase", "newdirfd", "newpath", "newbase", "flags"),
    "symlink": ("target", "linkpath", "linkbase"),
    "symlinkat": ("target", "linkdirfd", "linkpath", "linkbase"),
    # addresses are texts; family is AF_INET, AF_INET6 or AF_UNIX; proto tcp, udp, icmp, raw or ""
    "connect": ("fd", "family", "proto", "sip", "sport", "cip", "cport", "path"),
    "accept": ("family", "proto", "sip", "sport", "cip", "cport", "path"),
    "accept4": ("family", "proto", "sip", "sport", "cip", "cport", "path"),
    "listen": ("fd", "family", "proto", "sip", "sport", "backlog"),
    "bind": ("fd", "family", "proto", "sip", "sport", "path"),
    "sendto": ("fd", "family", "proto", "sip", "sport", "cip", "cport", "size"),
    "sendmsg": ("fd", "family", "proto", "sip", "sport", "cip", "cport"),
    "socket": ("domain", "type", "proto"),
    # oldfd's kind and addresses, when it is a socket
    "dup": ("oldfd", "family", "proto", "sip", "sport", "cip", "cport"),
    "dup2": ("oldfd", "newfd", "family", "proto", "sip", "sport", "cip", "cport"),
    "dup3": ("oldfd", "newfd", "flags", "family", "proto", "sip", "sport", "cip", "cport"),
    "ptrace": ("request", "pid"),
    "setns": ("fd", "nstype"),
    "unshare": ("flags",),
    "setuid": ("uid",),
    "setgid": ("gid",),
    "setresuid": ("ruid", "euid", "suid"),
    "init_module": ("params",),
    "finit_module": ("fd", "params", "flags", "path"),
    "bpf": ("cmd",),
    "userfaultfd": ("flags",),
    "memfd_create": ("name", "flags"),
    "mount": ("source", "sourcebase", "target", "base", "fstype", "flags"),
    "umount2": ("target", "base", "flags"),
    "chdir": ("path", "base"),
    "fchdir": ("fd", "path"),
    "chroot": ("path", "base"),
    "kill": ("pid", "signal"),
    "io_uring_setup": ("entries",),
}
