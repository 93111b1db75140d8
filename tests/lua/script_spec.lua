-- Scripts as a user writes them, loaded by lua/ward/script/boot.lua in a Lua state of their own
-- (tests/lua/script_host.lua), and the line each mistake gives.

local lfs = require "lfs"
local root = lfs.currentdir()
local dir

local function write(path, text)
  local built = dir
  for part in path:gmatch("([^/]+)/") do
    built = built .. "/" .. part
    lfs.mkdir(built)
  end
  local file = assert(io.open(dir .. "/" .. path, "wb"))
  file:write(text)
  file:close()
end

-- Loads a script in `dir`: "ok" and the bundle, or "error" and the message.
local function run(path)
  local pipe = assert(io.popen(("cd %s && lua5.4 %s/tests/lua/script_host.lua %s/lua '%s' 2>&1"):format(
    dir, root, root, path)))
  local out = pipe:read("a")
  pipe:close()
  local kind, rest = out:match("^(%a+)\n(.*)$")
  assert(kind, out)
  if kind == "ok" then return kind, assert(load("return " .. rest))() end
  return kind, rest
end

local function good(text)
  write("scripts/x.lua", text)
  local kind, bundle = run("scripts/x.lua")
  assert.equal("ok", kind, bundle)
  return bundle
end

local function bad(text, message)
  write("scripts/x.lua", text)
  local kind, why = run("scripts/x.lua")
  assert.same({ "error", message }, { kind, why })
end

local WARD = 'local ward = require "ward"\n'
local DB = WARD .. 'local db = ward.service { name = "db", cmd = { "db" } }\n'

