-- The system calls of every profile: what an ordinary service calls, but for what reaches other processes, namespaces
-- and files by number, and for sockets of rarer families than AF_UNIX (1), AF_INET (2), AF_INET6 (10) and AF_NETLINK
-- (16), some of which no network namespace holds.
local deny <const> = { "name_to_handle_at", "process_vm_readv", "process_vm_writev", "setns", "unshare" }
for _, call in ipairs { "socket", "socketpair" } do
  for _, family in ipairs { 0, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15 } do
    deny[#deny + 1] = { call, args = { { 0, "==", family } } }
  end
  deny[#deny + 1] = { call, args = { { 0, ">", 16 } } }
end
return { allow = { "@system-service" }, deny = deny }
