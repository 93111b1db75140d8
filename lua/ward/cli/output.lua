-- What the command line prints, and with which colours.

local core <const> = require("ward.core")

local M <const> = { failed = false }

local COLOURS <const> = { good = "\27[32m", bad = "\27[31m", warn = "\27[33m" }

local EPIPE <const>, EBADF <const> = 32, 9

--- Writes to stdout. Nobody reading any more (`ward logs -f x | head`, `>&-`) is no failure of ours; a full disk is.
---@param text string
---@return boolean more false when no more can be written
function M.out(text)
  local ok, err = core.write(1, text)
  if not ok and err.errno ~= EPIPE and err.errno ~= EBADF and not M.failed then
    M.failed = true -- the exit status will say so
    M.complain("cannot write to stdout: " .. core.strerror(err.errno))
  end
  return ok and true or false
end

--- Writes "ward: <text>" to stderr; a message that begins with a script's file and line goes as it is, so that
--- editors find the place.
---@param text string
function M.complain(text)
  if not text:find("^[^%s:][^:\n]*:%d+:") then
    text = "ward: " .. text
  end
  core.write(2, text .. "\n")
end

--- May this stream be coloured?
---@param fd integer
---@return boolean
function M.coloured(fd)
  local no_colour = core.getenv("NO_COLOR")
  return core.isatty(fd) and (no_colour == nil or no_colour == "")
end

--- Rows as aligned columns, two spaces apart, no spaces at the ends of lines.
---@param rows string[][] the first one is the head
---@param mood? fun(row: integer, column: integer): "good"|"bad"|"warn"|nil colour of a cell
---@return string
function M.table(rows, mood)
  local widths = {}
  for _, row in ipairs(rows) do
    for i, cell in ipairs(row) do
      widths[i] = math.max(widths[i] or 0, #cell)
    end
  end
  local lines = {}
  for r, row in ipairs(rows) do
    local cells = {}
    for i, cell in ipairs(row) do
      local colour = mood and COLOURS[mood(r, i)]
      local gap = i < #row and (" "):rep(widths[i] - #cell) or ""
      cells[i] = (colour and colour .. cell .. "\27[0m" or cell) .. gap
    end
    lines[r] = table.concat(cells, "  ") .. "\n"
  end
  return table.concat(lines)
end

return M