describe("a script", function()
  setup(function()
    dir = os.tmpname()
    os.remove(dir)
    assert(lfs.mkdir(dir))
  end)
  teardown(function() os.execute("rm -r " .. dir) end)

  local function names(bundle)
    local list = {}
    for i, spec in ipairs(bundle.services) do list[i] = spec.name end
    return table.concat(list, " ")
  end

  describe("returns", function()
    it("a tree: services in its order, the root's name", function()
      local bundle = good(DB .. [[
local function web(port)
  return ward.service { name = "web-" .. port, cmd = { "web", port }, needs = { db, "db" } }
end
return ward.supervisor {
  name = "app", strategy = "one_for_one",
  children = { ward.supervisor { name = "fleet", children = { web(8001), web(8002) } }, db },
}]])
      assert.equal("app", bundle.name)
      assert.equal("scripts/x.lua", bundle.path)
      assert.equal("web-8001 web-8002 db", names(bundle))
      assert.same({ "db" }, bundle.services[1].needs)
      assert.same({ "web", "8001" }, bundle.services[1].cmd)
      assert.equal("scripts/x.lua:4", bundle.services[1].source)
      assert.equal(dir .. "/scripts", bundle.services[1].cwd)
      local schema = require "ward.schema"
      local whole = assert(schema.bundle(bundle, {}))
      assert.same(whole, schema.bundle(whole, {}))
    end)

    it("a service, a list, or nothing", function()
      assert.equal("db", names(good(DB .. "return db")))
      local more = DB .. 'local web = ward.service { name = "web", cmd = { "web" } }\n'
      assert.equal("web db", names(good(more .. "return { web, db }")))
      assert.equal("db web", names(good(more)))
      assert.equal("web db", names(good(more .. 'ward.supervisor { name = "s", children = { web, db } }')))
      assert.equal("x", good(more).name)
    end)

    it("nothing else", function()
      bad(DB .. "return 3",
        "scripts/x.lua: must return a supervisor, a service, a list of these, or nothing, got number 3")
      bad(DB .. "return setmetatable({}, {})",
        "scripts/x.lua: must return a supervisor, a service, a list of these, or nothing, got a table")
      bad(DB .. "return { db, 'web' }",
        'scripts/x.lua: the returned list: [2]: must be a service or a supervisor, got string "web"')
      bad(WARD, "scripts/x.lua: declares no service")
      bad("", "scripts/x.lua: declares no service")
    end)

    it("everything it declares, once", function()
      bad(DB .. 'local web = ward.service { name = "web", cmd = { "web" } }\nreturn web',
        'scripts/x.lua:2: service "db": declared, but not in what the script returns')
      bad(DB .. "return { db, db }", 'scripts/x.lua:2: service "db": is in two places of what the script returns')
      bad(DB .. 'local s = ward.supervisor { name = "s", children = { db } }\nreturn { s, db }',
        'scripts/x.lua:2: service "db": is in two places of what the script returns')
      bad(DB .. 'local s = ward.supervisor { name = "s", children = { db } }\n'
        .. 'return ward.supervisor { name = "t", children = { db, s } }',
        'scripts/x.lua:4: supervisor "t": children[1]: service "db" is already a child of supervisor "s" '
        .. "(scripts/x.lua:3)")
      bad(DB .. 'return ward.supervisor { name = "s", children = { db, db } }',
        'scripts/x.lua:3: supervisor "s": children[2]: service "db" is there twice')
      bad(DB .. 'ward.supervisor { name = "s", children = {} }\nreturn db',
        'scripts/x.lua:3: supervisor "s": declared, but not in what the script returns')
    end)

    it("unique names and needs that exist", function()
      bad(DB .. '\nreturn { db, ward.service { name = "db", cmd = { "x" } } }',
        'scripts/x.lua:4: service "db": this name is taken by the service at scripts/x.lua:2')
      bad(DB .. 'return ward.supervisor { name = "db", children = { db } }',
        'scripts/x.lua:3: supervisor "db": this name is taken by the service at scripts/x.lua:2')
      bad(DB .. 'ward.service { name = "web", cmd = { "x" }, needs = { "bd" } }',
        'scripts/x.lua:3: service "web": needs unknown service "bd" (did you mean "db"?)')
      bad(WARD .. 'ward.service { name = "a", cmd = { "x" }, needs = { "b" } }\n'
        .. 'ward.service { name = "b", cmd = { "x" }, needs = { "a" } }',
        'scripts/x.lua:2: service "a": dependency cycle: a -> b -> a')
    end)
  end)

  describe("declares", function()
    for text, message in pairs {
      ['ward.service { name = "web", cmd = { "x" }, stop_timout = 3 }'] =
        'service "web": unknown key "stop_timout" (did you mean "stop"?)',
      ['ward.service { name = "web", cmd = {} }'] = 'service "web": cmd: must not be empty',
      ['ward.service { name = "web", cmd = { "x" }, user = "nobdy" }'] =
        'service "web": user: no user is named "nobdy"',
      ['ward.service { name = "web", cmd = { "a\\0" } }'] = 'service "web": cmd[1]: contains a NUL byte',
      ['ward.service { name = "web", cmd = { "x" }, on_exit = 3 }'] =
        'service "web": on_exit: must be a function, got number 3',
      ['ward.service { name = "web", cmd = { "x" }, calls = {} }'] = 'service "web": unknown key "calls"',
      ['ward.service { name = "web", cmd = { "x" }, restart = { backoff = { from = "1x" } } }'] =
        'service "web": restart.backoff.from: bad duration "1x": unknown unit "x"; units are ms, s, m, h and d',
      ['ward.service { name = "web", cmd = { "x" }, source = "y" }'] = 'service: unknown key "source"',
      ['ward.service "web"'] =
        'ward.service: expected a table such as { name = "web", cmd = { "/srv/web" } }, got string "web"',
      ['ward.supervisor { name = "s", children = { "db" } }'] =
        'supervisor "s": children[1]: must be a service or a supervisor, got string "db"',
      ['ward.supervisor { name = "s", childern = {} }'] =
        'supervisor "s": unknown key "childern" (did you mean "children"?)',
      ['ward.supervisor { name = "s" }'] = 'supervisor "s": children: is required',
      ['ward.supervisor { children = {} }'] = "supervisor: name: is required",
      ['ward.supervisor { name = "s", children = {}, strategy = "rest_for_all" }'] =
        'supervisor "s": strategy: must be one of "one_for_one", "one_for_all", "rest_for_one", got string '
          .. '"rest_for_all" (did you mean "rest_for_one"?)',
      ['ward.supervisor { name = "s", children = {}, intensity = { 5 } }'] =
        'supervisor "s": intensity.within: is required',
      ['ward.supervisor { name = "s", children = {}, restart = function() end }'] =
        'supervisor "s": restart: a supervisor has a condition and a backoff; its limit is intensity',
      ['ward.supervisor { name = "s", children = {}, restart = "success" }'] =
        'supervisor "s": restart: must be "always", "failure" or "never", got "success", which is for services',
      ['ward.supervisor { name = "s", children = {}, significant = true }'] =
        'supervisor "s": significant: must not be true with restart = "always": such a supervisor never ends',
      ['ward.supervisor { name = "s", children = { ward.service { name = "a", cmd = { 1 }, significant = true } } }'] =
        'supervisor "s": children[1] service "a" is significant, but its supervisor has no auto_shutdown',
      ['ward.supervisor { name = "s", children = { ward.supervisor { name = "t", children = {}, stay = true } } }'] =
        'supervisor "s": children[1]: supervisor "t" has stay = true, which only the outermost supervisor can have',
      ['ward.supervisor()'] =
        'ward.supervisor: expected a plain table such as { name = "app", children = { db, web } }, got nothing',
    } do
      it(message, function() bad(WARD .. "\nreturn " .. text, "scripts/x.lua:3: " .. message) end)
    end

    for _, name in ipairs { "spawn", "run", "sleep", "task", "all", "race", "timeout" } do
      it("and does not act: ward." .. name, function()
        bad(WARD .. ("ward.%s {}"):format(name),
          ("scripts/x.lua:2: ward.%s: only declarations are allowed while a script loads; call it in a task"):format(
            name))
      end)
    end

    for _, name in ipairs {
      "oneshot", "cron", "listen",
      "ready.notify", "ready.fd", "ready.exec", "ready.tcp", "ready.unix", "ready.http", "ready.log",
    } do
      it("later: ward." .. name, function()
        bad(WARD .. ("ward.%s()"):format(name), ("scripts/x.lua:2: ward.%s: not yet supported"):format(name))
      end)
    end

    it("through a table that cannot be changed", function()
      bad(WARD .. "ward.servce {}", 'scripts/x.lua:2: ward has no field "servce" (did you mean "service"?)')
      bad(WARD .. "ward.ready.htpt {}", 'scripts/x.lua:2: ward.ready has no field "htpt" (did you mean "http"?)')
      bad(WARD .. "ward.service = nil", 'scripts/x.lua:2: ward is read-only: cannot set "service"')
      bad(WARD .. "setmetatable(ward, {})", "scripts/x.lua:2: setmetatable: cannot change a protected metatable")
      bad(DB .. "db.name = 'x'", 'scripts/x.lua:3: service "db" is read-only: cannot set "name"')
      bad(DB .. "db:halt()", 'scripts/x.lua:3: service "db" has no field "halt"')
      bad(DB .. "db:stop()",
        "scripts/x.lua:3: service:stop: only declarations are allowed while a script loads; call it in a task")
      good(DB .. 'assert(db.name == "db" and tostring(db) == [[service "db"]] and ward.version == "0.1.0")')
    end)

    it("and may catch its own mistakes", function()
      assert.equal("db", names(good(DB .. "assert(not pcall(ward.service, {}))")))
    end)
  end)

  describe("fails to load with one line", function()
    for text, message in pairs {
      ["local x ="] = ":1: unexpected symbol near <eof>",
      ["\n\nx x"] = ":3: syntax error near 'x'",
      ["local x\nx.y = 1"] = ":2: attempt to index a nil value (local 'x')",
      ['error "boom"'] = ":1: boom",
      ['\nerror("boom", 0)'] = ":2: boom",
      ['error("two\\n  lines\\27[0m")'] = ":1: two lines?[0m",
      ["error()"] = ":1: an error without a message (nil)",
      ["error {}"] = ":1: an error that is a table without __tostring",
      ["error { message = 'm' }"] = ":1: m",
      ["error(setmetatable({}, { __tostring = function() return 'obj' end }))"] = ":1: obj",
      ["error(setmetatable({}, { __tostring = function() error('no') end }))"] = ":1: an error whose __tostring fails",
      ["error(7)"] = ":1: an error that is not a string: 7",
      ["local ok, e = pcall(error, 'inner', 2)\nerror('outer')"] = ":2: outer",
      ["local ok, e = pcall(function() error('inner') end)\nerror(e)"] = ":1: inner",
      ["coroutine.wrap(function()\n error('in') end)()"] = ":2: in",
      ["string.rep()"] = ":1: bad argument #1 to 'rep' (string expected, got no value)",
      ["local function f() return f() + 1 end\nf()"] = false,
      ['local d = require "ward.duration"\n\nlocal x = d.format("x")'] =
        ":3: duration.format: the seconds: must be a number, got string",
      ["table.sort({ 3, 2, 1 }, function() error('cmp') end)"] = ":1: cmp",
    } do
      it(("%q"):format(text), function()
        if message then return bad(text, "scripts/x.lua" .. message) end
        write("scripts/x.lua", text)
        local kind, why = run("scripts/x.lua")
        assert.equal("error", kind)
        assert.truthy(why:find("^scripts/x.lua:1: .*stack overflow"), why)
        assert.is_nil(why:find("\n"))
      end)
    end

    it("when it is not there, is a directory or is bytecode", function()
      assert.same({ "error", "cannot read scripts/none.lua: No such file or directory" }, { run("scripts/none.lua") })
      assert.same({ "error", "cannot read scripts: Is a directory" }, { run("scripts") })
      bad(string.dump(load "return 1"),
        "scripts/x.lua:1: is a binary (precompiled) Lua chunk; ward loads source text only")
      bad("#!/usr/bin/ward\n" .. string.dump(load "return 1"),
        "scripts/x.lua:1: is a binary (precompiled) Lua chunk; ward loads source text only")
    end)

    it("with the whole path, however long", function()
      local long = ("long/"):rep(20) .. "x.lua"
      write(long, "\nerror 'boom'")
      assert.same({ "error", long .. ":2: boom" }, { run(long) })
      write(long, "x x")
      assert.same({ "error", long .. ":1: syntax error near 'x'" }, { run(long) })
      write(long, "\nreturn require('ward').service {}")
      assert.same({ "error", long .. ":2: service: name: is required" }, { run(long) })
    end)
  end)

  it("may begin with #! and a byte order mark", function()
    assert.equal("scripts/x.lua:3", good("\239\187\191#!/usr/bin/env ward\n" .. DB).services[1].source)
  end)

  describe("has globals that", function()
    for text, message in pairs {
      ["print(foo)"] = 'undefined global "foo"',
      ["local x = _G.pirnt"] = 'undefined global "pirnt" (did you mean "print"?)',
      ["x = 1"] = 'assignment to undeclared global "x": write "local x"',
      ["function f() end"] = 'assignment to undeclared global "f": write "local function f"',
      ["_G.x = 1"] = 'assignment to undeclared global "x": write "local x"',
      ["print = 1"] = '"print" is part of Lua here and cannot be changed',
      ["string = nil"] = '"string" is part of Lua here and cannot be changed',
      ["string.format = print"] = 'string is read-only: cannot set "format"',
      ["rawset(string, 'rep', 1)"] = 'rawset: string is read-only: cannot set "rep"',
      ["rawset(_G, 'zz', 1)"] = 'rawset: _G is read-only: cannot set "zz"',
      ["rawset(require('ward').service { name = 's', cmd = { 'x' } }, 'name', 1)"] =
        'rawset: service "s" is read-only: cannot set "name"',
      ["rawset(require('ward').keep 'k', 'n', print)"] =
        "rawset: a keep is ward's own: cannot set \"n\"",
      ["rawset(require('ward').every('1h', print), 'fn', 1)"] =
        "rawset: a timer is ward's own: cannot set \"fn\"",
      ["io.open('x')"] = "ward scripts have no io: a script declares what runs, it does not read or write files",
      ["debug.traceback()"] = "ward scripts have no debug: it reaches past the limits that keep supervision safe",
      ["package.path = ''"] =
        "ward scripts have no package: require looks in the script's directory, then in its lib/",
      ["dofile 'x'"] = 'ward scripts have no dofile: use require "name"',
      ["loadfile 'x'"] = 'ward scripts have no loadfile: use require "name"',
      ["os.execute 'true'"] = "ward scripts have no os.execute: declare a service to run a command",
      ["os.exit()"] = "ward scripts have no os.exit: raise an error to refuse to load",
      ["string.dump(print)"] = "ward scripts have no string.dump: ward loads source text only",
      ["collectgarbage()"] = 'collectgarbage: only "count" is allowed in a ward script',
      ["setmetatable({}, { __gc = print })"] =
        "setmetatable: ward scripts have no __gc: finalizers run outside of every limit",
      ["load(1)"] = "load: expected source text or a function, got number 1",
    } do
      it(("%q"):format(text), function() bad(text, "scripts/x.lua:1: " .. message) end)
    end

    it("work", function()
      good(DB .. [==[
assert(collectgarbage("count") > 0 and os.time() > 0 and os.getenv("PATH") and os.date("%Y"))
assert(("x"):rep(3) == "xxx" and ("%d"):format(3) == "3" and #"x" == 1 and utf8.char(228) == "ä")
assert(math.random() < 1 and table.concat({ 1, 2 }, ",") == "1,2" and select("#", table.unpack { 1, 2 }) == 2)
assert(load("return 1 + 1")() == 2)
assert(load("return x", "=c", "t", { x = 3 })() == 3)
assert(load("return x", "=c", "bt", { x = 3 })() == 3)
local f, why = load("x x")
assert(f == nil and why:find("syntax error"))
assert(not pcall(load("return undefined")))
local parts = { "return ", "7" }
assert(load(function() return table.remove(parts, 1) end)() == 7)
assert(setmetatable({}, { __index = function() return 5 end }).x == 5)
assert(rawset(setmetatable({}, { __newindex = error, __metatable = false }), "x", 6).x == 6)
assert(getmetatable("") == false and getmetatable(_G) == false and getmetatable(string) == false)
local co = coroutine.wrap(function(a) local b = coroutine.yield(a + 1) return b * 2 end)
assert(co(1) == 2 and co(4) == 8)
local seen = {}
for name in pairs(_G) do seen[name] = true end
assert(seen.print and seen.string and not seen.io)
for _, t in ipairs { string, table, math, os, utf8, coroutine, ward, _G } do
  local iterator, state = pairs(t)
  assert(type(iterator) == "function" and state == nil)
end
]==])
    end)

    it("refuse bytecode", function()
      local code = ("%q"):format(string.dump(load "return 1")):gsub("\\\n", "\\n"):gsub("\r", "\\r")
      good(DB .. "local f, why = load(" .. code .. ', "=b", "b")\nassert(f == nil and why:find("binary"), why)')
    end)

    it("do not change what ward's own code uses", function()
      bad(WARD .. [[
for _, t in ipairs { string, table, math } do
  for name in pairs(t) do pcall(rawset, t, name, function() return "evil" end) end
end
pcall(function() getmetatable("").__index.format = nil end)
for _, name in ipairs { "type", "pairs", "error" } do pcall(rawset, _G, name, nil) end
ward.service { name = "web", cmd = {} }]], 'scripts/x.lua:7: service "web": cmd: must not be empty')
    end)
  end)

  describe("requires", function()
    it("modules beside it and in lib/, once", function()
      write("scripts/near.lua", 'return { from = ..., count = 1 }')
      write("scripts/pkg/init.lua", 'return require "pkg.part" .. "!"')
      write("scripts/pkg/part.lua", 'return "part"')
      write("scripts/lib/far.lua", 'local ward = require "ward"\n'
        .. 'return function(n)\n return ward.service { name = n, cmd = { "x" } }\nend')
      write("scripts/none.lua", "")
      local bundle = good([[
assert(require "near".from == "near" and require "near" == require "near")
assert(require "pkg" == "part!" and require "none" == true)
return require "far" "x"]])
      assert.equal("scripts/lib/far.lua:3", bundle.services[1].source)
      good(DB .. 'assert(require("ward.duration").parse("1m") == 60 and require "ward" == ward)')
    end)

    it("works beside a script in the current directory", function()
      write("here.lua", 'error "boom"')
      write("x.lua", 'require "here"')
      assert.same({ "error", "here.lua:1: boom" }, { run("x.lua") })
    end)

    it("names the file and line that fails", function()
      write("scripts/broken.lua", "\nlocal x = nil + 1")
      bad('require "broken"', "scripts/broken.lua:2: attempt to perform arithmetic on a nil value")
      write("scripts/broken.lua", "\n\nx x")
      bad('require "broken"', "scripts/broken.lua:3: syntax error near 'x'")
      bad('pcall(require, "broken")\nrequire "broken"', "scripts/broken.lua:3: syntax error near 'x'")
      write("scripts/broken.lua", string.dump(load "return 1"))
      bad('require "broken"',
        "scripts/broken.lua:1: is a binary (precompiled) Lua chunk; ward loads source text only")
    end)

    it("names a circle", function()
      write("scripts/a.lua", '\nreturn require "b"')
      write("scripts/b.lua", 'return require "c"')
      write("scripts/c.lua", 'return require "b"')
      bad('require "a"', "scripts/c.lua:1: circular require: b -> c -> b")
      write("scripts/a.lua", 'return require "a"')
      bad('require "a"', "scripts/a.lua:1: circular require: a -> a")
    end)

    for text, message in pairs {
      ['require "nope"'] = 'no module "nope": tried scripts/nope.lua, scripts/nope/init.lua, scripts/lib/nope.lua, '
        .. "scripts/lib/nope/init.lua",
      ['require "a/b"'] = 'require "a/b": the name contains a "/": write dots, as in "lib.tools"',
      ['require "..x"'] = 'require "..x": the name has an empty part between dots',
      ['require ""'] = 'require "": the name is empty',
      ['require "a\\0b"'] = 'require "a\\0b": the name contains a NUL byte',
      ["require(1)"] = "require: expected a module's name, got number 1",
    } do
      it("refuses " .. text, function() bad(text, "scripts/x.lua:1: " .. message) end)
    end

    for _, name in ipairs {
      "ward.engine", "ward.service.loop", "ward.cli", "ward.core", "ward.script.boot", "ward.schema.value", "ward.nope",
    } do
      it("keeps private: " .. name, function()
        bad(("require %q"):format(name), ('scripts/x.lua:1: require "%s": not open to scripts, which can require '
          .. '"ward", "ward.dotenv" and "ward.duration"'):format(name))
      end)
    end
  end)
end)
