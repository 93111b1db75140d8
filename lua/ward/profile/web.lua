-- sandbox = "web": for a network service: it may listen and connect; no privilege, and no file of its own but in /tmp.
-- A port below 1024 needs caps = { "net_bind_service" }, and namespaces without "user", where that would not count.
return {
  no_new_privs = true,
  caps = {},
  namespaces = { "cgroup", "ipc", "mount", "pid", "user", "uts" },
  landlock = { scope = { "abstract_unix_socket", "signal" } },
  -- What reaches deep into the kernel, and is no business of a service.
  seccomp = { deny = {
    "acct", "add_key", "bpf", "clock_adjtime", "clock_settime", "delete_module", "fanotify_init", "finit_module",
    "init_module", "io_uring_enter", "io_uring_register", "io_uring_setup", "kexec_file_load", "kexec_load", "keyctl",
    "lookup_dcookie", "mount", "move_mount", "name_to_handle_at", "open_by_handle_at", "open_tree", "perf_event_open",
    "pivot_root", "process_vm_readv", "process_vm_writev", "ptrace", "quotactl", "reboot", "request_key", "setns",
    "settimeofday", "swapoff", "swapon", "syslog", "umount2", "unshare", "userfaultfd",
  } },
  readonly = true,
  tmpfs = { "/tmp", "/var/tmp" },
  proc = true,
  dev = "minimal",
}
