-- ward exec [OPTIONS] -- CMD...

local core <const> = require("ward.core")
local exit <const> = require("ward.cli.exit")
local options <const> = require("ward.cli.sandbox_options")
local output <const> = require("ward.cli.output")
local place <const> = require("ward.schema.place")

local ENOENT <const>, EACCES <const> = 2, 13

local M <const> = { summary = "Run one command in a sandbox; its exit status is the command's." }

-- What is wrong with the line is not what the command would say.
M.usage = exit.EXEC_FAILED

function M.configure(command)
  command:argument("command", "The command and its arguments, behind \"--\"."):argname("CMD"):args("+")
  options.configure(command)
end

local function refuse(message)
  output.complain(message)
  return exit.EXEC_FAILED
end

local function same_file(path, other)
  local a <const>, b <const> = core.stat(path), core.stat(other)
  return a ~= nil and b ~= nil and a.dev == b.dev and a.ino == b.ino
end

-- The canonical spec that the options make, or nil and a message.
local function spec_of(args, dir)
  local schema <const> = require("ward.schema")
  local host <const> = {
    user = core.user, group = core.group, groups = core.groups, read = core.read, dir = dir, uid = core.uid,
    same = same_file, machine = core.machine,
  }
  local declaration <const>, message = options.declaration(args, host)
  if not declaration then
    return nil, message
  end
  local spec
  spec, message = schema.child(declaration, host, "ward exec")
  if not spec then
    return nil, message
  end
  if not args.cwd and place.fault(spec.cwd, spec, core.stat) then
    spec.cwd = "/"
  end
  spec.foreground = true
  return spec
end

-- What root is shown to write to, and nobody may not write: the command alone would be told, and not why.
local function tell_closed(spec, args)
  if not spec.ids or args.user or not place.enters(spec.cwd, spec.ids, core.stat) then
    return
  end
  for _, row in ipairs(spec.sandbox.mounts or {}) do
    local stat <const> = row.type == "bind" and not row.readonly and core.stat(row.source)
    if stat and place.rights(stat, spec.ids) & 2 == 0 then
      output.complain(("--rw %s: the command runs as %s, who may not write there; --user root may"):format(row.source,
        spec.user))
    end
  end
end

-- What a command that is there, but out of sight, and one that root may reach, but nobody may not, want said.
local function hint(spec, args, missing, errno)
  local file <const> = spec.cmd[1]
  if missing and file:sub(1, 1) == "/" and core.access_x(file) then
    return "; it is out of sight in the sandbox: --ro brings it in"
  elseif errno == EACCES and spec.ids and not args.user then
    return ("; it runs as %s, not as root: --user says otherwise"):format(spec.user)
  end
  return ""
end

-- The plan that a spec makes, or nil and a message.
local function plan_of(spec)
  local fault <const> = require("ward.service.places").fault(spec)
  if fault then
    return nil, fault
  end
  local plan <const>, err = core.plan(spec)
  return plan, err and err.message
end

-- A directory of PATH that may not be searched holds no command: shells say that there is none. In a root of its own
-- what was there is not known any more.
local function settle_search(spec, result)
  local load <const> = require("ward.service.load")
  local paths <const>, search <const> = load.candidates(spec)
  if not search or result.errno ~= EACCES or require("ward.schema.tree").has_root(spec.sandbox) then
    return
  end
  for _, path in ipairs(paths) do
    if core.stat(path) then
      return
    end
  end
  result.errno = ENOENT
  result.message = ("cannot exec %s: not found in PATH"):format(spec.cmd[1])
end

function M.run(args)
  local foreground <const> = require("ward.service.foreground")
  if args.command[1] == "" then -- as for a shell, it is a command that is not found
    output.complain("cannot exec \"\": the name of the command is empty")
    return foreground.NOT_FOUND
  end
  local dir <const>, err = core.cwd()
  if not dir then
    return refuse(err.message)
  end
  local spec <const>, message = spec_of(args, dir)
  if not spec then
    return refuse(message)
  end
  local plan
  plan, message = plan_of(spec)
  if not plan then
    return refuse(message)
  end
  tell_closed(spec, args)
  local result <const> = foreground.run(plan)
  if result.kind == "spawn_failed" then
    settle_search(spec, result)
    local missing <const> = foreground.status(result) == foreground.NOT_FOUND
    output.complain(result.message .. hint(spec, args, missing, result.errno))
  elseif result.kind == "unknown" then
    output.complain("somebody else has taken the exit status of the command")
  end
  return foreground.status(result)
end

return M
