-- Scripts whose one task does something in a real ward, and what they say of it.

local harness <const> = require "helpers.harness"

local M <const> = {}

--- Starts a ward with a script whose one task runs `body` and then says "the end".
---@param body string
---@param before? string what the script does while it loads
---@param opts? table as for harness.start
---@return harness.Ward
function M.start(body, before, opts)
  return harness.start(([[
    local ward = require "ward"
    %s
    ward.after(0, function()
      %s
      print "the end"
    end)
    ward.service { name = "a", cmd = { "sleep", "1000" } }
  ]]):format(before or "", body), opts)
end

--- The lines of the script so far.
---@param w harness.Ward
---@return string[]
function M.said(w)
  local lines = {}
  for line in w:err():gmatch("[^\n]+") do
    lines[#lines + 1] = line:match("^%S+ script%s+%* (.*)$")
  end
  return lines
end

--- Runs a body to its end and returns what it said before that.
---@param body string
---@param before? string
---@param opts? table
---@return string[]
function M.run(body, before, opts)
  local w <const> = M.start(body, before, opts)
  w:until_says("the end")
  w:stop()
  local lines <const> = M.said(w)
  assert(table.remove(lines) == "the end", w:output())
  return lines
end

return M
