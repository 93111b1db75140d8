-- sandbox = "worker": for a program that fetches work from others: it may connect, but not listen; else as "strict",
-- but for the sockets of the host's services in /run.
return {
  no_new_privs = true,
  drop_root = true, -- files that only root may read, such as /etc/shadow, are for nobody in here
  no_setuid_files = true, -- with which others would be whom it runs as
  caps = {},
  namespaces = { "cgroup", "ipc", "mount", "pid", "user", "uts" },
  landlock = { net = { bind = {} }, scope = { "abstract_unix_socket", "signal" } },
  seccomp = require "ward.profile.part.service_calls",
  readonly = true,
  tmpfs = { "/tmp", "/var/tmp" },
  proc = true,
  dev = "minimal",
}
