-- What a program sees in a sandbox: probe, started by a ward of its own.
--
--     local seen, view = sandboxed.probe({ tmpfs = { "/" } }, { lists = { "/" } })

local cjson <const> = require "cjson"
local harness <const> = require "helpers.harness"
local model <const> = require "helpers.model"
local sys <const> = require "wardtest"

local M <const> = {}

--- Both ways in which a supervisor can stand to the kernel: title -> options of harness.start.
M.BOTH = { { "as root", nil }, { "as an ordinary user", { under = harness.UNPRIVILEGED } } }

--- For tests that need root, also for becoming an ordinary user.
function M.is_root()
  return os.execute("test $(id -u) = 0") == true
end

--- Makes tests that need root, with what busted gives a file of tests.
---@param it fun(name: string, fn: fun())
---@param pending fun(reason: string)
---@return fun(name: string, fn: fun()) attack
function M.attacks(it, pending)
  return function(name, fn)
    it(name, function()
      if not M.is_root() then return pending "needs root" end
      fn()
    end)
  end
end

--- A directory with a copy of a helper program, which everybody may enter.
---@param program string path
---@return string dir
---@return string path of the copy
function M.copy(program)
  local dir <const> = harness.directory()
  local path <const> = dir .. "/" .. program:match("[^/]+$")
  harness.write(path, harness.read(program))
  assert(sys.chmod(path, 493)) -- 0755
  return dir, path
end

--- The source of a script with one service "x", which is not restarted.
---@param keys table of the service
function M.script(keys)
  local whole <const> = { name = "x", restart = "never" }
  for key, value in pairs(keys) do whole[key] = value end
  return 'local ward = require "ward"\nreturn ward.service ' .. model.source(whole) .. "\n"
end

--- Runs a service to its end. Returns its status and its log; ward has stopped.
---@param keys table of the service; sandbox.mounts may be given
---@param start table|nil options of harness.start
---@param between? fun() what happens before it is run a second time, whose status is returned then
function M.run(keys, start, between)
  local w <const> = harness.start(M.script(keys), start)
  local function ended(before)
    return w:until_(function()
      local v = w:status "x"
      return (v.state == "done" or v.state == "failed") and v.last_exit.at ~= before and v
    end, nil, "the end of x")
  end
  local view = ended()
  if between then
    between()
    w:cli("start", "x", "--no-wait")
    view = ended(view.last_exit.at)
  end
  w:stop()
  return view, w:log "x", w
end

--- Adds a program to a sandbox: its place is made where the root is its own, and in /tmp where that is.
local function bring(sandbox, path, to)
  local box <const> = {}
  for key, value in pairs(sandbox) do box[key] = value end
  box.mounts = table.move(sandbox.mounts or {}, 1, #(sandbox.mounts or {}), 1, {})
  box.mounts[#box.mounts + 1] = { type = "bind", source = path, target = to, readonly = true }
  return box
end

--- What probe sees in a sandbox; the status of its service, and its ward, which has stopped.
---@param sandbox table
---@param opts? { at?: string, lists?: string[], tries?: string[], keys?: table, start?: table } at: where the
---   program is, when it has to be mounted
function M.probe(sandbox, opts)
  opts = opts or {}
  local _, program <const> = M.copy(harness.probe)
  local keys <const> = { cwd = "/", sandbox = sandbox }
  for key, value in pairs(opts.keys or {}) do keys[key] = value end
  if opts.at then keys.sandbox = bring(sandbox, program, opts.at) end
  keys.cmd = { opts.at or program }
  for _, path in ipairs(opts.lists or {}) do table.move({ "--list", path }, 1, 2, #keys.cmd + 1, keys.cmd) end
  for _, path in ipairs(opts.tries or {}) do table.move({ "--try", path }, 1, 2, #keys.cmd + 1, keys.cmd) end
  local view <const>, text <const>, w <const> = M.run(keys, opts.start)
  if view.last_exit.kind ~= "exited" then error(cjson.encode(view.last_exit), 2) end
  return cjson.decode(text), view, w
end

--- Runs attack with these arguments in a sandbox: did it succeed? And what it said.
---@param arguments string[]
---@param sandbox table|nil
---@param opts? { at?: string, program?: string, keys?: table, start?: table } program: where it is already
function M.attack(arguments, sandbox, opts)
  opts = opts or {}
  local _, program <const> = M.copy(harness.attack)
  local keys <const> = { cwd = "/", sandbox = sandbox }
  for key, value in pairs(opts.keys or {}) do keys[key] = value end
  if opts.at then keys.sandbox = bring(sandbox, program, opts.at) end
  keys.cmd = table.move(arguments, 1, #arguments, 2, { opts.at or opts.program or program })
  local view <const>, text <const> = M.run(keys, opts.start)
  local exit <const> = view.last_exit
  if exit.kind ~= "exited" or exit.code > 1 then error(cjson.encode(exit) .. "\n" .. text, 2) end
  return exit.code == 0, text
end

--- Mounts of a report by target; the last one, which is on top.
function M.mounts(seen)
  local by_target = {}
  for _, mount in ipairs(seen.mounts) do by_target[mount.target] = mount end
  return by_target
end

--- Is an option in "rw,nosuid"?
function M.has(options, name)
  return ("," .. options .. ","):find("," .. name .. ",", 1, true) ~= nil
end

--- The attack succeeds where nothing holds it.
---@param arguments string[] as of attack
---@param opts table?
function M.succeeds(arguments, opts)
  local ok <const>, text <const> = M.attack(arguments, nil, opts)
  assert(ok, "outside: " .. text)
end

--- It fails in a sandbox.
---@param arguments string[]
---@param sandbox table
---@param opts table?
---@return string text what it said
function M.fails(arguments, sandbox, opts)
  local ok <const>, text <const> = M.attack(arguments, sandbox, opts)
  assert(not ok, "inside: " .. text)
  return text
end

return M
