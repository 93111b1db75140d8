-- Handles: what a script holds of a task, a child, a timer and the like. Their methods look at what they are called on,
-- because one that was called with a dot would fail somewhere in here, and not at the script's line.

local M <const> = {}

--- What is wrong with a call such as p.wait().
---@param what string "child:wait"
---@param example string what the method may be called on: "p"
---@return string message
function M.misuse(at, what, example)
  return ('%s: %s: call it with ":", as in %s:%s()'):format(at, what, example, what:match(":(.*)$"))
end

--- The methods of a kind of handle, for the __index of its metatable, whose __metatable is the kind.
---@param located fun(fn: function): function
---@param kind string "timer"
---@param methods table<string, fun(at: string, handle: table, ...): any>
---@return table<string, function>
function M.methods(located, kind, methods)
  local checked <const> = {}
  for name, fn in next, methods do
    checked[name] = located(function(at, handle, ...)
      if getmetatable(handle) ~= kind then
        error(M.misuse(at, kind .. ":" .. name, kind), 0)
      end
      return fn(at, handle, ...)
    end)
  end
  return checked
end

return M
