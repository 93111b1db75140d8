-- sandbox = "web": for a network service: it may listen and connect; no privilege, and no file of its own but in /tmp.
-- A port below 1024 needs caps = { "net_bind_service" }, and namespaces without "user", where that would not count.
return {
  no_new_privs = true,
  drop_root = true, -- files that only root may read, such as /etc/shadow, are for nobody in here
  no_setuid_files = true, -- with which others would be whom it runs as
  caps = {},
  namespaces = { "cgroup", "ipc", "mount", "pid", "user", "uts" },
  landlock = { scope = { "abstract_unix_socket", "signal" } },
  seccomp = require "ward.profile.part.service_calls",
  readonly = true,
  tmpfs = { "/tmp", "/var/tmp" },
  proc = true,
  dev = "minimal",
}
