-- The object file of the clone child needs nothing from outside but memcpy and memset, whoever compiles it and however.
-- It is built by the Makefile's own rule.
local source <const> = require "style.source"
local sys <const> = require "wardtest"

local ALLOWED <const> = { memcpy = true, memset = true }

local function check_symbols(object)
  local complaints = {}
  for name in source.output("nm -u '" .. object .. "'"):gmatch("U ([^\n]+)") do
    if not ALLOWED[name] then
      complaints[#complaints + 1] = "needs " .. name
    end
  end
  return complaints
end

local function installed(program)
  return select(2, source.output("command -v " .. program .. " 2>&1"))
end

describe("the clone child's object", function()
  local dir

  setup(function()
    dir = assert(sys.mkdtemp())
  end)

  teardown(function()
    os.execute("rm -rf '" .. dir .. "'")
  end)

  for _, compiler in ipairs { "gcc", "clang" } do
    for _, options in ipairs { "CFLAGS=-O0", "CFLAGS=-O2", "CFLAGS=-O3", "SANITIZE=address,undefined" } do
      it(("needs no libc: %s %s"):format(compiler, options), function()
        if not installed(compiler) then
          pending(compiler .. " is not installed")
        end
        local build = dir .. "/" .. compiler .. options:gsub("%W", "")
        local object = build .. "/obj/core/spawn/child_noheap.o"
        local make = "make -s BUILD='%s' CC=%s %s '%s' 2>&1"
        local text, ok = source.output(make:format(build, compiler, options, object))
        assert(ok, text)
        assert.same({}, check_symbols(object))
      end)
    end
  end

  -- Debian has the kernel's generic headers, and aarch64 uses them with this one addition: no cross compiler is needed.
  it("needs no libc: aarch64", function()
    if not installed "clang" then
      pending "clang is not installed"
    end
    local object = dir .. "/aarch64.o"
    local compile = "ln -s /usr/include/asm-generic %s/asm && clang --target=aarch64-linux-gnu -std=c11 -O2 -Werror "
      .. "-ffreestanding -nostdlibinc -idirafter %s -idirafter /usr/include -D__ARCH_WANT_SYS_CLONE3 -iquote core "
      .. "-c -o %s core/spawn/child_noheap.c 2>&1"
    local text, ok = source.output(compile:format(dir, dir, object))
    assert(ok, text)
    assert.same({}, check_symbols(object))
  end)

  it("is told from one that calls libc", function()
    local path = dir .. "/bad"
    local text, ok = source.output(("printf 'int getpid(void); int f(void); int f(void) { return getpid(); }' | "
      .. "gcc -c -x c -o '%s.o' - 2>&1"):format(path))
    assert(ok, text)
    assert.same({ "needs getpid" }, check_symbols(path .. ".o"))
  end)
end)
