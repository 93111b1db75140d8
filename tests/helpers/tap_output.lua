-- TAP from busted, for tests/run. Unlike busted's own it survives a spec that does not load, and gives the name and
-- the reason of what is pending.

-- Every line of an explanation gets its mark: what a test says must not look like a result.
local function explain(text)
  io.write("# ", (tostring(text):gsub("\n", "\n# ")), "\n")
end

local function one_line(text)
  return (text:gsub("%s*\n%s*", " "):gsub("#", "\\#"))
end

return function()
  local busted <const> = require "busted"
  local handler <const> = require "busted.outputHandlers.base"()
  local count = 0

  local function result(ok, name, reason)
    count = count + 1
    io.write(("%sok %d - %s"):format(ok and "" or "not ", count, one_line(name)))
    io.write(reason and " # SKIP " .. one_line(reason) or "", "\n")
  end

  local function show_failure(problem)
    result(false, problem.name)
    local trace, message = problem.trace or {}, problem.message
    if type(message) == "table" and not (getmetatable(message) or {}).__tostring then
      message = require("pl.pretty").write(message)
    end
    if trace.short_src and trace.currentline then
      explain(trace.short_src .. ":" .. trace.currentline)
    end
    explain(message or "an error without a message")
  end

  local function last(list)
    return list[#list]
  end

  function handler.testEnd(_, _, status)
    if status == "success" then
      result(true, last(handler.successes).name)
    elseif status == "pending" then
      local pending = last(handler.pendings)
      local reason = type(pending.message) == "string" and pending.message:gsub("^%S+:%d+: ", "") or "pending"
      result(true, pending.name, reason)
    else
      show_failure(last(status == "failure" and handler.failures or handler.errors))
    end
    io.flush()
    return nil, true
  end

  -- An error outside of a test: in a file, a describe, a setup.
  function handler.error(element)
    if element.descriptor ~= "it" then
      show_failure(last(handler.errors))
      io.flush()
    end
    return nil, true
  end

  function handler.suiteEnd()
    io.write("1..", count, "\n")
    io.flush()
    return nil, true
  end

  busted.subscribe({ "test", "end" }, handler.testEnd, { predicate = handler.cancelOnPending })
  busted.subscribe({ "suite", "end" }, handler.suiteEnd)
  busted.subscribe({ "error" }, handler.error)
  return handler
end
