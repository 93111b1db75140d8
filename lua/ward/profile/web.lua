-- sandbox = "web": for a network service: it may listen and connect; no privilege, and no file of its own but in /tmp.
-- A port below 1024 needs caps = { "net_bind_service" }, and namespaces without "user", where that would not count.
return {
  no_new_privs = true,
  drop_root = true, -- files that only root may read, such as /etc/shadow, are for nobody in here
  caps = {},
  namespaces = { "cgroup", "ipc", "mount", "pid", "user", "uts" },
  landlock = { scope = { "abstract_unix_socket", "signal" } },
  -- What an ordinary service calls, but for what reaches other processes, namespaces and files by number.
  seccomp = { allow = { "@system-service" }, deny = {
    "name_to_handle_at", "process_vm_readv", "process_vm_writev", "setns", "unshare",
    { "socket", args = { { 0, ">", 16 } } }, -- behind AF_NETLINK: no network namespace holds all of those
  } },
  readonly = true,
  tmpfs = { "/tmp", "/var/tmp" },
  proc = true,
  dev = "minimal",
}
