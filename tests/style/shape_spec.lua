-- Functions under 80 lines, files under 500 unless they are tables of data, and a top level that does not grow.
local lfs <const> = require "lfs"
local source <const> = require "style.source"
local sys <const> = require "wardtest"

local MAX_FUNCTION <const>, MAX_FILE <const> = 80, 500

---@class Span
---@field name string
---@field from integer
---@field to integer

-- clang-format has put the braces of functions, and of nothing else, alone at the beginning of a line.
---@return Span[]
local function functions_of_c(_, text)
  local spans, name, from = {}, nil, nil
  for number, line in source.lines(text) do
    local candidate = line:match("^([%a_][%w_]*)%(")
    if candidate then
      name, from = candidate, number
    elseif line == "}" and name then
      spans[#spans + 1] = { name = name .. "()", from = from, to = number }
      name = nil
    elseif line:find("^%S.*[;={]$") then
      name = nil -- a declaration, a type, a table
    end
  end
  return spans
end

-- The compiler knows where functions begin and end.
---@return Span[]
local function functions_of_lua(path)
  local spans = {}
  for from, to in source.output("luac5.4 -l -p '" .. path .. "'"):gmatch("\nfunction <[^\n>]*:(%d+),(%d+)>") do
    spans[#spans + 1] = { name = "the function", from = tonumber(from), to = tonumber(to) }
  end
  return spans
end

local function check_size(path, text)
  local complaints = {}
  local spans = (path:find("%.lua$") and functions_of_lua or functions_of_c)(path, text)
  for _, span in ipairs(spans) do
    local length = span.to - span.from + 1
    if length >= MAX_FUNCTION then
      complaints[#complaints + 1] = ("%s:%d: %s has %d lines"):format(path, span.from, span.name, length)
    end
  end
  local _, count = text:gsub("\n", "")
  if count >= MAX_FILE and #spans > 0 then
    complaints[#complaints + 1] = ("%s: has %d lines"):format(path, count)
  end
  return complaints
end

local TOP <const> = {
  core = true, lua = true, scripts = true, tests = true, build = true,
  Makefile = true, ["README.md"] = true, LICENSE = true, ["CHANGELOG.md"] = true,
}

local function check_top(names)
  local complaints = {}
  for _, name in ipairs(names) do
    if not TOP[name] and name:sub(1, 1) ~= "." then
      complaints[#complaints + 1] = name .. " does not belong at the top"
    end
  end
  return complaints
end

describe("the size of", function()
  it("functions and files stays readable", function()
    local files = source.files("core lua scripts", ".c", ".h", ".lua")
    assert.is_true(#files > 0)
    assert.same({}, source.complaints(files, check_size))
  end)

  it("a long C function is caught", function()
    local body = ("\tx();\n"):rep(76)
    local text = "struct a {\n};\n\nstatic int\nf(int a,\n  int b)\n{\n" .. body .. "}\n\nint g(void);\n"
    assert.same({ "core/a.c:5: f() has 80 lines" }, check_size("core/a.c", text))
    assert.same({}, check_size("core/a.c", (text:gsub("\tx%(%);\n", "", 1))))
  end)

  it("a long Lua function and a long file are caught, a long table is not", function()
    local dir = assert(sys.mkdtemp())
    finally(function()
      os.execute("rm -rf '" .. dir .. "'")
    end)
    local function check(text)
      local path = dir .. "/a.lua"
      local file <close> = assert(io.open(path, "w"))
      file:write(text)
      file:flush()
      local complaints = check_size(path, text)
      for i, complaint in ipairs(complaints) do
        complaints[i] = complaint:sub(#dir + 2)
      end
      return complaints
    end
    assert.same({}, check("return {\n" .. ("  1,\n"):rep(600) .. "}\n"))
    assert.same({}, check("local function f()\n" .. ("  g()\n"):rep(77) .. "end\n"))
    assert.same({ "a.lua:1: the function has 80 lines" },
      check("local function f()\n" .. ("  g()\n"):rep(78) .. "end\n"))
    assert.same({ "a.lua: has 501 lines" }, check("local function f() end\n" .. ("f()\n"):rep(500)))
  end)
end)

describe("the top level", function()
  it("holds what it is meant to hold", function()
    local names = {}
    for name in lfs.dir(".") do
      names[#names + 1] = name
    end
    assert.same({}, check_top(names))
    assert.same({ "src does not belong at the top" }, check_top { ".ci", "core", "src" })
  end)
end)
