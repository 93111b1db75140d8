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
local PIECE <const> = 64 * 1024 -- bytes of output

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
  local first <const>, second = result[1], result[2]
  if first ~= nil then return { ok = true, value = inspect(first, true) } end
  if type(second) == "table" and getmetatable(second) == nil and second.message ~= nil then second = second.message end
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

-- The end of a piece of the text that is no longer than it may be, and does not end within a UTF-8 character.
local function piece_end(text, from)
  local to = from + PIECE - 1
  if to >= #text then return #text end
  for cut = to, to - 3, -1 do
    local byte <const> = text:byte(cut + 1)
    if byte < 0x80 or byte > 0xbf then return cut end
  end
  return to
end

--- Hands text to the client of the task that runs. A client that does not keep up is waited for where that is possible;
--- and who says much gives way to others now and then, since to say it costs CPU time, too.
---@param at string
---@param text string
---@return boolean done false: no client waits for this task
function Commands:print(at, text)
  local current <const>, scheduler <const> = self.scheduler.current, self.scheduler
  local run <const> = current and current.out
  if not run or not self.tasks[run] then return false end
  local from = 1
  repeat
    local to <const> = piece_end(text, from)
    local room <const> = self.request("output", run, text:sub(from, to))
    self.said = self.said + to - from + 1
    from = to + 1
    local can_wait <const> = not scheduler.closing and not scheduler.stuck()
    if can_wait and not room then
      self.waiting[run] = self.waiting[run] or {}
      self.waiting[run][current] = true
      scheduler:park(at, "print")
    elseif can_wait and self.said >= PIECE then
      scheduler:doze(at, "print", scheduler.clock())
      self.said = 0
    end
  until from > #text or not self.tasks[run]
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
    scheduler = scheduler, request = request, declared = {}, tasks = {}, waiting = {}, said = 0, running = false,
  }, Commands)
  return self, function(...) return declare(self, ...) end
end


return M
