"""The fields, as data: facts of the tables in libs, its plugins, and our own sources.

One line a type (libs' ``PT_`` names), then the fields of that type. Behind a name: ``[i]``,
``[k]`` or ``[ik]`` what its argument is (an index, a key), ``.`` for an argument written behind a
dot, ``!`` when it must have one and ``?`` when it may; ``*`` a list of values; behind ``/``
letters: ``f`` made for conditions only, ``p`` for outputs only, ``r`` not compared with another
field, ``t`` not transformed, ``d`` deprecated, ``h`` not listed.

Sources: ``userspace/libsinsp/sinsp_filtercheck_*.cpp`` and ``driver/event_table.c`` of
falcosecurity/libs; ``plugins/{container,k8smeta,k8saudit,json}`` of falcosecurity/plugins (July
2026).
"""

GENERIC = """
abstime: evt.rawtime evt.rawtime.s evt.rawtime.ns
bool: evt.is_async
charbuf: evt.time evt.time.s evt.time.iso8601 evt.datetime evt.datetime.s evt.pluginname
    evt.plugininfo evt.source evt.asynctype evt.hostname
reltime: evt.reltime evt.reltime.s evt.reltime.ns
uint64: evt.num util.cnt
"""

SYSCALL = """
bool: evt.failed evt.is_io evt.is_io_read evt.is_io_write evt.is_wait evt.is_syslog
    evt.is_open_read evt.is_open_write evt.is_open_exec evt.is_open_create
bytebuf: evt.buffer
charbuf: evt.latency.human/d evt.outputtime/p evt.dir/d evt.type syscall.type evt.category
    evt.args evt.arg[i]! evt.info evt.res evt.io_dir evt.abspath evt.abspath.src evt.abspath.dst
    evt.infra.docker.name/h evt.infra.docker.container.id/h evt.infra.docker.container.name/h
    evt.infra.docker.container.image/h
dyn: evt.rawarg.!/rt
int16: evt.cpu
int64: evt.rawres
reltime: evt.latency/d evt.latency.s/d evt.latency.ns/d evt.deltatime evt.deltatime.s
    evt.deltatime.ns evt.wait_latency/d
uint32: evt.type.is.! evt.count evt.count.error evt.count.error.file evt.count.error.net
    evt.count.error.memory evt.count.error.other evt.count.exit evt.count.procinfo/h
    evt.count.threadinfo/h
uint64: evt.latency.quantized/dh evt.buflen evt.around[i]!/frt evt.buflen.in/h evt.buflen.out/h
    evt.buflen.file/h evt.buflen.file.in/h evt.buflen.file.out/h evt.buflen.net/h
    evt.buflen.net.in/h evt.buflen.net.out/h
abstime: proc.exe_ino.ctime proc.exe_ino.mtime proc.exe_ino.ctime_duration_proc_start
    proc.exe_ino.ctime_duration_pidns_start
bool: proc.is_exe_writable proc.is_exe_upper_layer proc.is_exe_lower_layer
    proc.is_exe_from_memfd proc.is_sid_leader proc.is_vpgid_leader proc.is_pgid_leader
    thread.ismain
charbuf: proc.exe proc.pexe proc.aexe[i]?/rt proc.exepath proc.pexepath proc.aexepath[i]?/rt
    proc.name proc.pname proc.aname[i]?/rt proc.args[i]? proc.aargs[i]? proc.cmdline
    proc.pcmdline proc.acmdline[i]?/rt proc.exeline proc.env[ik]? proc.aenv[ik]?/rt proc.cwd
    proc.sname proc.sid.exe proc.sid.exepath proc.vpgid.name proc.vpgid.exe proc.vpgid.exepath
    proc.pgid.name proc.pgid.exe proc.pgid.exepath thread.cap_permitted thread.cap_inheritable
    thread.cap_effective thread.nametid/h thread.cgroups thread.cgroup.! proc.stdin.type
    proc.stdout.type proc.stderr.type proc.stdin.name proc.stdout.name proc.stderr.name
double: proc.fdusage thread.cpu thread.cpu.user thread.cpu.system
int64: proc.loginshellid proc.pid proc.ppid proc.apid[i]?/rt proc.vpid proc.pvpid proc.sid
    proc.vpgid proc.pgid proc.exe_ino proc.fdlimit thread.tid thread.vtid
reltime: proc.duration proc.ppid.duration proc.pid.ts proc.ppid.ts thread.exectime
    thread.totexectime
uint32: proc.tty
uint64: proc.cmdnargs proc.cmdlenargs proc.pidns_init_start_ts proc.fdopencount proc.vmsize
    proc.vmrss proc.vmswap thread.pfmajor thread.pfminor proc.nthreads proc.nchilds
    thread.vmsize thread.vmrss thread.vmsize.b/h thread.vmrss.b/h
charbuf: user.name user.homedir user.shell user.loginname group.name
int64: user.loginuid
uint32: user.uid group.gid
bool: fd.is_server fd.connected fd.name_changed fd.is_upper_layer fd.is_lower_layer
charbuf: fd.type fd.typechar fd.name fd.directory fd.filename fd.l4proto fd.sockfamily fd.uid
    fd.containername fd.containerdirectory fd.cproto fd.sproto fd.lproto fd.rproto
    fd.cip.name/rt fd.sip.name/rt fd.lip.name/rt fd.rip.name/rt fd.nameraw fd.types[i]?*/r
int32: fd.dev fd.dev.major fd.dev.minor
int64: fd.num fd.ino
ipaddr: fd.ip/frt fd.cip fd.sip fd.lip fd.rip
ipnet: fd.net/frt fd.cnet/frt fd.snet/frt fd.lnet/frt fd.rnet/frt
port: fd.port/frt fd.cport fd.sport fd.lport fd.rport fd.proto/frt
charbuf: fs.path.name fs.path.nameraw fs.path.source fs.path.sourceraw fs.path.target
    fs.path.targetraw fdlist.nums fdlist.names fdlist.cips fdlist.sips fdlist.cports
    fdlist.sports
"""

