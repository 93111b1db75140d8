-- The definitions of lua/ward/meta and the pages of core/man say what is there: no more, and no less.

package.path = "core/?.lua;" .. package.path
local definitions <const> = require "man.definitions"
local harness <const> = require "helpers.harness"
local keys <const> = require "ward.schema.keys"
local source <const> = require "style.source"

local META <const>, PAGE <const> = "lua/ward/meta", "core/man/ward-lua.7"

local function read_all()
  local files = {}
  for i, path in ipairs(source.files(META, ".lua")) do files[i] = { path = path, text = source.read(path) } end
  return definitions.read(files)
end

local defined <const> = read_all()

-- The keys without what is canonical or an alias, by the class that defines them.
local CLASSES <const> = { pool = "PoolSpec", supervisor = "SupervisorSpec" }
local function class_of(section, row)
  if section == "service" then return row.service and "ward.ServiceSpec" or "ward.Process" end
  return "ward." .. (CLASSES[section] or ("_" .. section):gsub("_(%l)", string.upper))
end

local function each_row(fn)
  for section, rows in pairs(keys) do
    if section ~= "canonical" and not section:find("aliases$") then
      for _, row in ipairs(rows) do
        if row.since then fn(class_of(section, row), row) end
      end
    end
  end
end

describe("the definitions", function()
  it("have every key of the schema, in its words, and no other", function()
    local left = {}
    each_row(function(name, row)
      local class = assert(defined.classes[name], "no class " .. name)
      left[name] = left[name] or { class = class, keys = {} }
      left[name].keys[row.key] = true
      local field = class.fields[row.key]
      assert(field, ("%s has no field %s"):format(name, row.key))
      assert.same({ row.type, row.default }, { field.words, field.default }, field.at)
      -- What is required of some only (a bind mount's source) is optional in the notation.
      if row.default then assert.is_true(field.optional, field.at) end
    end)
    for name, each in pairs(left) do
      for key, field in pairs(each.class.fields) do
        assert(each.keys[key], ("%s: %s.%s is no key of the schema"):format(field.at, name, key))
      end
    end
  end)

  it("have every function and field that a script finds in ward, and no other", function()
    local dir = harness.directory()
    finally(harness.cleanup)
    harness.write(dir .. "/walk.lua", [[
      local ward = require "ward"
      local list = {}
      local function walk(name, values)
        for key, item in pairs(values) do
          local whole = name .. "." .. key
          if whole == "ward.env" or type(item) == "string" then
            list[#list + 1] = "field " .. whole
          elseif type(item) == "table" then
            walk(whole, item)
          elseif not tostring(select(2, pcall(item))):find("not yet supported") then
            list[#list + 1] = "function " .. whole
          end
        end
      end
      walk("ward", ward)
      local values = {
        service = ward.service { name = "s", cmd = { "true" } }, pool = ward.pool { name = "p", cmd = { "true" } },
      }
      for name, value in pairs(values) do
        for key, item in pairs(value) do list[#list + 1] = type(item) .. " " .. name .. ":" .. key end
      end
      walk("ward.duration", require "ward.duration")
      walk("ward.dotenv", require "ward.dotenv")
      table.sort(list)
      error("LIST " .. table.concat(list, ";"))
    ]])
    local _, out, err = harness.run { harness.ward, "check", dir .. "/walk.lua" }
    local text = (out .. err):match("LIST ([^\n]*)")
    assert(text, out .. err)
    local found, wanted = {}, {}
    for entry in text:gmatch("[^;]+") do
      local kind, name = entry:match("^(%a+) (.*)$")
      name = name:gsub("^(%l)(%l+):", function(a, b) return "ward." .. a:upper() .. b .. ":" end)
      if kind == "function" then found[name] = true end
      if kind == "field" then
        assert(defined.classes.ward.fields[name:match("[^.]*$")], name .. " is not defined")
      end
    end
    for name in pairs(defined.functions) do
      if not name:find(":") or name:find("^ward%.Service:") or name:find("^ward%.Pool:") then wanted[name] = true end
    end
    assert.same(wanted, found)
  end)
end)

-- The words that an alias lists, sorted.
local function words_of(name)
  local words = {}
  local alias = defined.aliases[name]
  for _, part in ipairs(alias.type or {}) do words[#words + 1] = part.kind == "literal" and part.name or nil end
  for _, choice in ipairs(alias.choices) do
    words[#words + 1] = choice.type.kind == "literal" and choice.type.name or nil
  end
  table.sort(words)
  return words
end

local function sorted(list)
  table.sort(list)
  return list
end

describe("lists of names", function()
  it("are those of the code", function()
    assert.same(sorted { table.unpack(require("ward.script.events").names) }, words_of "ward.EventName")
    local capabilities, names = require "ward.schema.capabilities", {}
    for number = 0, capabilities.LAST do names[number + 1] = capabilities.name(number) end
    assert.same(sorted(names), words_of "ward.Capability")
    local free = {}
    for name in pairs(require("ward.schema.signals").free) do free[#free + 1] = name end
    assert.same(sorted(free), words_of "ward.FreeSignal")
    local host = { dir = "/", user = function() end, group = function() end, groups = function() end }
    for name in pairs(defined.classes["ward.Limits"].fields) do
      assert(require("ward.schema").child({ cmd = { "a" }, limits = { [name] = 1 } }, host, "a:1"), name)
    end
  end)
end)

describe("the handles of tasks", function()
  it("have every method and field that is defined, and results every field that is not optional", function()
    local code = {}
    local function need(value, class)
      for _, field in ipairs(defined.classes["ward." .. class].order) do
        if not field.optional then
          code[#code + 1] = ("assert(%s.%s ~= nil, %q)"):format(value, field.name, class .. "." .. field.name)
        end
      end
      for name in pairs(defined.functions) do
        local method = name:match("^ward%." .. class .. ":(.*)$")
        if method then code[#code + 1] = ("assert(type(%s.%s) == 'function', %q)"):format(value, method, name) end
      end
    end
    for value, class in pairs {
      task = "Task", sem = "Semaphore", permit = "Permit", timer = "Timer", listener = "Listener", watch = "Watch",
      child = "Child", ["child.stdin"] = "Writer", ["child.stdout"] = "Reader", exit = "Exit",
      ["exit.rusage"] = "Rusage", result = "Result", failed = "Error", status = "Status",
    } do need(value, class) end
    local lines = require("helpers.task").run(([[
      local task, sem = ward.task(function() end), ward.semaphore(1)
      local permit, timer = sem:acquire(), ward.after("1h", print)
      local listener, watch = ward.on("own", print), ward.watch("/tmp", print)
      local child = ward.spawn { cmd = { "cat" }, stdin = "pipe", stdout = "pipe" }
      local _, failed = ward.spawn { cmd = { "/nope" } }
      local result, status = ward.run { cmd = { "true" } }, s:status()
      child.stdin:close()
      local exit = child:wait()
      %s
      print "all there"
    ]]):format(table.concat(code, "\n")), 'local s = ward.service { name = "s", cmd = { "sleep", "1000" } }')
    harness.cleanup()
    assert.same({ "all there" }, lines)
  end)
end)

describe("the reference", function()
  it("is what the generator makes of the definitions", function()
    local code, out, err = harness.run { "lua5.4", "core/man/reference.lua", META }
    assert.same({ 0, "" }, { code, err })
    assert(out == source.read(PAGE), PAGE .. " is old: run `make man`")
  end)

  it("is refused where the definitions are not understood", function()
    local function refused(text)
      return select(2, pcall(definitions.read, { { path = "m.lua", text = "---@meta _\n-- Title\n\n" .. text } }))
    end
    assert.equal("m.lua:4: the annotation @filed is not known here", refused "---@filed x string\n")
    assert.equal("m.lua:4: the type strin is not defined", refused "---@alias a strin\n")
    assert.equal('m.lua:5: the field "x" is not described', refused "---@class a\n---@field x string\n")
  end)
end)

describe("the pages", function()
  it("are clean", function()
    for _, path in ipairs { PAGE, "core/man/ward.1" } do
      local _, out = harness.run { "mandoc", "-T", "lint", path }
      assert.equal("", (out:gsub("[^\n]*referenced manual not found[^\n]*\n", "")))
    end
  end)

  it("name every command and every option of its help", function()
    local page = source.read("core/man/ward.1"):gsub("\\%-", "-")
    local _, help = harness.run { harness.ward, "--help" }
    local count = 0
    for verb in ("\n" .. help:match("Commands:\n(.-)\n\n")):gmatch("\n   (%l+) ") do
      count = count + 1
      assert(page:find("\n.It Cm " .. verb .. "\n", 1, true) or page:find("\n.It Cm " .. verb .. " ", 1, true), verb)
      local entry = (page .. "\n.It Cm "):match("\n%.It Cm " .. verb .. "(%f[%s].-)\n%.It Cm ")
      local _, text = harness.run { harness.ward, verb, "--help" }
      for option in text:gmatch("%s%-%-(%l[%l-]*)") do
        if option ~= "help" and option ~= "instance" then
          assert(entry:find("Fl -" .. option, 1, true), verb .. " --" .. option)
        end
      end
    end
    assert(count > 10, help)
  end)
end)
