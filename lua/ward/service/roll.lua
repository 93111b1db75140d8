-- Pools whose members are stale after a reload: replaced one by one, the new one ready before an old one goes.

local M <const> = {}

---@class ward.service.Roll
---@field parts { driver: ward.service.Driver, journal: ward.service.Journal, say: fun(text: string, mood: string) }
---@field waiting table<string, thread> token -> who waits for its answer
---@field rolling table<string, table> the pools that roll, by name; `again`: as declared meanwhile
local Roll <const> = {}
Roll.__index = Roll

--- The pools of a tree that have stale members.
---@param tree table
---@param stale string[]
---@return table[] pools { name =, names = of all members }
function M.pools(tree, stale)
  local is_stale, pools = {}, {}
  for _, name in ipairs(stale) do
    is_stale[name] = true
  end
  local function visit(node)
    local names, any = {}, false
    for i, child in ipairs(node.children or {}) do
      visit(child)
      names[i] = child.service
      any = any or is_stale[child.service or ""]
    end
    if node.pool and any then
      pools[#pools + 1] = { name = node.name, names = names }
    end
  end
  if #stale > 0 then
    visit(tree)
  end
  return pools
end

--- All their members.
---@param pools table[]
---@return table<string, boolean>
function M.members(pools)
  local set = {}
  for _, pool in ipairs(pools) do
    for _, name in ipairs(pool.names) do
      set[name] = true
    end
  end
  return set
end

-- One command; yields until it is answered.
local function command(self, op, name)
  self.serial = self.serial + 1
  local token = "roll " .. self.serial
  local me = coroutine.running()
  local early
  self.waiting[token] = function(ok)
    if early == nil and coroutine.status(me) == "suspended" then
      return coroutine.resume(me, ok)
    end
    early = ok
  end
  self.parts.driver:post({ kind = "command", op = op, names = { name }, token = token })
  if early ~= nil then
    return early
  end
  return coroutine.yield()
end

-- Members that are wanted and have the process of another declaration, and those that are not wanted.
local function members(self, pool)
  local old, spare = {}, {}
  for _, name in ipairs(pool.names) do
    local view = self.parts.driver:view(name)
    if view and view.desired == "up" then
      table.insert(old, view.stale and name or nil)
    else
      spare[#spare + 1] = name
    end
  end
  return old, spare
end

-- Has `fresh` take the place of `name`. Whoever takes over from here has to know: two are wanted for one.
local function swap(self, pool, name, fresh)
  local journal <const> = self.parts.journal
  journal:rolling(pool.name, { name = pool.name, names = pool.names, old = name, fresh = fresh })
  local ok <const> = command(self, "start", fresh)
  command(self, "stop", ok and name or fresh)
  journal:rolling(pool.name, { name = pool.name, names = pool.names })
  return ok
end

local function given_up(self, pool, fresh, left, all)
  self.parts.say(('pool "%s": "%s" did not become ready: %d of %d members stay as they were'):format(
    pool.name, fresh, left, all), "bad")
end

local function replace(self, pool)
  local old, spare = members(self, pool)
  for done, name in ipairs(old) do
    local view = self.parts.driver:view(name)
    local still = view and view.stale
    local fresh = still and table.remove(spare, 1)
    if not still then -- it has got another process meanwhile, or is what is declared again
      goto next
    elseif not fresh then
      command(self, "restart", name)
    elseif swap(self, pool, name, fresh) then
      spare[#spare + 1] = name
    else
      return given_up(self, pool, fresh, #old - done + 1, #old)
    end
    ::next::
  end
end

-- Replaces until nobody has asked for more meanwhile.
local function roll(self, pool)
  local now = pool
  self.rolling[pool.name] = pool
  self.parts.journal:rolling(pool.name, { name = pool.name, names = pool.names })
  if pool.fresh and not swap(self, pool, pool.old, pool.fresh) then -- begun by a supervisor before this one
    local old <const> = members(self, pool)
    given_up(self, pool, pool.fresh, #old, #old)
    now = pool.again
  end
  while now do
    pool.again = nil
    replace(self, now)
    now = pool.again
  end
  self.rolling[pool.name] = nil
  self.parts.journal:rolling(pool.name, nil)
end

--- Begins to replace the stale members of pools. One that rolls already does so again when it is done: two rolls of one
--- pool would take each other's spare members.
---@param pools table[] { name =, names =, old =, fresh = }; the last two: one is to take the place of the other first
function Roll:start(pools)
  for _, pool in ipairs(pools) do
    local rolling <const> = self.rolling[pool.name]
    if rolling then
      rolling.again = pool
    else
      local ok, message = coroutine.resume(coroutine.create(roll), self, pool)
      assert(ok, message)
    end
  end
end

--- The engine has answered a command; true when it was one of these.
---@param token any
---@param reply { ok: boolean }
---@return boolean
function Roll:reply(token, reply)
  local told = self.waiting[token]
  self.waiting[token] = nil
  if told then
    told(reply.ok)
  end
  return told ~= nil
end

---@param parts { driver: ward.service.Driver, journal: ward.service.Journal, say: fun(text: string, mood: string) }
---@return ward.service.Roll
function M.new(parts)
  return setmetatable({ parts = parts, waiting = {}, rolling = {}, serial = 0 }, Roll)
end

return M
