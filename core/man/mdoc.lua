-- Writes manual pages in the language of mdoc(7): one sentence begins a line, and no line of text is over 80 bytes, as
-- `mandoc -T lint` wants them.

local M <const> = {}

local WIDTH <const> = 79

---@class man.Page
---@field lines string[]
local Page <const> = {}
Page.__index = Page

-- Text as roff takes it literally. A hyphen stays one that can be copied.
local function escape(text)
  return (text:gsub("\\", "\\e"):gsub("-", "\\-"))
end

-- Markdown's `code` and *emphasis* in roff's fonts.
local function inline(text)
  local parts, at = {}, 1
  text = text:gsub("%*ward%.(%u)", "*%1")
  while at <= #text do
    local from <const>, mark <const> = text:match("()([`*])", at)
    local to <const> = from and text:find(mark, from + 1, true)
    if not to then break end
    parts[#parts + 1] = escape(text:sub(at, from - 1))
    parts[#parts + 1] = (mark == "`" and "\\fB" or "\\fI") .. escape(text:sub(from + 1, to - 1)) .. "\\fR"
    at = to + 1
  end
  return table.concat(parts) .. escape(text:sub(at))
end

-- A control character at the beginning of a line is text here.
local function protected(line)
  return line:find("^[.']") and "\\&" .. line or line
end

local function wrap(self, sentence)
  local line
  for word in sentence:gmatch("%S+") do
    if line and #line + 1 + #word > WIDTH then
      self:put(protected(line))
      line = nil
    end
    line = line and line .. " " .. word or word
  end
  if line then self:put(protected(line)) end
end

--- A line as it is.
function Page:put(line) self.lines[#self.lines + 1] = line end

--- A macro and its arguments, each of them one word or many.
function Page:macro(name, ...)
  local words <const> = { "." .. name }
  for i, argument in ipairs { ... } do
    -- The name of another macro, and what mdoc takes for punctuation, would not be text.
    words[i + 1] = argument:find("^%-?%u?%l+$") and #argument > 3 and argument
      or '"' .. escape(argument):gsub('"', "\\(dq") .. '"'
  end
  self:put(table.concat(words, " "))
end

--- A paragraph of running text: each sentence begins a line.
---@param text string Markdown
function Page:sentences(text)
  local marked <const> = inline(text):gsub("([.?!][)\"]?) +(%(?\\?[%u\\])", "%1\n%2")
  for sentence in marked:gmatch("[^\n]+") do wrap(self, sentence) end
end

local function code(self, lines, at)
  self:put(".Bd -literal -offset indent")
  while lines[at] and lines[at] ~= "```" do
    self:put(protected(escape(lines[at])))
    at = at + 1
  end
  self:put(".Ed")
  return at
end

--- Lines of Markdown: paragraphs, and fenced code.
---@param lines string[]
---@param fresh boolean? whether a paragraph has just begun
function Page:text(lines, fresh)
  local paragraph = {}
  local function finish()
    if #paragraph == 0 then return end
    if not fresh then self:put(".Pp") end
    fresh = false
    self:sentences(table.concat(paragraph, " "))
    paragraph = {}
  end
  local at = 1
  while at <= #lines do
    if lines[at]:find("^```") then
      finish()
      at = code(self, lines, at + 1)
      fresh = false
    elseif lines[at] == "" then
      finish()
    else
      paragraph[#paragraph + 1] = lines[at]
    end
    at = at + 1
  end
  finish()
end

--- A page with its head.
---@param name string
---@param section string
---@param date string as `.Dd` has it
---@param summary string
function M.page(name, section, date, summary)
  local page <const> = setmetatable({ lines = {} }, Page)
  page:put(".Dd " .. date)
  page:put((".Dt %s %s"):format(name:upper(), section))
  page:put(".Os")
  page:put(".Sh NAME")
  page:put(".Nm " .. name)
  page:put(".Nd " .. summary)
  return page
end

--- The page as a text.
function Page:tostring() return table.concat(self.lines, "\n") .. "\n" end

return M
