-- A real ward for a spec: started in directories of its own, asked over its socket or its command line, stopped, and
-- held to leaving nothing behind.
--
--     local harness <const> = require "helpers.harness"
--     describe("...", function()
--       after_each(harness.cleanup)
--       it("...", function()
--         local w = harness.start [[
--           local ward = require "ward"
--           return ward.service { name = "a", cmd = { "sleep", "1000" } }
--         ]]
--         w:until_state("a", "ready")
--         local code, out, err = w:cli("status", "--json")
--         w:stop()
--       end)
--     end)
--
-- Every wait is for a condition and has a deadline; one that passes raises with what ward printed.

local cjson <const> = require "cjson"
local sys <const> = require "wardtest"

local M <const> = {}

--- The ward under test, and the helper programs; absolute, because tests start things elsewhere.
local function absolute(path)
  return path:sub(1, 1) == "/" and path or require("lfs").currentdir() .. "/" .. path
end

M.ward = absolute(os.getenv("WARD_BIN") or "build/ward")
M.probe = absolute "build/tests/probe"
M.attack = absolute "build/tests/attack"
M.tiny = absolute "build/tests/tiny"

--- A command that has ward traced. A sanitizer that looks for leaks traces, too, and only one can.
---@param options string[] of strace
---@return string[] under for harness.start
function M.strace(options)
  return { "env", "ASAN_OPTIONS=detect_leaks=0", "strace", "-qq", table.unpack(options) }
end

--- For harness.start { under = }: ward as an ordinary user, whose directories are his own. Needs root.
M.UNPRIVILEGED = { "sh", "-c", 'chown -R 4711:4711 "${WARD_RUNTIME_DIR%/*}" && exec setpriv --reuid=4711 '
  .. '--regid=4711 --clear-groups "$@"', "sh" }

local DEADLINE <const> = 60 -- seconds for what takes milliseconds: a loaded machine is no failure
local POLL_MS <const> = 5

local live <const> = {} -- what cleanup has to end

function M.read(path)
  local file <close> = io.open(path, "rb")
  return file and file:read("a")
end

function M.write(path, text)
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(text))
  return path
end

