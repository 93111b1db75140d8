-- Pools whose members are replaced one by one, the new one ready before an old one goes: those that are stale after a
-- reload, or all, for a script that asks.

local M <const> = {}

---@class ward.service.RolledPool what the journal has of it, but for `answer`
---@field name string
---@field names string[] all its members
---@field left table<string, true>? members that are still to be replaced; nil: those that are stale
---@field by string? who asks, as for commands of the engine
---@field old string? and `fresh`: one is to take the place of the other first
---@field fresh string?
---@field answer fun(ok: boolean, result: table?)? told at the end; result: of the command that failed

---@class ward.service.Roll
---@field parts { driver: ward.service.Driver, journal: ward.service.Journal, say: fun(text: string, mood: string) }
---@field waiting table<string, thread> token -> who waits for its answer
---@field rolling table<string, ward.service.RolledPool[]> those that wait for the roll of the pool, by its name
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

--- One pool of a tree.
---@param node table? the tree, or part of it
---@param name string
---@return ward.service.RolledPool? pool none of its members is to be replaced
function M.pool(node, name)
  local children <const> = node and node.children or {}
  if node and node.pool and node.name == name then
    local names <const> = {}
    for i, child in ipairs(children) do
      names[i] = child.service
    end
    return { name = name, names = names, left = {} }
  end
  for _, child in ipairs(children) do
    local found <const> = M.pool(child, name)
    if found then
      return found
    end
  end
end

-- One command; yields until it is answered.
local function command(self, pool, op, name)
  self.serial = self.serial + 1
  local token = "roll " .. self.serial
  local me = coroutine.running()
  local early
  self.waiting[token] = function(reply)
    if early == nil and coroutine.status(me) == "suspended" then
      return coroutine.resume(me, reply)
    end
    early = reply
  end
  self.parts.driver:post({ kind = "command", op = op, names = { name }, token = token, by = pool.by })
  if early ~= nil then
    return early
  end
  return coroutine.yield()
end

-- Is there a process to be replaced? It may have got another one meanwhile, or be what is declared again.
local function is_old(self, pool, name)
  local view <const> = self.parts.driver:view(name)
  local meant = view and view.stale
  if pool.left then
    meant = pool.left[name]
  end
  return view ~= nil and view.desired == "up" and meant or false
end

-- Members that are to be replaced, and those that are not wanted.
local function members(self, pool)
  local old, spare = {}, {}
  for _, name in ipairs(pool.names) do
    local view = self.parts.driver:view(name)
    if not view or view.desired ~= "up" then
      spare[#spare + 1] = name
    elseif is_old(self, pool, name) then
      old[#old + 1] = name
    end
  end
  return old, spare
end

-- Whoever takes over from here has to know: while one takes the place of another, two are wanted for one.
local function note(self, pool, old, fresh)
  pool.old, pool.fresh = old, fresh
  self.parts.journal:rolling(pool.name, {
    name = pool.name, names = pool.names, left = pool.left, by = pool.by, old = old, fresh = fresh,
  })
end

-- Has `fresh` take the place of `name`. Returns whether it has, and what went wrong.
local function swap(self, pool, name, fresh)
  note(self, pool, name, fresh)
  local started <const> = command(self, pool, "start", fresh)
  local stopped <const> = command(self, pool, "stop", started.ok and name or fresh)
  if pool.left then
    pool.left[name] = nil
  end
  note(self, pool)
  local failed <const> = not started.ok and started or pool.left and not stopped.ok and stopped or nil
  return not failed, failed and failed.results[1]
end

local function given_up(self, pool, fresh, left, all)
  if not pool.answer then
    self.parts.say(('pool "%s": "%s" did not become ready: %d of %d members stay as they were'):format(
      pool.name, fresh, left, all), "bad")
  end
end

-- Returns whether all went well, and what did not.
local function replace(self, pool)
  local old, spare = members(self, pool)
  local fresh = pool.fresh
  if fresh then -- begun by a supervisor before this one
    local ok <const>, result <const> = swap(self, pool, pool.old, fresh)
    if not ok then
      given_up(self, pool, fresh, #old, #old)
      return false, result
    end
    old, spare = members(self, pool)
  end
  for done, name in ipairs(old) do
    if is_old(self, pool, name) then
      fresh = table.remove(spare, 1)
      local ok, result = true, nil
      if fresh then
        ok, result = swap(self, pool, name, fresh)
      else
        command(self, pool, "restart", name)
      end
      if not ok then
        given_up(self, pool, fresh, #old - done + 1, #old)
        return false, result
      end
      spare[#spare + 1] = fresh and name
    end
  end
  return true
end

-- One after the other, those that were asked for meanwhile as well.
local function roll(self, queue)
  while queue[1] do
    local pool <const> = queue[1]
    note(self, pool, pool.old, pool.fresh)
    local ok <const>, result <const> = replace(self, pool)
    table.remove(queue, 1)
    if not queue[1] then
      self.rolling[pool.name] = nil
      self.parts.journal:rolling(pool.name, nil)
    end
    if pool.answer then
      pool.answer(ok, result)
    end
  end
end

--- Begins to replace the members of pools that are to be. A pool that rolls already does so again when it is done: two
--- rolls of one pool would take each other's spare members.
---@param pools ward.service.RolledPool[]
function Roll:start(pools)
  for _, pool in ipairs(pools) do
    local queue <const> = self.rolling[pool.name]
    if queue then
      queue[#queue + 1] = pool
    else
      self.rolling[pool.name] = { pool }
      local ok, message = coroutine.resume(coroutine.create(roll), self, self.rolling[pool.name])
      assert(ok, message)
    end
  end
end

--- Replaces all members of a pool that are wanted, for the script.
---@param name string
---@param answer fun(ok: boolean, result: table?) maybe before this returns; result: of the command that failed
---@return boolean known whether there is such a pool
function Roll:all(name, answer)
  local driver <const> = self.parts.driver
  local pool <const> = M.pool(driver.tree, name)
  if not pool then
    return false
  end
  for _, member in ipairs(pool.names) do
    local view <const> = driver:view(member)
    pool.left[member] = view and view.desired == "up" or nil
  end
  pool.by, pool.answer = "script", answer
  self:start({ pool })
  return true
end

--- The engine has answered a command; true when it was one of these.
---@param token any
---@param reply { ok: boolean, results: table[] }
---@return boolean
function Roll:reply(token, reply)
  local told = self.waiting[token]
  self.waiting[token] = nil
  if told then
    told(reply)
  end
  return told ~= nil
end

---@param parts { driver: ward.service.Driver, journal: ward.service.Journal, say: fun(text: string, mood: string) }
---@return ward.service.Roll
function M.new(parts)
  return setmetatable({ parts = parts, waiting = {}, rolling = {}, serial = 0 }, Roll)
end

return M