CONTAINER = """
abstime: container.start_ts
bool: container.privileged container.host_pid container.host_network container.host_ipc
    proc.is_container_healthcheck/d proc.is_container_liveness_probe/d
    proc.is_container_readiness_probe/d
charbuf: container.id container.full_id container.name container.image container.image.id
    container.type container.mounts container.mount[ik]! container.mount.source[ik]!
    container.mount.dest[ik]! container.mount.mode[ik]! container.mount.rdwr[ik]!
    container.mount.propagation[ik]! container.image.repository container.image.tag
    container.image.digest container.healthcheck/d container.liveness_probe/d
    container.readiness_probe/d container.ip container.cni.json container.label[k]!
    container.labels k8s.pod.name k8s.ns.name k8s.pod.id k8s.pod.uid k8s.pod.sandbox_id
    k8s.pod.full_sandbox_id k8s.pod.label[k]! k8s.pod.labels k8s.pod.ip k8s.pod.cni.json
    k8s.rc.name/d k8s.rc.id/d k8s.rc.label[k]!/d k8s.rc.labels/d k8s.svc.name/d k8s.svc.id/d
    k8s.svc.label[k]!/d k8s.svc.labels/d k8s.ns.id/d k8s.ns.label[k]!/d k8s.ns.labels/d
    k8s.rs.name/d k8s.rs.id/d k8s.rs.label[k]!/d k8s.rs.labels/d k8s.deployment.name/d
    k8s.deployment.id/d k8s.deployment.label[k]!/d k8s.deployment.labels/d
reltime: container.duration
charbuf: k8smeta.pod.name k8smeta.pod.uid k8smeta.pod.label[k]! k8smeta.pod.labels*
    k8smeta.pod.ip k8smeta.ns.name k8smeta.ns.uid k8smeta.ns.label[k]! k8smeta.ns.labels*
    k8smeta.deployment.name k8smeta.deployment.uid k8smeta.deployment.label[k]!
    k8smeta.deployment.labels* k8smeta.svc.name* k8smeta.svc.uid* k8smeta.svc.label[k]!*
    k8smeta.svc.labels* k8smeta.rs.name k8smeta.rs.uid k8smeta.rs.label[k]! k8smeta.rs.labels*
    k8smeta.rc.name k8smeta.rc.uid k8smeta.rc.label[k]! k8smeta.rc.labels*
"""