--- A directory that cleanup removes. Other users may enter it.
---@return string path
function M.directory()
  local dir = assert(sys.mkdtemp())
  assert(sys.chmod(dir, 493)) -- 0755
  live[#live + 1] = { dir = dir }
  return dir
end

--- Waits until fn returns something true, and returns that. Raises with `what` when it does not in time.
---@param fn fun(): any
---@param seconds? number
---@param what? string|fun(): string
---@return any
function M.until_(fn, seconds, what)
  local deadline = sys.now() + (seconds or DEADLINE)
  while true do
    local value = fn()
    if value then
      return value
    elseif sys.now() > deadline then
      if type(what) == "function" then
        what = what()
      end
      error(("not within %g s: %s"):format(seconds or DEADLINE, what or "the condition"), 2)
    end
    sys.sleep_ms(POLL_MS)
  end
end

--- Runs a program to its end.
---@param argv string[]
---@param opts? { env?: table, env_clear?: boolean, cwd?: string, stdin?: string, seconds?: number }
---@return integer|string code exit code, or the signal's name
---@return string stdout
---@return string stderr
function M.run(argv, opts)
  opts = opts or {}
  local dir = M.directory()
  local pid <const> = assert(sys.spawn(argv, {
    env = opts.env, env_clear = opts.env_clear, cwd = opts.cwd, stdin = opts.stdin,
    stdout = dir .. "/stdout", stderr = dir .. "/stderr",
  }))
  local status = sys.wait(pid, opts.seconds or DEADLINE)
  local out, err = M.read(dir .. "/stdout"), M.read(dir .. "/stderr")
  if not status then
    sys.kill(pid, "KILL")
    sys.wait(pid, DEADLINE)
    error(("%s did not end; stdout:\n%s\nstderr:\n%s"):format(table.concat(argv, " "), out, err), 2)
  end
  return status.code or status.signal, out, err
end

--- A loopback port that nobody listens on. Another program may take it first; then the test says so by failing.
---@return string port
function M.free_port()
  local code, out = M.run({ "sh", "-c", [[
    for port in $(shuf -i 20000-32000 -n 50); do
      grep -qi ":$(printf %04X "$port") 00000000:0000" /proc/net/tcp || { echo "$port"; exit; }
    done]] })
  assert(code == 0)
  return (assert(out:match("%d+")))
end

-- A running ward ------------------------------------------------------------------------------------------

---@class harness.Ward
---@field pid integer
---@field dir string the directory of everything below; removed by cleanup
---@field script string
---@field runtime string $WARD_RUNTIME_DIR
---@field logs string $WARD_LOG_DIR
---@field socket string
---@field env table what its clients need
---@field marker string "K=v" in the environment of every process of this ward that has not cleared it
local Ward <const> = {}
Ward.__index = Ward

local serial = 0

local function prepare(script, opts)
  serial = serial + 1
  local dir = assert(sys.mkdtemp())
  assert(sys.chmod(dir, 493))
  local instance = opts.instance or "default"
  local mark = ("%d.%d"):format(sys.pid(), serial)
  local w = setmetatable({
    dir = dir, runtime = dir .. "/run", logs = dir .. "/log", instance = instance, marker = "WARD_TEST_MARK=" .. mark,
    socket = ("%s/run/%s/control.sock"):format(dir, instance),
    script = script:find("\n") and M.write(dir .. "/script.lua", script) or absolute(script),
  }, Ward)
  w.env = { WARD_RUNTIME_DIR = w.runtime, WARD_LOG_DIR = w.logs, WARD_INSTANCE = instance, WARD_TEST_MARK = mark }
  for name, value in pairs(opts.env or {}) do
    w.env[name] = value
  end
  live[#live + 1] = w
  return w
end

--- Starts `ward run` and waits until its control socket answers.
---@param script string the text of a script (has a line break) or a path
---@param opts? { env?: table, instance?: string, args?: string[], cwd?: string, pty?: boolean, wait?: boolean,
---   under?: string[] } args: before the script; pty: a terminal (w.terminal) instead of files; wait = false: returns
---   at once; under: a program and arguments that exec ward
---@return harness.Ward
function M.start(script, opts)
  opts = opts or {}
  local w = prepare(script, opts)
  local argv = table.move(opts.under or {}, 1, #(opts.under or {}), 1, {})
  table.move({ M.ward, "run" }, 1, 2, #argv + 1, argv)
  table.move(opts.args or {}, 1, #(opts.args or {}), #argv + 1, argv)
  argv[#argv + 1] = w.script
  w.pid, w.terminal = assert(sys.spawn(argv, {
    env = w.env, cwd = opts.cwd, pty = opts.pty, stdout = w.dir .. "/stdout", stderr = w.dir .. "/stderr",
  }))
  if opts.wait ~= false then
    w:until_(function()
      assert(not w:ended(), "ward run ended at once: " .. w:output())
      local answer = w:rpc("version")
      return answer and answer.pid == w.pid
    end, DEADLINE, "an answer on " .. w.socket)
  end
  return w
end

--- What ward run has written so far.
---@return string stdout
---@return string stderr
function Ward:screen()
  return M.read(self.dir .. "/stdout") or "", M.read(self.dir .. "/stderr") or ""
end

--- What it has said of states.
function Ward:err()
  return (select(2, self:screen()))
end

--- What services have said.
function Ward:out()
  return (self:screen())
end

--- Both, for messages.
function Ward:output()
  local out, err = self:screen()
  return ("\n--- stdout of ward run\n%s--- stderr of ward run\n%s---"):format(out, err)
end

--- As harness.until_, with ward's output in the error.
function Ward:until_(fn, seconds, what)
  return M.until_(fn, seconds, function()
    return (what or "the condition") .. self:output()
  end)
end

--- Has ward run ended? Its status is kept.
---@return { code?: integer, signal?: string }?
function Ward:ended()
  self.status_ = self.status_ or sys.wait(self.pid, 0)
  return self.status_
end

--- Runs a verb against this ward: w:cli("status", "--json").
---@return integer|string code
---@return string stdout
---@return string stderr
function Ward:cli(...)
  return M.run({ M.ward, ... }, { env = self.env })
end

--- A raw connection to the control socket, for requests that no client would send.
---@return userdata? connection
---@return string? message
function Ward:connect()
  return sys.connect(self.socket)
end

--- The next line that a connection brings, without its line break; nil at its end.
---@param connection userdata
---@param seconds? number
---@return string? line
---@return string? rest what came behind it
function M.read_line(connection, seconds, rest)
  local deadline = sys.now() + (seconds or DEADLINE)
  local text = rest or ""
  while true do
    local line, behind = text:match("^(.-)\n(.*)$")
    if line then
      return line, behind
    end
    local bytes, message = connection:recv(math.max(0, deadline - sys.now()))
    if message == "timeout" then
      error(("no line within %g s, only %q"):format(seconds or DEADLINE, text), 2)
    elseif not bytes or bytes == "" then
      return nil, text
    end
    text = text .. bytes
  end
end

--- One JSON-RPC request.
---@param method string
---@param params? table
---@return table? result nil too when nobody listens
---@return table? error { code =, message = }
function Ward:rpc(method, params)
  local connection <close> = self:connect()
  if not connection then
    return nil, { message = "cannot connect" }
  end
  local request = { jsonrpc = "2.0", id = 1, method = method, params = params }
  if not connection:send(cjson.encode(request) .. "\n") then
    return nil, { message = "the connection was closed" }
  end
  local line = M.read_line(connection)
  local response = line and cjson.decode(line) or { error = { message = "the connection was closed" } }
  return response.result, response.error
end

--- What ward says of one service (the same as an entry of `status --json`).
---@param name string
---@return table
function Ward:status(name)
  local result, err = self:rpc("status", { names = { name } })
  if not result then
    error(("no status of %s: %s%s"):format(name, err.message, self:output()), 2)
  end
  return result.services[1]
end

--- Waits until a service is in a state, and returns its status.
---@param name string
---@param state string
---@param seconds? number
---@return table
function Ward:until_state(name, state, seconds)
  return self:until_(function()
    local view = self:status(name)
    return view.state == state and view
  end, seconds, ("%s is %s"):format(name, state))
end

--- Waits until a service is ready, and returns its pid.
---@param name string
---@param not_pid? integer of a process that is to be replaced
---@return integer pid
function Ward:until_ready(name, not_pid)
  return self:until_(function()
    local view = self:status(name)
    return view.ready and view.pid ~= not_pid and view.pid
  end, nil, name .. " is ready")
end

--- Waits until what ward prints of states (err) or services (out) has a pattern.
---@param pattern string
function Ward:until_says(pattern)
  self:until_(function()
    return self:err():find(pattern) or self:out():find(pattern)
  end, nil, pattern)
end

--- What a service has logged so far.
---@param name string
---@return string
function Ward:log(name)
  return M.read(("%s/%s/%s.log"):format(self.logs, self.instance, name)) or ""
end

--- Processes of this ward that still live. Those that cleared their environment are not seen here, but by tests/run.
---@return integer[]
function Ward:processes()
  return sys.marked(self.marker)
end

--- The same without ward itself.
---@return integer[]
function Ward:left()
  local pids = {}
  for _, pid in ipairs(self:processes()) do
    if pid ~= self.pid then
      pids[#pids + 1] = pid
    end
  end
  return pids
end

--- Waits until ward run ends by itself.
---@param seconds? number
---@return integer|string code exit code, or the signal's name
function Ward:wait(seconds)
  local status = self:until_(function()
    return self:ended()
  end, seconds, "the end of ward run")
  return status.code or status.signal
end

--- Orderly stop: SIGTERM, the end, and no process left. Raises when any of these is not so. What it has printed and
--- logged stays until cleanup.
---@param want? integer exit code; 0
---@param signal? string "TERM"
function Ward:stop(want, signal)
  if not self:ended() then
    assert(sys.kill(self.pid, signal or "TERM"))
  end
  local code = self:wait()
  if code ~= (want or 0) then
    error(("ward run ended with %s, not with %d%s"):format(code, want or 0, self:output()), 2)
  end
  self:until_(function()
    return #self:processes() == 0
  end, 5, "no process is left")
end

local function kill_all(w)
  if not w:ended() then
    sys.kill(w.pid, "KILL")
    sys.wait(w.pid, DEADLINE)
  end
  M.until_(function()
    local pids = w:processes()
    for _, pid in ipairs(pids) do
      sys.kill(pid, "KILL")
    end
    return #pids == 0
  end, DEADLINE, "the death of what a test left")
end

local function forget(w)
  for i, entry in ipairs(live) do
    if entry == w then
      table.remove(live, i)
    end
  end
  os.execute("rm -rf '" .. w.dir .. "'")
end

--- For after_each: ends what a failed test did not stop, and removes its directories.
function M.cleanup()
  for i = #live, 1, -1 do
    local entry = live[i]
    if entry.pid then
      kill_all(entry)
    end
    forget(entry)
  end
end

return M
