-- Groups of system calls by name: data to read, to copy from and to use as `seccomp = "@system-service"` or inside of
-- the lists `allow` and `deny`. Names and meanings are those of systemd 252 (systemd.exec(5), SystemCallFilter=), with
-- these differences:
--
--   * io_uring is in no group: what a ring does, no filter sees. A program that needs it has io_uring_setup,
--     io_uring_enter and io_uring_register in its list by name.
--   * @system-service has no keyrings and no userfaultfd: few services use them, and holes of the kernel were there.
--   * @sandbox is there, as in later releases.
--   * what is newer than that release stands with its like: file_getattr, getxattrat, open_tree_attr.
--   * an allow list that names a group does not let the program type into its terminal (`guards` below).
--
-- A call that this architecture or this release of libseccomp does not have is passed over.

local M <const> = {}

--- Conditions that come with the groups of an allow list, unless the list names the call itself: the request is
--- refused whatever a group says. Both push characters into the input of the terminal, for the shell that reads it
--- next.
M.guards = {
  { call = "ioctl", argument = 1, equals = 0x5412 }, -- TIOCSTI
  { call = "ioctl", argument = 1, equals = 0x541C }, -- TIOCLINUX
}

--- Calls that no group may hold.
M.never = { io_uring_enter = true, io_uring_register = true, io_uring_setup = true }

--- "@name" -> { doc =, calls = words, those with "@" are other groups }
M.groups = {}

M.groups["@default"] = {
  doc = "What every program needs, also when it does nothing: part of every allow list that names a group.",
  calls = [[
    arch_prctl brk cacheflush clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep
    clock_nanosleep_time64 execve exit exit_group futex futex_time64 futex_waitv get_robust_list get_thread_area
    getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getpgid getpgrp getpid getppid
    getrandom getresgid getresgid32 getresuid getresuid32 getrlimit getsid gettid gettimeofday getuid getuid32
    membarrier mmap mmap2 mprotect munmap nanosleep pause prlimit64 restart_syscall riscv_flush_icache riscv_hwprobe
    rseq rt_sigreturn sched_getaffinity sched_yield set_robust_list set_thread_area set_tid_address set_tls
    sigreturn time ugetrlimit uretprobe
  ]],
}

M.groups["@aio"] = {
  doc = "Asynchronous I/O of the old kind; io_uring is in no group (see above).",
  calls = [[
    io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit
  ]],
}

M.groups["@basic-io"] = {
  doc = "Reading, writing and seeking on descriptors that are open.",
  calls = [[
    _llseek close close_range dup dup2 dup3 lseek pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readv write
    writev
  ]],
}

M.groups["@chown"] = {
  doc = "Owners of files.",
  calls = [[
    chown chown32 fchown fchown32 fchownat lchown lchown32
  ]],
}

M.groups["@clock"] = {
  doc = "Setting the clocks.",
  calls = [[
    adjtimex clock_adjtime clock_adjtime64 clock_settime clock_settime64 settimeofday
  ]],
}

M.groups["@cpu-emulation"] = {
  doc = "Other modes of the CPU.",
  calls = [[
    modify_ldt subpage_prot switch_endian vm86 vm86old
  ]],
}

M.groups["@debug"] = {
  doc = "Tracing and measuring other processes and the kernel.",
  calls = [[
    lookup_dcookie perf_event_open pidfd_getfd ptrace rtas s390_runtime_instr sys_debug_setcontext
  ]],
}

M.groups["@file-system"] = {
  doc = "Opening, creating, removing, renaming, listing and asking about files.",
  calls = [[
    access chdir chmod close creat faccessat faccessat2 fallocate fchdir fchmod fchmodat fchmodat2 fcntl fcntl64
    fgetxattr file_getattr file_setattr flistxattr fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64
    ftruncate ftruncate64 futimesat getcwd getdents getdents64 getxattr getxattrat inotify_add_watch inotify_init
    inotify_init1 inotify_rm_watch lgetxattr link linkat listxattr listxattrat llistxattr lremovexattr lsetxattr
    lstat lstat64 mkdir mkdirat mknod mknodat newfstatat oldfstat oldlstat oldstat open openat openat2 readlink
    readlinkat removexattr removexattrat rename renameat renameat2 rmdir setxattr setxattrat stat stat64 statfs
    statfs64 statx symlink symlinkat truncate truncate64 unlink unlinkat utime utimensat utimensat_time64 utimes
  ]],
}

