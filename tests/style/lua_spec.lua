-- What Lua code may ask for: the engine nothing but itself, scripts nothing but "ward".
local source <const> = require "style.source"

-- All modules that a file requires; what is not a literal is shown as written.
local function requires(text)
  local list = {}
  for number, line in source.lines(source.strip_lua(text)) do
    for rest in line:gmatch("%f[%w_]require%f[^%w_](.*)") do
      list[#list + 1] = { line = number, module = rest:match("^%s*%(?%s*[\"']([^\"']*)[\"']") or "what it computes" }
    end
  end
  return list
end

-- `allowed(module)` says which are.
local function check_requires(allowed)
  return function(path, text)
    local complaints = {}
    for _, req in ipairs(requires(text)) do
      if not allowed(req.module) then
        complaints[#complaints + 1] = ("%s:%d: may not require %s"):format(path, req.line, req.module)
      end
    end
    return complaints
  end
end

local function of_engine(module)
  return module == "ward.engine" or module:find("^ward%.engine%.") ~= nil
end

local function is_ward(module)
  return module == "ward" or module == "ward.duration"
end

local function is_sim(module)
  return module == "ward.sim"
end

-- The engine is a function of its events: it reads no clock, no file, no chance, and loads no code.
local IMPURE <const> = {
  "os", "io", "debug", "package", "coroutine", "load", "loadfile", "dofile", "print", "warn", "collectgarbage",
  "math%.random", "math%.randomseed",
}

local function check_purity(path, text)
  local complaints = {}
  for number, line in source.lines(source.strip_lua(text)) do
    line = line:gsub('"[^"]*"', '""')
    for _, name in ipairs(IMPURE) do
      if line:find("%f[%w_.:]" .. name .. "%f[^%w_]%s*[.(:%[{\"']") then
        complaints[#complaints + 1] = ("%s:%d: uses %s"):format(path, number, (name:gsub("%%", "")))
      end
    end
  end
  return complaints
end

describe("the engine", function()
  local files <const> = source.files("lua/ward/engine", ".lua")

  it("requires nothing but the engine", function()
    assert.is_true(#files > 0)
    assert.same({}, source.complaints(files, check_requires(of_engine)))
  end)

  it("is pure", function()
    assert.same({}, source.complaints(files, check_purity))
  end)

  it("is told from what is neither", function()
    local text = 'local a = require "ward.core" -- require "b"\nlocal c = require("ward.engine.x")\nrequire(name)\n'
    assert.same({ "e.lua:1: may not require ward.core", "e.lua:3: may not require what it computes" },
      check_requires(of_engine)("e.lua", text))
    assert.same({ "e.lua:1: uses os", "e.lua:2: uses math.random", "e.lua:3: uses load" },
      check_purity("e.lua",
        'x = os.time()\ny = math.random(3) .. self.os.x .. "io.open()"\nload("x")() -- io.read()\n'))
  end)
end)

describe("scripts", function()
  it("require only what ward has for them, and tests among them only ward.sim", function()
    local check <const> = function(path, text)
      return check_requires(path:find("/test-", 1, true) and is_sim or is_ward)(path, text)
    end
    assert.same({}, source.complaints(source.files("scripts", ".lua"), check))
    assert.same({ "s.lua:1: may not require ward.engine" },
      check_requires(is_ward)("s.lua", "require 'ward.engine'"))
  end)
end)
