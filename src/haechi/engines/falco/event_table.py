"""Which events there are and what their arguments are called: facts of libs' event table.

One line an event: its name, ``fd`` when any version of it uses or makes a file descriptor, ``-``
when none does, ``meta`` when it is no system call, then the names of the arguments of all its
versions together. What stands in ``_GENERIC`` are system calls without a line of their own: they
are reported with their number only. Source: ``driver/event_table.c`` and
``driver/ppm_events_public.h`` of falcosecurity/libs (driver schema 4, July 2026).
"""

from __future__ import annotations

from functools import cache

import msgspec

_TABLE = """
accept fd fd tuple queuepct flags queuelen queuemax
accept4 fd flags fd tuple queuepct queuelen queuemax
access - mode res name
asyncevent meta plugin_id name data
bind fd fd res addr
bpf fd cmd res_or_fd fd
brk - size res addr vm_size vm_rss vm_swap
capset - res cap_inheritable cap_permitted cap_effective
chdir - res path
chmod - res filename mode
chown - res path uid gid
chroot - res path
clone - res exe args tid pid ptid cwd fdlimit flags uid gid pgft_maj pgft_min vm_size vm_rss
    vm_swap comm cgroups vtid vpid pidns_init_start_ts
clone3 - res exe args tid pid ptid cwd fdlimit pgft_maj pgft_min vm_size vm_rss vm_swap comm
    cgroups flags uid gid vtid vpid pidns_init_start_ts
close fd fd res
close_range - res first last flags
connect fd fd addr res tuple
container meta id type name image json
copy_file_range fd fdin offin len res fdout offout
cpu_hotplug meta cpu action
creat fd name mode fd dev ino creat_flags
delete_module - res name flags
drop meta ratio
dup fd fd res oldfd
dup2 fd fd res oldfd newfd
dup3 fd fd res oldfd newfd flags
epoll_create fd size res
epoll_create1 fd flags res
epoll_wait - maxevents res
eventfd fd initval flags res
eventfd2 fd initval res flags
execve - res exe args tid pid ptid cwd fdlimit pgft_maj pgft_min vm_size vm_rss vm_swap env comm
    cgroups tty filename vpgid loginuid flags cap_inheritable cap_permitted cap_effective
    exe_ino exe_ino_ctime exe_ino_mtime uid trusted_exepath pgid gid
execveat - dirfd pathname flags res exe args tid pid ptid cwd fdlimit pgft_maj pgft_min vm_size
    vm_rss vm_swap comm cgroups env tty vpgid loginuid cap_inheritable cap_permitted
    cap_effective exe_ino exe_ino_ctime exe_ino_mtime uid trusted_exepath pgid gid
fchdir fd fd res
fchmod fd res fd mode
fchmodat fd res dirfd filename mode
fchown fd res fd uid gid
fchownat fd res dirfd pathname uid gid flags
fcntl fd fd cmd res arg
finit_module fd res fd uargs flags
flock fd fd operation res
fork - res exe args tid pid ptid cwd fdlimit pgft_maj pgft_min vm_size vm_rss vm_swap flags uid
    gid comm cgroups vtid vpid pidns_init_start_ts
fsconfig fd res fd cmd key value_bytebuf value_charbuf aux
fstat fd fd res
fstat64 fd fd res
futex - addr op val res
getcwd - res path
getdents fd fd res
getdents64 fd fd res
getegid - egid
geteuid - euid
getgid - gid
getpeername -
getresgid - res rgid egid sgid
getresuid - res ruid euid suid
getrlimit - resource res cur max
getsockname -
getsockopt fd res fd level optname val optlen
getuid - uid
groupadded meta gid name container_id
groupdeleted meta gid name container_id
init_module - res img length uargs
inotify_init fd flags res
inotify_init1 fd res flags
io_uring_enter fd res fd to_submit min_complete flags sig
io_uring_register fd res fd opcode arg nr_args
io_uring_setup fd res entries sq_entries cq_entries flags sq_thread_cpu sq_thread_idle features
ioctl fd fd request res argument
keyctl - res operation arg2 arg3 arg4 arg5
kill - pid sig res
lchown - res path uid gid
link - oldpath newpath res
linkat - olddir oldpath newdir newpath res flags
listen fd fd backlog res
llseek fd fd offset whence res
lseek fd fd offset whence res
lstat - res path
lstat64 - res path
memfd_create fd fd name flags
mkdir - path mode res
mkdirat fd res dirfd path mode
mknod - res path mode dev
mknodat fd res dirfd path mode dev
mlock - res addr len
mlock2 - res addr len flags
mlockall - res flags
mmap fd addr length prot flags fd offset res vm_size vm_rss vm_swap
mmap2 fd addr length prot flags fd pgoffset res vm_size vm_rss vm_swap
mount - flags res dev dir type
mprotect - addr length prot res
munlock - res addr len
munlockall - res
munmap - addr length res vm_size vm_rss vm_swap
nanosleep - interval res
newfstatat fd res dirfd path flags
notification meta id desc
open fd name flags mode fd dev ino
open_by_handle_at fd fd mountfd flags path dev ino
openat fd dirfd name flags mode fd dev ino
openat2 fd dirfd name flags mode resolve fd dev ino
page_fault meta addr ip error
pidfd_getfd fd fd pid_fd target_fd flags
pidfd_open fd fd pid flags
pipe fd res fd1 fd2 ino
pipe2 fd res fd1 fd2 ino flags
pluginevent meta plugin_id event_data
poll - fds timeout res
ppoll - fds timeout sigmask res
prctl - res option arg2_str arg2_int
pread fd fd size pos res data
preadv fd fd pos res size data
prlimit - pid resource res newcur newmax oldcur oldmax
process_vm_readv - res pid data
process_vm_writev - res pid data
procexit meta status ret sig core reaper_tid
procinfo meta cpu_usr cpu_sys
ptrace - request pid res addr data
pwrite fd fd size pos res data
pwritev fd fd size pos res data
quotactl - cmd type id quota_fmt res special quotafilepath dqb_bhardlimit dqb_bsoftlimit
    dqb_curspace dqb_ihardlimit dqb_isoftlimit dqb_btime dqb_itime dqi_bgrace dqi_igrace
    dqi_flags quota_fmt_out
read fd fd size res data
readv fd fd res size data
recv fd fd size res data tuple
recvfrom fd fd size res data tuple
recvmmsg fd res fd size data tuple msgcontrol
recvmsg fd fd res size data tuple msgcontrol
rename - res oldpath newpath
renameat - res olddirfd oldpath newdirfd newpath
renameat2 - res olddirfd oldpath newdirfd newpath flags
rmdir - path res
seccomp - op flags res
select - res
semctl - semid semnum cmd val res
semget - key nsems semflg res
semop - semid res nsops sem_num_0 sem_op_0 sem_flg_0 sem_num_1 sem_op_1 sem_flg_1
send fd fd size res data tuple
sendfile fd out_fd in_fd offset size res
sendmmsg fd res fd size data tuple
sendmsg fd fd size tuple res data
sendto fd fd size tuple res data
setgid - gid res
setns fd fd nstype res
setpgid - pid pgid res
setregid - res rgid egid
setresgid - rgid egid sgid res
setresuid - ruid euid suid res
setreuid - res ruid euid
setrlimit - resource res cur max
setsid - res
setsockopt fd res fd level optname val optlen
setuid - uid res
shutdown fd fd how res
signaldeliver meta spid dpid sig
signalfd fd fd mask flags res
signalfd4 fd fd mask res flags
socket fd domain type proto fd flags
socketpair fd domain type proto res fd1 fd2 source peer
splice fd fd_in fd_out size flags res
stat - res path
stat64 - res path
switch meta next pgft_maj pgft_min vm_size vm_rss vm_swap
symlink - res target linkpath
symlinkat fd res target linkdirfd linkpath
syscall - ID nativeID
tgkill - pid tid sig res
timerfd_create fd clockid flags res
tkill - tid sig res
umount - flags res name
umount2 - flags res name
unlink - path res
unlinkat fd dirfd name res flags
unshare - flags res
useradded meta uid gid name home shell container_id
userdeleted meta uid gid name home shell container_id
userfaultfd fd res flags
vfork - res exe args tid pid ptid cwd fdlimit pgft_maj pgft_min vm_size vm_rss vm_swap flags uid
    gid comm cgroups vtid vpid pidns_init_start_ts
write fd fd size res data
writev fd fd size res data
"""
_GENERIC = """
_llseek _newselect _sysctl acct add_key adjtimex alarm arch_prctl bdflush cachestat capget
clock_adjtime clock_getres clock_gettime clock_nanosleep clock_settime create_module epoll_ctl
epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait_old exit exit_group faccessat faccessat2
fadvise64 fallocate fanotify_init fanotify_mark fchmodat2 fcntl64 fdatasync fgetxattr
file_getattr file_setattr flistxattr fremovexattr fsetxattr fsmount fsopen fspick fstatat64
fstatfs fstatfs64 fsync ftruncate futex_requeue futex_wait futex_waitv futex_wake futimesat
get_kernel_syms get_mempolicy get_robust_list get_thread_area getcpu getegid32 geteuid32
getgid32 getgroups getitimer getpgid getpgrp getpid getpmsg getppid getpriority getrandom
getresgid32 getresuid32 getrusage getsid gettid gettimeofday getuid32 getxattr getxattrat idle
inotify_add_watch inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents io_setup
io_submit ioperm iopl ioprio_get ioprio_set ipc kcmp kexec_file_load kexec_load
landlock_add_rule landlock_create_ruleset landlock_restrict_self lgetxattr listmount listns
listxattr listxattrat llistxattr lookup_dcookie lremovexattr lsetxattr lsm_get_self_attr
lsm_list_modules lsm_set_self_attr madvise map_shadow_stack mbind membarrier memfd_secret
migrate_pages mincore modify_ldt mount_setattr move_mount move_pages mq_getsetattr mq_notify
mq_open mq_timedreceive mq_timedsend mq_unlink mremap mseal msgctl msgget msgrcv msgsnd msync
multiplexer na_1 name name_to_handle_at nfsservctl nice oldfstat oldlstat oldolduname oldstat
olduname open_tree open_tree_attr page_fault_kernel page_fault_user pause pciconfig_iobase
pciconfig_read pciconfig_write perf_event_open personality pidfd_send_signal pivot_root
pkey_alloc pkey_free pkey_mprotect pread64 preadv2 prlimit64 process_madvise process_mrelease
pselect6 pwrite64 pwritev2 query_module quotactl_fd readahead readdir readlink readlinkat reboot
remap_file_pages removexattr removexattrat request_key restart_syscall riscv_flush_icache
riscv_hwprobe rseq rseq_slice_yield rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo
rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo rtas s390_guarded_storage
s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr s390_sthyi sched_get_priority_max
sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler
sched_process_exit sched_rr_get_interval sched_setaffinity sched_setattr sched_setparam
sched_setscheduler sched_switch sched_yield semtimedop sendfile64 set_mempolicy
set_mempolicy_home_node set_robust_list set_thread_area set_tid_address setdomainname setfsgid
setfsuid setgid32 setgroups sethostname setitimer setpriority setresgid32 setresuid32
settimeofday setuid32 setxattr setxattrat sgetmask shmat shmctl shmdt shmget sigaction
sigaltstack signal signal_deliver sigpending sigprocmask sigreturn sigsuspend socketcall
spu_create spu_run ssetmask statfs statfs64 statmount statx stime subpage_prot swapcontext
swapoff swapon switch_endian sync sync_file_range sync_file_range2 syncfs sys_debug_setcontext
sysfs sysinfo syslog tee time timer_create timer_delete timer_getoverrun timer_gettime
timer_settime timerfd timerfd_gettime timerfd_settime times truncate ugetrlimit umask uname
unknown uprobe uretprobe uselib ustat utime utimensat utimes vhangup vm86 vmsplice wait4 waitid
waitpid
"""


class EventKind(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an event: whether a descriptor takes part, its arguments' names."""

    name: str
    descriptor: bool
    syscall: bool
    params: frozenset[str]


@cache
def event_kinds() -> dict[str, EventKind]:
    """Every event by its name, as ``evt.type`` says it."""
    kinds: dict[str, EventKind] = {}
    for line in _TABLE.replace("\n    ", " ").strip().splitlines():
        name, mark, *params = line.split()
        kinds[name] = EventKind(
            name=name,
            descriptor=mark == "fd",
            syscall=mark != "meta",
            params=frozenset(param.lower() for param in params),
        )
    for name in _GENERIC.split():
        params_ = frozenset({"id", "nativeid"})
        kinds[name] = EventKind(name=name, descriptor=False, syscall=True, params=params_)
    return kinds