M.groups["@io-event"] = {
  doc = "Waiting for descriptors.",
  calls = [[
    _newselect epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old
    eventfd eventfd2 poll ppoll ppoll_time64 pselect6 pselect6_time64 select
  ]],
}

M.groups["@ipc"] = {
  doc = "Pipes, memory files, System V and POSIX queues, semaphores and shared memory.",
  calls = [[
    ipc memfd_create mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend
    mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd pipe pipe2 process_madvise process_vm_readv
    process_vm_writev semctl semget semop semtimedop semtimedop_time64 shmat shmctl shmdt shmget
  ]],
}

M.groups["@keyring"] = {
  doc = "The kernel's keyrings.",
  calls = [[
    add_key keyctl request_key
  ]],
}

M.groups["@memlock"] = {
  doc = "Locking memory.",
  calls = [[
    mlock mlock2 mlockall munlock munlockall
  ]],
}

M.groups["@module"] = {
  doc = "Kernel modules.",
  calls = [[
    delete_module finit_module init_module
  ]],
}

M.groups["@mount"] = {
  doc = "File systems and roots.",
  calls = [[
    chroot fsconfig fsmount fsopen fspick mount mount_setattr move_mount open_tree open_tree_attr pivot_root umount
    umount2
  ]],
}

M.groups["@network-io"] = {
  doc = "Sockets, those of Unix among them.",
  calls = [[
    accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg recvmmsg_time64
    recvmsg send sendmmsg sendmsg sendto setsockopt shutdown socket socketcall socketpair
  ]],
}

M.groups["@obsolete"] = {
  doc = "What no program of today calls, or no kernel answers.",
  calls = [[
    _sysctl afs_syscall bdflush break create_module ftime get_kernel_syms getpmsg gtty idle lock mpx prof profil
    putpmsg query_module security sgetmask ssetmask stime stty sysfs tuxcall ulimit uselib ustat vserver
  ]],
}

M.groups["@pkey"] = {
  doc = "Memory protection keys.",
  calls = [[
    pkey_alloc pkey_free pkey_mprotect
  ]],
}

M.groups["@privileged"] = {
  doc = "What needs a capability.",
  calls = [[
    @chown @clock @module @raw-io @reboot @swap _sysctl acct bpf capset chroot fanotify_init fanotify_mark
    nfsservctl open_by_handle_at pivot_root quotactl quotactl_fd setdomainname setfsuid setfsuid32 setgroups
    setgroups32 sethostname setresuid setresuid32 setreuid setreuid32 setuid setuid32 vhangup
  ]],
}

M.groups["@process"] = {
  doc = "Making processes, signalling and waiting for them, namespaces.",
  calls = [[
    capget clone clone3 execveat fork getrusage kill pidfd_open pidfd_send_signal prctl rt_sigqueueinfo
    rt_tgsigqueueinfo setns swapcontext tgkill times tkill unshare vfork wait4 waitid waitpid
  ]],
}

M.groups["@raw-io"] = {
  doc = "I/O ports and PCI.",
  calls = [[
    ioperm iopl pciconfig_iobase pciconfig_read pciconfig_write s390_pci_mmio_read s390_pci_mmio_write
  ]],
}

M.groups["@reboot"] = {
  doc = "Reboot and kexec.",
  calls = [[
    kexec_file_load kexec_load reboot
  ]],
}

M.groups["@resources"] = {
  doc = "Priorities, scheduling, limits, NUMA.",
  calls = [[
    ioprio_set mbind migrate_pages move_pages nice sched_setaffinity sched_setattr sched_setparam sched_setscheduler
    set_mempolicy set_mempolicy_home_node setpriority setrlimit
  ]],
}

M.groups["@sandbox"] = {
  doc = "What a program confines itself with.",
  calls = [[
    landlock_add_rule landlock_create_ruleset landlock_restrict_self seccomp
  ]],
}

M.groups["@setuid"] = {
  doc = "Changing users and groups.",
  calls = [[
    setgid setgid32 setgroups setgroups32 setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid
    setreuid32 setuid setuid32
  ]],
}

