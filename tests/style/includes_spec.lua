-- Who may include whom in core, read from the #include lines; and who may speak to the kernel in numbers.
local source <const> = require "style.source"

local LAYERS <const> = {
  base = { base = true },
  linux = { base = true, linux = true, kernel = true },
  spawn = { base = true, linux = true, spawn = true },
  loop = { base = true, linux = true, spawn = true, loop = true, uv = true, curl = true },
  bind = { base = true, linux = true, spawn = true, loop = true, bind = true, uv = true, lua = true },
  main = { base = true, loop = true, bind = true },
}

-- What is not named here is libc, which all may include but the clone child.
local function owner_of_system_header(header)
  if header:find("^uv[./]") then
    return "uv"
  elseif header:find("^curl/") then
    return "curl"
  elseif header:find("^lua") or header == "lauxlib.h" then
    return "lua"
  elseif header:find("^linux/") or header:find("^asm/") or header == "sys/syscall.h" or header == "syscall.h" then
    return "kernel"
  elseif header == "seccomp.h" or header == "sys/capability.h" then
    return "kernel" -- libraries that only build data for the kernel
  end
  return "libc"
end

-- child_noheap.c, and the headers that are parts of it.
local CHILD <const> = "core/spawn/child_noheap.c"
local CHILD_PARTS <const> = "^core/spawn/child_%l+%.[ch]$"
local CHILD_MAY <const> = {
  ["linux/sys.h"] = true, ["linux/sys_init.h"] = true, ["linux/sys_mount.h"] = true, ["linux/uapi.h"] = true,
  ["linux/walk.h"] = true, ["stddef.h"] = true, ["stdint.h"] = true, ["stdbool.h"] = true,
}

local function child_may(header, system)
  if CHILD_MAY[header] then
    return true
  elseif system then
    return header:find("^asm/") or header:find("^linux/") -- constants of the kernel
  end
  return header:find("^spawn/[^/]+%.h$")
end

-- path -> list of { line, header, system }
local function includes(text)
  local list = {}
  for number, line in source.lines(text) do
    local open, header = line:match('^%s*#%s*include%s*([<"])([^>"]+)[>"]')
    if open then
      list[#list + 1] = { line = number, header = header, system = open == "<" }
    end
  end
  return list
end

local function check_layers(path, text)
  local complaints = {}
  local layer = path:match("^core/([%w_]+)/") or path:match("^core/(main)%.c$")
  local allowed = LAYERS[layer]
  if not allowed then
    return { path .. ": is in no layer of core" }
  end
  for _, inc in ipairs(includes(text)) do
    local owner = inc.system and owner_of_system_header(inc.header) or inc.header:match("^([%w_]+)/[%w_/]+%.h$")
    local part = path:find(CHILD_PARTS) ~= nil
    local child = part and not child_may(inc.header, inc.system)
    if child or not part and owner ~= "libc" and not allowed[owner] then
      local who = child and "the clone child" or layer
      complaints[#complaints + 1] = ("%s:%d: %s may not include %s"):format(path, inc.line, who, inc.header)
    end
  end
  return complaints
end

-- The child includes little; neither may what it includes.
local function check_closure(path, read)
  local complaints, seen, todo = {}, {}, { path }
  while #todo > 0 do
    local at = table.remove(todo)
    for _, inc in ipairs(includes(read(at))) do
      if not child_may(inc.header, inc.system) then
        complaints[#complaints + 1] = ("%s:%d: reaches %s from the clone child"):format(at, inc.line, inc.header)
      elseif not inc.system and not seen[inc.header] then
        seen[inc.header] = true
        todo[#todo + 1] = "core/" .. inc.header
      end
    end
  end
  return complaints
end

local function check_numbers(path, text)
  local complaints = {}
  if path == "core/linux/sys.h" or path == "core/linux/sys_mount.h" then
    return complaints
  end
  for number, line in source.lines(source.strip_c(text)) do
    if not line:find("^%s*#%s*include") then
      for _, pattern in ipairs { "%f[%w_]SYS_%w+", "__NR_%w+", "%f[%w_]_*asm_*%f[^%w_]", "%f[%w_]syscall%f[^%w_]" } do
        local word = line:match(pattern)
        if word then
          complaints[#complaints + 1] = ("%s:%d: %s belongs in core/linux/sys.h"):format(path, number, word)
        end
      end
    end
  end
  return complaints
end

describe("includes of core", function()
  local files <const> = source.files("core", ".c", ".h")

  it("follow the layers", function()
    assert.same({}, source.complaints(files, check_layers))
  end)

  local cases <const> = {
    { "core/base/fd.c", '#include "linux/sys.h"', "base may not include linux/sys.h" },
    { "core/base/fd.c", "#include <linux/sched.h>", "base may not include linux/sched.h" },
    { "core/linux/caps.c", '#include "spawn/plan.h"', "linux may not include spawn/plan.h" },
    { "core/spawn/plan.c", "#include <uv.h>", "spawn may not include uv.h" },
    { "core/spawn/plan.c", " # include <sys/syscall.h>", "spawn may not include sys/syscall.h" },
    { "core/loop/proc.c", "#include <lauxlib.h>", "loop may not include lauxlib.h" },
    { "core/loop/proc.c", '#include "bind/bind.h"', "loop may not include bind/bind.h" },
    { "core/loop/proc.c", '#include "proc.h"', "loop may not include proc.h" },
    { "core/main.c", '#include "spawn/plan.h"', "main may not include spawn/plan.h" },
    { "core/spawn/child_noheap.c", "#include <string.h>", "the clone child may not include string.h" },
    { "core/spawn/child_mount.h", "#include <sys/mount.h>", "the clone child may not include sys/mount.h" },
    { "core/spawn/child_noheap.c", '#include "base/err.h"', "the clone child may not include base/err.h" },
  }
  for _, case in ipairs(cases) do
    it("are caught: " .. case[3], function()
      assert.same({ case[1] .. ":2: " .. case[3] }, check_layers(case[1], "/* */\n" .. case[2] .. "\n"))
    end)
  end

  it("of a file outside the layers are caught", function()
    assert.same({ "core/net/http.c: is in no layer of core" }, check_layers("core/net/http.c", ""))
  end)

  it("keep libc from the clone child at any depth", function()
    assert.same({}, check_closure(CHILD, source.read))
    local tree = { [CHILD] = '#include "spawn/a.h"', ["core/spawn/a.h"] = "#include <stdint.h>\n#include <stdio.h>" }
    assert.same({ "core/spawn/a.h:2: reaches stdio.h from the clone child" }, check_closure(CHILD, function(path)
      return tree[path]
    end))
  end)
end)

describe("system call numbers and assembler", function()
  it("live in core/linux/sys.h alone", function()
    assert.same({}, source.complaints(source.files("core", ".c", ".h"), check_numbers))
  end)

  it("are caught elsewhere", function()
    local text = '/* SYS_a asm */\nx = "__NR_b"; // asm\nlong r = syscall(SYS_read);\n__asm__("nop");\nf(__NR_dup);'
    assert.same({
      "core/a.c:3: SYS_read belongs in core/linux/sys.h", "core/a.c:3: syscall belongs in core/linux/sys.h",
      "core/a.c:4: __asm__ belongs in core/linux/sys.h", "core/a.c:5: __NR_dup belongs in core/linux/sys.h",
    }, check_numbers("core/a.c", text))
  end)
end)
