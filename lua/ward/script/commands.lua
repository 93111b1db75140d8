-- ward.command: verbs of the script's own, which `ward do` calls; and the tasks that a client waits for, which are
-- those and what `ward eval` and `ward repl` send.
--
-- Such a task and what it starts print to the client (`out`), and its end is the client's answer.

local inspect <const> = require("ward.script.inspect").inspect
local suggest <const> = require "ward.suggest"
local tasks <const> = require "ward.script.tasks"
local value <const> = require "ward.schema.value"

local M <const> = {}

local WHAT <const> = "ward.command"
local MAX_ARGS <const>, MAX_HELP <const> = 64, 1000

local KEYS <const> = { { key = "help", since = "0.1.0" }, { key = "args", since = "0.1.0" } }

local function command_name(path, given)
  value.string(path, given, { max = 64 })
  if not given:find("^[%w][%w_.:-]*$") then
    value.fail(path, "has other characters than letters, digits and _ . : -")
  end
  return given
end

-- { "name", "count?", "more..." } -> { usage = "NAME [COUNT] [MORE...]", least =, most = }
local function arguments(path, given)
  if given == nil then return { usage = "[ARGS...]", least = 0, most = math.huge } end
  local words, least, most, open = {}, 0, 0, false
  for i = 1, value.list(path, given, 'a list of names such as { "name", "count?" }', MAX_ARGS) do
    local at <const> = ("%s[%d]"):format(path, i)
    local name <const>, mark <const> = value.string(at, given[i], { max = 64 }):match("^([%a_][%w_-]*)([?.]*)$")
    if not name or (mark ~= "" and mark ~= "?" and mark ~= "...") then
      value.fail(at, 'must be a name, "name?" or "name..."')
    elseif most == math.huge then
      value.fail(at, 'stands behind "name...", which takes all there are')
    elseif mark == "" and open then
      value.fail(at, "is required, but stands behind one that is not")
    end
    local upper <const> = name:upper():gsub("_", "-")
    if mark == "" then
      words[i], least, most = upper, least + 1, most + 1
    elseif mark == "?" then
      words[i], most, open = "[" .. upper .. "]", most + 1, true
    else
      words[i], most = "[" .. upper .. "...]", math.huge
    end
  end
  return { usage = table.concat(words, " "), least = least, most = most }
end

-- What a command returned: nil and an error, or something to print.
local function answer_of(result)
  local first <const>, second <const> = result[1], result[2]
  if first ~= nil then return { ok = true, value = inspect(first, true) } end
  return { ok = second == nil, message = second ~= nil and tostring(second) or nil }
end

local Commands <const> = {}
Commands.__index = Commands

--- Runs fn(...) as a task that the supervisor's side waits for under the number `run`. What fn returns is the answer.
---@param run integer
---@param fn fun(...): table { ok =, value =, message = }
function Commands:run(run, fn, ...)
  local task <const> = self.scheduler:start(fn, nil, ...)
  task.out, task.private = run, true
  task.ended = function(how, result)
    self.tasks[run], self.waiting[run] = nil, nil
    local answer = { ok = false, message = how == "failed" and result[1] or "cancelled" }
    if how == "returned" then answer = result[1] end
    self.request("run_done", run, answer)
  end
  self.tasks[run] = task
end

--- Runs a declared command.
---@param run integer
---@param name string
---@param args string[]
function Commands:call(run, name, args)
  local command <const> = self.declared[name]
  local function refuse(message) self.request("run_done", run, { ok = false, usage = true, message = message }) end
  if not command then
    local names <const> = {}
    for each in next, self.declared do names[#names + 1] = each end
    return refuse(("no such command: %s%s"):format(value.quote(name), suggest.hint(name, names)))
  elseif #args < command.args.least or #args > command.args.most then
    return refuse(("usage: ward do %s %s"):format(name, command.args.usage):gsub(" $", ""))
  end
  self:run(run, function(...) return answer_of(table.pack(command.fn(...))) end, table.unpack(args))
end

--- Cancels the task of a run: nobody waits for it any more.
---@param run integer
function Commands:cancel(run)
  if self.tasks[run] then self.scheduler:cancel(self.tasks[run]) end
end

--- The client has taken all that was printed.
---@param run integer
function Commands:drained(run)
  for task in next, self.waiting[run] or {} do self.scheduler:wake(task) end
  self.waiting[run] = nil
end

--- Hands text to the client of the task that runs. A client that does not keep up is waited for where that is possible.
---@param at string
---@param text string
---@return boolean done false: no client waits for this task
function Commands:print(at, text)
  local current <const> = self.scheduler.current
  local run <const> = current and current.out
  if not run or not self.tasks[run] then return false end
  local room <const> = self.request("output", run, text)
  if not room and not self.scheduler.closing and not self.scheduler.stuck() then
    self.waiting[run] = self.waiting[run] or {}
    self.waiting[run][current] = true
    self.scheduler:park(at, "print")
  end
  return true
end

--- Tells the supervisor's side what there is.
function Commands:start()
  self.running = true
  local list = {}
  for name, command in next, self.declared do
    list[#list + 1] = { name = name, help = command.help, usage = command.args.usage }
  end
  table.sort(list, function(a, b) return a.name < b.name end)
  self.request("commands", list)
end

local function declare(self, at, name, opts, fn)
  if self.running then error(("%s: %s: declarations are only allowed while a script loads"):format(at, WHAT), 0) end
  if fn == nil then opts, fn = {}, opts end
  tasks.argument(at, WHAT, command_name, "the name", name)
  if type(fn) ~= "function" then tasks.argument(at, WHAT, value.must, "the last argument", "a function", fn) end
  tasks.argument(at, WHAT, value.known, "the options", opts, KEYS)
  local taken <const> = self.declared[name]
  if taken then error(('%s: command "%s": this name is taken by the command at %s'):format(at, name, taken.at), 0) end
  self.declared[name] = {
    at = at, fn = fn, args = tasks.argument(at, WHAT, arguments, "args", opts.args),
    help = opts.help ~= nil and tasks.argument(at, WHAT, value.string, "help", opts.help, { max = MAX_HELP }) or nil,
  }
end

--- The commands of one generation, and ward.command.
---@param scheduler ward.script.Scheduler
---@param request fun(op: string, ...): any, any
---@return table commands
---@return fun(at: string, name: string, opts: table|function, fn: function) command
function M.new(scheduler, request)
  local self <const> = setmetatable({
    scheduler = scheduler, request = request, declared = {}, tasks = {}, waiting = {}, running = false,
  }, Commands)
  return self, function(...) return declare(self, ...) end
end


return M