M.groups["@signal"] = {
  doc = "Its own signals.",
  calls = [[
    rt_sigaction rt_sigpending rt_sigprocmask rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 sigaction
    sigaltstack signal signalfd signalfd4 sigpending sigprocmask sigsuspend
  ]],
}

M.groups["@swap"] = {
  doc = "Swap space.",
  calls = [[
    swapoff swapon
  ]],
}

M.groups["@sync"] = {
  doc = "Writing files back to the disk.",
  calls = [[
    fdatasync fsync msync sync sync_file_range sync_file_range2 syncfs
  ]],
}

M.groups["@timer"] = {
  doc = "Timers.",
  calls = [[
    alarm getitimer setitimer timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime
    timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times
  ]],
}

M.groups["@system-service"] = {
  doc = "What an ordinary service needs: no clock, debugging, keyrings, modules, mounts, raw I/O, reboot, swap.",
  calls = [[
    @aio @basic-io @chown @default @file-system @io-event @ipc @memlock @network-io @process @resources @sandbox @setuid
    @signal @sync @timer arm_fadvise64_64 capget capset copy_file_range fadvise64 fadvise64_64 flock get_mempolicy
    getcpu getpriority ioctl ioprio_get kcmp madvise mremap name_to_handle_at oldolduname olduname personality
    readahead readdir remap_file_pages sched_get_priority_max sched_get_priority_min sched_getattr sched_getparam
    sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_yield sendfile sendfile64 setfsgid
    setfsgid32 setfsuid setfsuid32 setpgid setsid splice sysinfo tee umask uname vmsplice
  ]],
}

M.groups["@known"] = {
  doc = "Every call, of any architecture, but for io_uring.",
  calls = [[
    @default @aio @basic-io @chown @clock @cpu-emulation @debug @file-system @io-event @ipc @keyring @memlock
    @module @mount @network-io @obsolete @pkey @privileged @process @raw-io @reboot @resources @sandbox @setuid
    @signal @swap @sync @timer @system-service arc_gettls arc_settls arc_usr_cmpxchg atomic_barrier
    atomic_cmpxchg_32 cachectl cachestat dipc exec_with_loader execv futex_requeue futex_wait futex_wake
    getdomainname getdtablesize gethostname getpagesize getxgid getxpid getxuid kern_features listmount
    lsm_get_self_attr lsm_list_modules lsm_set_self_attr map_shadow_stack memfd_secret memory_ordering mincore mseal
    multiplexer old_adjtimex oldumount or1k_atomic osf_fstat osf_fstatfs osf_fstatfs64 osf_getdirentries
    osf_getdomainname osf_getitimer osf_getrusage osf_getsysinfo osf_gettimeofday osf_lstat osf_mount
    osf_proplist_syscall osf_select osf_set_program_attributes osf_setitimer osf_setsysinfo osf_settimeofday
    osf_shmat osf_sigprocmask osf_sigstack osf_stat osf_statfs osf_statfs64 osf_swapon osf_syscall osf_sysinfo
    osf_usleep_thread osf_utimes osf_utsname osf_wait4 perfctr process_mrelease s390_guarded_storage s390_sthyi
    sched_get_affinity sched_set_affinity sethae setpgrp spu_create spu_run statmount syscall syslog sysmips timerfd
    userfaultfd utrap_install
  ]],
}

local expanded <const> = {}

local function add(name, list, seen)
  for word in M.groups[name].calls:gmatch("%S+") do
    if M.groups[word] then
      add(word, list, seen)
    elseif not seen[word] then
      seen[word] = true
      list[#list + 1] = word
    end
  end
end

--- The calls of a group and of those inside of it, sorted, each once. The list is shared: leave it as it is.
---@param name string with its "@"
---@return string[]|nil
function M.expand(name)
  if not M.groups[name] then return nil end
  if not expanded[name] then
    local list <const> = {}
    add(name, list, {})
    table.sort(list)
    expanded[name] = list
  end
  return expanded[name]
end

--- The names of all groups, sorted.
---@return string[]
function M.names()
  local names <const> = {}
  for name in pairs(M.groups) do names[#names + 1] = name end
  table.sort(names)
  return names
end

return M
