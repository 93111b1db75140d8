-- The exit codes of ward; a contract with scripts that call it.

return {
  OK = 0,
  FAILED = 1,
  USAGE = 2,
  NOT_RUNNING = 3, -- status
  NO_SERVICE = 4,
  NO_SUPERVISOR = 5,
  TIMEOUT = 99,
  EXEC_FAILED = 125, -- exec: ward itself, before the command
}
