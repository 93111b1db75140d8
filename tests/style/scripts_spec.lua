-- Scripts are made to be copied: each has a verb-noun name, a head that says what, when and needs, and a row in
-- README.md.
local source <const> = require "style.source"

local MOST_LINES <const> = 60

-- The comment that a file begins with, without its marks.
local function head_of(text)
  local lines = {}
  for _, line in source.lines(text) do
    local said = line:match("^%-%-%s?(.*)$")
    if not said then
      break
    end
    lines[#lines + 1] = said
  end
  return "\n" .. table.concat(lines, "\n")
end

local function check_script(path, text)
  local complaints = {}
  local name = path:match("[^/]+$")
  if not name:find("^%l+%-[%l%d][%l%d-]*%.lua$") then
    complaints[#complaints + 1] = path .. ": its name is not verb-noun.lua"
  end
  local head = head_of(text)
  for _, part in ipairs { "What", "Use when", "Needs" } do
    if not head:find("\n" .. part .. ":%s+%S") then
      complaints[#complaints + 1] = ("%s: its head lacks a line `-- %s: ...`"):format(path, part)
    end
  end
  local count <const> = select(2, text:gsub("\n", ""))
  if count > MOST_LINES then
    complaints[#complaints + 1] = ("%s: has %d lines, more than %d"):format(path, count, MOST_LINES)
  end
  return complaints
end

local function check_table(readme)
  return function(path)
    for _, line in source.lines(readme) do
      if line:find("^|") and line:find(path, 1, true) then
        return {}
      end
    end
    return { path .. ": has no row in README.md's table" }
  end
end

describe("scripts", function()
  local files <const> = source.files("scripts", ".lua")

  it("have a verb-noun name, a head and a length to read at once", function()
    assert.same({}, source.complaints(files, check_script))
  end)

  it("stand in README.md", function()
    if #files > 0 then
      assert.same({}, source.complaints(files, check_table(source.read("README.md"))))
    end
  end)

  it("without these are caught", function()
    assert.same({}, check_script("scripts/run-a.lua", "-- What: a\n-- Use when:  b\n-- c\n-- Needs: d\n\nlocal x"))
    assert.same({
      "scripts/Demo.lua: its name is not verb-noun.lua", "scripts/Demo.lua: its head lacks a line `-- Use when: ...`",
      "scripts/Demo.lua: its head lacks a line `-- Needs: ...`",
    }, check_script("scripts/Demo.lua", "-- What: a\n-- Needs:\n\n-- Use when: too late\n"))
    assert.same({ "scripts/run-a.lua: has 61 lines, more than 60" },
      check_script("scripts/run-a.lua", "-- What: a\n-- Use when: b\n-- Needs: d\n" .. ("\n"):rep(58)))
    local check = check_table("scripts/a-b.lua\n| `scripts/run-a.lua` | does |\n")
    assert.same({}, check("scripts/run-a.lua"))
    assert.same({ "scripts/a-b.lua: has no row in README.md's table" }, check("scripts/a-b.lua"))
  end)
end)
