-- The graph of needs, wants and after: checked once, linked once, so that no step has to search for anything.

local M <const> = {}

local EDGES <const> = { "needs", "wants", "after" }

local NONE <const> = {} -- nobody writes to it

-- Most services have no neighbours.
local function alone(spec)
  return not next(spec.needs or NONE) and not next(spec.wants or NONE) and not next(spec.after or NONE)
end

-- All that a spec has to wait for, whatever for.
local function edges(spec)
  if alone(spec) then
    return NONE
  end
  local list <const> = {}
  for _, key in ipairs(EDGES) do
    for _, name in ipairs(spec[key] or {}) do
      list[#list + 1] = name
    end
  end
  return list
end

local function pause(at, breathe)
  if breathe and at % 256 == 0 then
    breathe()
  end
end

local function complain(errors, spec, text)
  local where = spec.source and spec.source .. ": " or ""
  errors[#errors + 1] = {
    source = spec.source,
    message = ('%sservice "%s": %s'):format(where, spec.name, text),
  }
end

local function index_names(specs, errors, breathe)
  local by_name, names = {}, {}
  for at, spec in ipairs(specs) do
    pause(at, breathe)
    local first = by_name[spec.name]
    if first then
      complain(errors, spec, "the name is taken" .. (first.source and " by " .. first.source or ""))
    else
      by_name[spec.name] = spec
      names[#names + 1] = spec.name
    end
  end
  return by_name, names
end

local VERBS <const> = { needs = "needs", wants = "wants", after = "is to start after" }

local function check_names(specs, by_name, names, nearest, errors, breathe)
  for at, spec in ipairs(specs) do
    pause(at, breathe)
    for _, key in ipairs(EDGES) do
      for _, other in ipairs(spec[key] or {}) do
        if not by_name[other] then
          local guess = nearest and nearest(other, names)
          complain(errors, spec, ('%s unknown service "%s"%s'):format(VERBS[key], other,
            guess and (' (did you mean "%s"?)'):format(guess) or ""))
        end
      end
    end
  end
end

-- Takes away every service that waits for nothing else any more. What is left is on a cycle or waits for one that is.
local function knotted(by_name, names, breathe)
  local open, users, free = {}, {}, {}
  for at, name in ipairs(names) do
    pause(at, breathe)
    open[name] = 0
    for _, need in ipairs(edges(by_name[name])) do
      if by_name[need] then
        open[name] = open[name] + 1
        users[need] = users[need] or {}
        table.insert(users[need], name)
      end
    end
    if open[name] == 0 then
      free[#free + 1] = name
    end
  end
  local left = #names
  while #free > 0 do
    local name = table.remove(free)
    left = left - 1
    for _, user in ipairs(users[name] or NONE) do
      open[user] = open[user] - 1
      if open[user] == 0 then
        free[#free + 1] = user
      end
    end
  end
  return left > 0 and open or nil
end

-- One line, also for a cycle of thousands.
local function draw(cycle)
  local count = #cycle
  if count <= 12 then
    return table.concat(cycle, " -> ")
  end
  return ("%s -> ... (%d more) -> %s"):format(table.concat(cycle, " -> ", 1, 6), count - 8,
    table.concat(cycle, " -> ", count - 1))
end

-- Among knotted services each waits for a knotted one: following the first of them must come round.
local function check_cycles(by_name, names, errors, breathe)
  local open = knotted(by_name, names, breathe)
  if not open then
    return
  end
  local walk_of = {} -- name -> the walk that came through, so that a cycle is told once
  for number, start in ipairs(names) do
    local path, at, name = {}, {}, open[start] > 0 and start or nil
    while name and not walk_of[name] do
      walk_of[name] = number
      path[#path + 1] = name
      at[name] = #path
      local from = name
      name = nil
      for _, need in ipairs(edges(by_name[from])) do
        if by_name[need] and open[need] > 0 then
          name = need
          break
        end
      end
    end
    if name and walk_of[name] == number then
      local cycle = table.move(path, at[name], #path, 1, {})
      cycle[#cycle + 1] = name
      complain(errors, by_name[name], "dependency cycle: " .. draw(cycle))
    end
  end
end

--- Are the names unique, and the names in needs, wants and after known and free of cycles?
---@param specs table[] canonical specs in declaration order
---@param nearest? fun(word: string, names: string[]): string|nil finds what a misspelt name may have meant
---@param breathe? fun() called now and then; it may yield
---@return true|nil, { message: string, source: string|nil }[]|nil
function M.check(specs, nearest, breathe)
  local errors = {}
  local by_name, names = index_names(specs, errors, breathe)
  check_names(specs, by_name, names, nearest, errors, breathe)
  check_cycles(by_name, names, errors, breathe)
  if #errors > 0 then
    return nil, errors
  end
  return true
end

--- The order in which services stop.
function M.later_first(a, b)
  return a.index > b.index
end

local later_first <const> = M.later_first

local LISTS <const> = { "needs", "dependents", "firsts", "laters", "pulls", "shaken" }

local function add(svc, key, other)
  local list = svc[key]
  if list == NONE then
    list = {}
    svc[key] = list
  end
  list[#list + 1] = other
end

--- Sets the neighbours of each service, later declared first: the order in which things stop.
---   needs, dependents   hard: ready before it starts, gone before what it needs is signalled
---   firsts, laters      soft (wants, after): one try before it starts, gone before when both stop
---   pulls               what a start of it starts too: needs and wants
---   shaken              those of dependents that are restarted with it
---@param services table[] in declaration order, each with its spec
---@param by_name table<string, table>
function M.link(services, by_name)
  for _, svc in ipairs(services) do
    for _, key in ipairs(LISTS) do
      svc[key] = NONE
    end
  end
  local function join(svc, names, forth, back, seen)
    for _, name in ipairs(names or NONE) do
      local other = by_name[name] -- nil: of a service that is declared no longer
      if other and not seen[other] then
        seen[other] = true
        add(svc, forth, other)
        add(other, back, svc)
      end
    end
  end
  for _, svc in ipairs(services) do
    local spec = svc.spec
    if not alone(spec) then
      local seen = {}
      join(svc, spec.needs, "needs", "dependents", seen)
      for _, need in ipairs(spec.on_restart == "restart" and svc.needs or NONE) do
        add(need, "shaken", svc)
      end
      join(svc, spec.wants, "firsts", "laters", seen)
      svc.pulls = table.move(svc.needs, 1, #svc.needs, 1, {})
      table.move(svc.firsts, 1, #svc.firsts, #svc.pulls + 1, svc.pulls)
      join(svc, spec.after, "firsts", "laters", seen)
    end
  end
  for _, svc in ipairs(services) do
    for _, key in ipairs(LISTS) do
      if svc[key][2] then
        table.sort(svc[key], later_first)
      end
    end
  end
end

-- The members of a list, or of a set, which may not be there.
local function visit(members, take)
  for key, value in pairs(members or NONE) do
    take(value == true and key or value)
  end
end

--- All that can be reached from `svc` along one of the lists, without itself, later declared first.
---@param svc table
---@param along "needs"|"users"|"pulls"
---@param seen? table<table, boolean> services to leave out; those found are added
---@return table[] services
function M.reach(svc, along, seen)
  local found = {}
  seen = seen or {}
  seen[svc] = true
  local from, walked = svc, 0
  repeat
    visit(from[along], function(other)
      if not seen[other] then
        seen[other] = true
        found[#found + 1] = other
      end
    end)
    walked = walked + 1
    from = found[walked]
  until not from
  table.sort(found, later_first)
  return found
end

return M
