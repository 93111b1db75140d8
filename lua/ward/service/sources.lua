-- `ward run --watch`: a reload when a source of the script is not what was loaded any more.
--
-- Directories are watched, because editors replace files; what counts is the text. A half-written file is refused by
-- the reload, and the rest of it is the next change.

local core <const> = require("ward.core")

local M <const> = {}

-- Seconds without a change before the sources are read.
local QUIET <const> = 0.1

---@class ward.service.Sources
---@field reloader ward.service.Reloader
---@field watches table<string, userdata> by directory
---@field seen table<string, string> what was loaded, or tried, last
local Sources <const> = {}
Sources.__index = Sources

local function directory(path)
  return path:match("^(.*)/[^/]*$") or "."
end

-- Watches where the sources are; what is watched already stays so, for a source that may come back.
local function watch(self)
  for path in pairs(self.reloader.sources) do
    local dir = directory(path)
    if not self.watches[dir] then
      self.watches[dir] = core.watch(dir == "" and "/" or dir, function(what)
        if what == "gone" then
          self.watches[dir]:close()
          self.watches[dir] = nil
        end
        self.timer:arm(core.now() + QUIET)
      end)
    end
  end
end

-- Is there anything that has not been tried yet? A version that was refused, or rolled back, is not tried again.
local function news(self)
  local any = false
  for path, loaded in pairs(self.reloader.sources) do
    local text = core.read(path)
    any = any or text ~= (self.seen[path] or loaded)
    self.seen[path] = text
  end
  return any
end

--- Ends the watch.
function Sources:close()
  self.timer:close()
  for _, each in pairs(self.watches) do
    each:close()
  end
end

--- Watches the sources of what runs.
---@param reloader ward.service.Reloader
---@return ward.service.Sources
function M.new(reloader)
  local self = setmetatable({ reloader = reloader, watches = {}, seen = {} }, Sources)
  self.timer = core.timer(function()
    watch(self)
    if news(self) then
      reloader:by_itself({ restart = true }, "changed on disk")
    end
  end)
  watch(self)
  news(self)
  return self
end

return M