AUDIT = """
charbuf: ka.auditid ka.stage ka.auth.decision ka.auth.reason ka.auth.openshift.decision
    ka.validations.admission.policy.failure ka.security.pod.violations
    ka.auth.openshift.username ka.user.name ka.user.groups* ka.impuser.name ka.verb ka.uri
    ka.uri.param[k]! ka.target.name ka.target.namespace ka.target.resource ka.target.subresource
    ka.target.pod.name ka.req.binding.subjects* ka.req.binding.subjects.user_names*
    ka.req.binding.subjects.serviceaccount_names*
    ka.req.binding.subjects.serviceaccount_ns_names* ka.req.binding.subjects.group_names*
    ka.req.binding.role ka.req.binding.subject.has_name[k]!/d ka.req.configmap.name
    ka.req.configmap.obj ka.req.pod.containers.args[i]?* ka.req.pod.containers.command[i]?*
    ka.req.pod.containers.name[i]?* ka.req.pod.containers.image[i]?* ka.req.container.image/d
    ka.req.pod.containers.image.repository[i]?* ka.req.container.image.repository/d
    ka.req.pod.host_ipc ka.req.pod.host_network ka.req.container.host_network/d
    ka.req.pod.host_pid ka.req.pod.containers.host_port[i]?*
    ka.req.pod.containers.privileged[i]?* ka.req.container.privileged/d
    ka.req.pod.containers.allow_privilege_escalation[i]?*
    ka.req.pod.containers.read_only_fs[i]?* ka.req.pod.run_as_user
    ka.req.pod.containers.run_as_user[i]?* ka.req.pod.containers.eff_run_as_user[i]?*
    ka.req.pod.run_as_group ka.req.pod.containers.run_as_group[i]?*
    ka.req.pod.containers.eff_run_as_group[i]?* ka.req.pod.containers.proc_mount[i]?*
    ka.req.role.rules* ka.req.role.rules.apiGroups[i]?* ka.req.role.rules.nonResourceURLs[i]?*
    ka.req.role.rules.verbs[i]?* ka.req.role.rules.resources[i]?* ka.req.pod.fs_group
    ka.req.pod.supplemental_groups* ka.req.pod.containers.add_capabilities[i]?*
    ka.req.service.type ka.req.service.ports[i]?* ka.req.pod.volumes.hostpath[i]?*
    ka.req.volume.hostpath[k]!/d ka.req.pod.volumes.flexvolume_driver[i]?*
    ka.req.pod.volumes.volume_type[i]?* ka.resp.name ka.response.code ka.response.reason
    ka.useragent ka.sourceips[i]?* ka.cluster.name
charbuf: ka.req.pod.initContainers.name[i]?* ka.req.pod.initContainers.image[i]?*
    ka.req.pod.initContainers.image.repository[i]?* ka.req.pod.initContainers.command[i]?*
    ka.req.pod.initContainers.args[i]?* ka.req.pod.initContainers.privileged[i]?*
    ka.req.pod.initContainers.allow_privilege_escalation[i]?*
    ka.req.pod.initContainers.read_only_fs[i]?* ka.req.pod.initContainers.run_as_user[i]?*
    ka.req.pod.initContainers.eff_run_as_user[i]?* ka.req.pod.initContainers.run_as_group[i]?*
    ka.req.pod.initContainers.eff_run_as_group[i]?* ka.req.pod.initContainers.proc_mount[i]?*
    ka.req.pod.initContainers.add_capabilities[i]?* ka.req.pod.initContainers.host_port[i]?*
    ka.req.pod.ephemeralContainers.name[i]?* ka.req.pod.ephemeralContainers.image[i]?*
    ka.req.pod.ephemeralContainers.image.repository[i]?*
    ka.req.pod.ephemeralContainers.command[i]?* ka.req.pod.ephemeralContainers.args[i]?*
    ka.req.pod.ephemeralContainers.privileged[i]?*
    ka.req.pod.ephemeralContainers.allow_privilege_escalation[i]?*
    ka.req.pod.ephemeralContainers.read_only_fs[i]?*
    ka.req.pod.ephemeralContainers.run_as_user[i]?*
    ka.req.pod.ephemeralContainers.eff_run_as_user[i]?*
    ka.req.pod.ephemeralContainers.run_as_group[i]?*
    ka.req.pod.ephemeralContainers.eff_run_as_group[i]?*
    ka.req.pod.ephemeralContainers.proc_mount[i]?*
    ka.req.pod.ephemeralContainers.add_capabilities[i]?*
charbuf: json.value[k]! json.obj json.rawtime jevt.value[k]! jevt.obj jevt.rawtime
"""

