-- sandbox = "strict": for a program that computes: no privilege, no network, no file of its own but in /tmp.
return {
  no_new_privs = true,
  drop_root = true, -- files that only root may read, such as /etc/shadow, are for nobody in here
  caps = {},
  namespaces = { "cgroup", "ipc", "mount", "net", "pid", "user", "uts" },
  landlock = { scope = { "abstract_unix_socket", "signal" } },
  -- What an ordinary service calls, but for what reaches other processes, namespaces and files by number.
  seccomp = { allow = { "@system-service" }, deny = {
    "name_to_handle_at", "process_vm_readv", "process_vm_writev", "setns", "unshare",
    { "socket", args = { { 0, ">", 16 } } }, -- behind AF_NETLINK: no network namespace holds all of those
  } },
  readonly = true,                         -- the system, as the host has it, and
  tmpfs = { "/run", "/tmp", "/var/tmp" },  -- empty, gone with the program: no socket of the host's services
  proc = true,
  dev = "minimal",
}
