-- ward exec [OPTIONS] -- CMD...

local core <const> = require("ward.core")
local exit <const> = require("ward.cli.exit")
local options <const> = require("ward.cli.sandbox_options")
local output <const> = require("ward.cli.output")

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
  local function exists(path)
    return core.stat(path) ~= nil
  end
  if not args.cwd and not options.in_sight(spec.cwd, spec.sandbox.tree, exists) then
    spec.cwd = "/"
  end
  spec.foreground = true
  return spec
end

-- A command that is there, but out of sight.
local function hint(spec)
  local file <const> = spec.cmd[1]
  local hidden <const> = file:sub(1, 1) == "/" and core.access_x(file)
  return hidden and "; it is out of sight in the sandbox: --ro brings it in" or ""
end

-- The plan that a spec makes, or nil and a message.
local function plan_of(spec)
  local plan <const>, err = core.plan(spec)
  return plan, err and err.message
end

function M.run(args)
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
  local foreground <const> = require("ward.service.foreground")
  local result <const> = foreground.run(plan)
  if result.kind == "spawn_failed" then
    local missing <const> = foreground.status(result) == foreground.NOT_FOUND
    output.complain(result.message .. (missing and hint(spec) or ""))
  elseif result.kind == "unknown" then
    output.complain("somebody else has taken the exit status of the command")
  end
  return foreground.status(result)
end

return M