FLOW = """
charbuf: fd.name fd.l4proto fd.type fd.typechar fd.sip.name/rt fd.cip.name/rt fd.lip.name/rt
    fd.rip.name/rt fd.sockfamily flow.verdict flow.direction flow.source.workload
    flow.source.namespace flow.destination.workload flow.destination.namespace flow.dns.query
    http.method http.path http.host http.user_agent
ipaddr: fd.ip/frt fd.cip fd.sip fd.lip fd.rip
ipnet: fd.net/frt fd.cnet/frt fd.snet/frt fd.lnet/frt fd.rnet/frt
port: fd.port/frt fd.cport fd.sport fd.lport fd.rport
int64: http.status
"""

APPLICATION = """
charbuf: app.event app.user app.outcome app.target app.message
ipaddr: app.ip
"""
"""What every mapping may set; ``app.<name>`` of its own is of any type."""

ARGUMENTS = """
abstime: exe_ino_ctime exe_ino_mtime start_time
bytebuf: args cgroups data env img msgcontrol value_bytebuf
charbuf: arg2_str comm container_id cwd desc description exe home image json quotafilepath scope
    shell special target uargs value_charbuf
charbufarray: argv tags
dyn: arg2 arg3 arg4 arg5 res_or_fd val
enumflags16: opcode
enumflags32: domain option
enumflags8: cmd how level optname resource whence
errno: maxevents res ret status
fd: dirfd fd fd1 fd2 fd_in fd_out fdin fdout in_fd linkdirfd mountfd newdir newdirfd newfd
    olddir olddirfd oldfd out_fd pid_fd target_fd
fdlist: fds
flags16: creat_flags op sem_flg_0 sem_flg_1
flags32: error features flags nstype operation prot resolve semflg
flags8: dqi_flags fd_type quota_fmt quota_fmt_out
fspath: dir exepath filename linkpath name newpath oldpath path root sun_path trusted_exepath
fsrelpath: pathname
gid: egid rgid sgid
int16: sem_op_0 sem_op_1
int32: aux backlog key nsems semid semnum tty
int64: arg2_int cur max newcur newmax oldcur oldmax timeout
ipv4addr: local_ip remote_ip
pid: dpid next pgid pid ptid reaper_tid spid tid vpgid vpid vtid
pid32: ppid sid vtgid
port: local_port remote_port
reltime: dqb_btime dqb_itime dqi_bgrace dqi_igrace interval
sigset: sigmask
sigtype: sig
sockaddr: addr
socktuple: tuple
syscallid: ID
uid: euid loginuid ruid suid
uint16: nativeID sem_num_0 sem_num_1 sk_proto sk_type
uint32: action cpu cq_entries dev entries event_type first gid id last mask min_complete mnt_id
    mode nr_args nsops optlen plugin_id proto queuelen queuemax ratio size sq_entries
    sq_thread_cpu sq_thread_idle to_submit type uid vm_rss vm_size vm_swap
uint64: arg argument cap_effective cap_inheritable cap_permitted cpu_sys cpu_usr dqb_bhardlimit
    dqb_bsoftlimit dqb_curspace dqb_ihardlimit dqb_isoftlimit event_data exe_ino exe_ino_num
    fdlimit initval ino ino_num ip len length offin offout offset peer pgft_maj pgft_min
    pgoffset pidns_init_start_ts pos request sk_pointer source
uint8: clockid core queuepct
"""
"""Arguments of events, for ``evt.arg.<name>`` and ``evt.rawarg.<name>``: type, then names."""
