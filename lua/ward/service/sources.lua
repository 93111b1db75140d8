-- `ward run --watch`: a reload when a source of the script is not what was loaded any more.
--
-- Directories are watched, because editors replace files; what counts is the text. A half-written file is refused by
-- the reload, and the rest of it is the next change.

local core <const> = require("ward.core")
local search <const> = require("ward.script.search")

local M <const> = {}

-- Seconds without a change before the sources are read, and until a directory that is gone is looked for again.
local QUIET <const>, RETRY <const> = 0.1, 1

-- As the kernel has it.
local MOST_LINKS <const> = 40

---@class ward.service.Sources
---@field reloader ward.service.Reloader
---@field watches table<string, userdata> by directory
---@field names table<string, table<string, true>> by directory: what matters in it
---@field files table<string, string|false> what is on disk; false: nothing
---@field seen table<string, string|false> what was loaded, or tried, last
local Sources <const> = {}
Sources.__index = Sources

-- Adds the directories through which a path leads to its file, and the names in them that decide where: the links on
-- the way, the first directory that is not there, and the file.
local function add_route(names, path)
  local dir, rest, links = "/", path, 0
  if path:sub(1, 1) ~= "/" then
    rest = core.cwd() .. "/" .. path
  end
  while true do
    local name, after = rest:match("^/*([^/]+)(.*)$")
    if not name then
      return
    end
    local here = dir == "/" and dir .. name or dir .. "/" .. name
    local target = name ~= ".." and core.readlink(here)
    local missing = not target and name ~= ".." and after:find("[^/]") and not core.stat(here)
    if target or missing or not after:find("[^/]") then
      names[dir] = names[dir] or {}
      names[dir][name] = true
    end
    if missing then
      return
    end
    if target and links < MOST_LINKS then
      links, after = links + 1, target .. after
      dir = target:sub(1, 1) == "/" and "/" or dir
    elseif name == ".." then
      dir = dir:match("^(.+)/[^/]+$") or "/"
    elseif name ~= "." then
      dir = here
    end
    rest = after
  end
end

-- What the script on disk reads, as far as its text tells, and what runs: a version that was refused may read others.
local function on_disk(reloader)
  local files = {}
  local root <const> = search.directory(reloader.parts.path)
  local function add(path)
    if files[path] ~= nil then
      return
    end
    files[path] = core.read(path) or false
    for name in (files[path] or ""):gmatch("require%s*%(?%s*[\"']([%w_.-]+)[\"']") do
      for _, each in ipairs(search.candidates(root, name)) do
        add(each)
      end
    end
  end
  add(reloader.parts.path)
  for path in pairs(reloader.sources) do
    add(path)
  end
  return files
end

-- Watches where the sources are. Returns whether all those directories are there.
local function watch(self)
  self.names = {}
  for path in pairs(self.files) do
    add_route(self.names, path)
  end
  for dir, handle in pairs(self.watches) do
    if not self.names[dir] then
      handle:close()
      self.watches[dir] = nil
    end
  end
  local all = true
  for dir in pairs(self.names) do
    self.watches[dir] = self.watches[dir] or core.watch(dir, function(what, name)
      if what == "gone" then
        self.watches[dir]:close()
        self.watches[dir] = nil
      elseif what == "changed" and not self.names[dir][name] then
        return -- a busy directory would never be quiet
      end
      self.timer:arm(core.now() + QUIET)
    end)
    all = all and self.watches[dir] ~= nil
  end
  return all
end

-- Is there anything that has not been tried yet? A version that was refused, or rolled back, is not tried again.
local function news(self)
  local any = false
  for path, text in pairs(self.files) do
    local last = self.seen[path]
    if last == nil then
      last = self.reloader.sources[path] or text -- where it is not known yet, what names it is news
    end
    any = any or text ~= last
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
  local self = setmetatable({ reloader = reloader, watches = {}, names = {}, files = {}, seen = {} }, Sources)
  local function look()
    self.files = on_disk(reloader)
    if not watch(self) then
      self.timer:arm(core.now() + RETRY)
    end
    if news(self) then
      reloader:by_itself({ restart = true }, "changed on disk")
    end
  end
  self.timer = core.timer(look)
  reloader.took_over = function()
    self.timer:arm(core.now()) -- its sources may be others
  end
  look()
  return self
end

return M
