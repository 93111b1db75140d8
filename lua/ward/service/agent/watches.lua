-- What a script watches (ward.watch). What happens is collected here until it has been quiet for a while, and while
-- the function still works on what was before: a busy directory costs the script one call, not thousands.

local core <const> = require("ward.core")

local M <const> = { ops = {} }

local MAX_WATCHES <const>, MAX_NAMES <const> = 4096, 1000
local PATIENCE <const> = 10 -- times the debounce: what never gets quiet is told then
local RETRY <const> = 1 -- seconds until a directory that is gone is looked for again

---@class ward.service.Watch
---@field path string absolute
---@field dir string the directory that is watched
---@field name string? in it; nil: all of it
---@field handle userdata? nil while the directory is gone
---@field identity string? of the directory
---@field print string? of the file: tells one state from another
---@field exists boolean? as it was told last
---@field touched boolean the file itself was named in an event
---@field names table<string, true>
---@field count integer of names
---@field rescan boolean events were lost
---@field busy boolean the script works on an earlier call
---@field deadline number? of what never gets quiet; nil: nothing has happened

local function fingerprint(path)
  local st = core.stat(path)
  return st and ("%d:%d:%d:%d:%.9f:%s"):format(st.dev, st.ino, st.size, st.mode, st.mtime, st.type)
end

local function identity(path)
  local st = core.stat(path)
  return st and ("%d:%d"):format(st.dev, st.ino)
end

local function forget(watch)
  watch.touched, watch.names, watch.count, watch.rescan, watch.deadline = false, {}, 0, false, nil
end

-- What has happened, as the script is told; nil when it is nothing.
local function news(watch)
  local print = fingerprint(watch.path)
  local event = { path = watch.path, exists = print ~= nil }
  watch.exists = event.exists
  if watch.name then
    local changed = watch.touched or print ~= watch.print
    watch.print = print
    return changed and event or nil
  end
  event.rescan, event.names = watch.rescan, {}
  for name in pairs(watch.names) do
    event.names[#event.names + 1] = name
  end
  table.sort(event.names)
  return event
end

local function notice(watch)
  local now = core.now()
  watch.deadline = watch.deadline or now + PATIENCE * watch.debounce
  watch.timer:arm(math.min(now + watch.debounce, watch.deadline))
end

local function changed(watch, name)
  if watch.name then
    -- Another name may be a link on the way to ours: the fingerprint will say.
    watch.touched = watch.touched or name == watch.name
  elseif not watch.names[name] then
    watch.count = watch.count + 1
    watch.rescan = watch.rescan or watch.count > MAX_NAMES
    if watch.count <= MAX_NAMES then
      watch.names[name] = true
    end
  end
  notice(watch)
end

local open

local function gone(watch)
  watch.handle:close()
  watch.handle, watch.rescan = nil, true
  if not open(watch) then
    watch.retry = watch.retry or core.timer(function()
      local back = open(watch)
      if not back then
        watch.retry:arm(core.now() + RETRY)
      end
      if back or watch.exists then
        watch.rescan = true
        notice(watch)
      end
    end)
    watch.retry:arm(core.now() + RETRY)
  end
  notice(watch)
end

local function tell(self, id, watch)
  if watch.busy or not watch.deadline then
    return
  end
  -- One that is removed while a process works in it, or moved with what it is in, goes without a word.
  if watch.handle and identity(watch.dir) ~= watch.identity then
    gone(watch)
  end
  local event = news(watch)
  forget(watch)
  if event then
    watch.busy = true
    self:post("watch", id, event)
  end
end

function open(watch)
  local err
  watch.identity = identity(watch.dir)
  watch.handle, err = core.watch(watch.dir, function(what, name)
    if what == "changed" then
      changed(watch, name)
    elseif what == "gone" then
      gone(watch)
    else
      watch.rescan = true
      notice(watch)
    end
  end)
  return watch.handle, err
end

local function close(watch)
  watch.timer:close()
  if watch.retry then
    watch.retry:close()
  end
  if watch.handle then
    watch.handle:close()
  end
end

-- A directory is watched itself; anything else, there or not, through the directory that it is in.
local function place(path)
  path = path:gsub("(.)/+$", "%1")
  local st = core.stat(path)
  if st and st.type == "dir" then
    return path
  end
  local dir, name = path:match("^(.*)/([^/]+)$")
  return dir == "" and "/" or dir, name
end

function M.ops.watch(self, id, path, debounce)
  local count = 0
  for _ in pairs(self.watches) do
    count = count + 1
  end
  if count >= MAX_WATCHES then
    return nil, { code = "EMFILE", message = ("a script can have %d watches"):format(MAX_WATCHES) }
  end
  local watch = { path = path, debounce = debounce, busy = false }
  forget(watch)
  watch.dir, watch.name = place(path)
  local handle, err = open(watch)
  if not handle then
    return nil, { code = err.code, errno = err.errno, message = err.message }
  end
  watch.print = watch.name and fingerprint(path)
  watch.timer = core.timer(function()
    tell(self, id, watch)
  end)
  self.watches[id] = watch
  return true
end

-- The script is done with the last call.
function M.ops.watch_ready(self, id)
  local watch = self.watches[id]
  if watch then
    watch.busy = false
    if watch.deadline then
      notice(watch)
    end
  end
end

function M.ops.unwatch(self, id)
  if self.watches[id] then
    close(self.watches[id])
    self.watches[id] = nil
  end
end

--- Ends what the script had.
---@param self ward.service.Agent
function M.close(self)
  for _, watch in pairs(self.watches) do
    close(watch)
  end
  self.watches = {}
end

return M
