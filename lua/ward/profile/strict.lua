-- sandbox = "strict": for a program that computes: no privilege, no network, no file of its own but in /tmp.
return {
  no_new_privs = true,
  drop_root = true, -- files that only root may read, such as /etc/shadow, are for nobody in here
  no_setuid_files = true, -- with which others would be whom it runs as
  caps = {},
  namespaces = { "cgroup", "ipc", "mount", "net", "pid", "user", "uts" },
  landlock = { scope = { "abstract_unix_socket", "signal" } },
  seccomp = require "ward.profile.part.service_calls",
  readonly = true,                         -- the system, as the host has it, and
  tmpfs = { "/run", "/tmp", "/var/tmp" },  -- empty, gone with the program: no socket of the host's services
  proc = true,
  dev = "minimal",
}
