-- The graph of needs: checked once, linked once, so that no step has to search for anything.

local M <const> = {}

local function complain(errors, spec, text)
  local where = spec.source and spec.source .. ": " or ""
  errors[#errors + 1] = {
    source = spec.source,
    message = ('%sservice "%s": %s'):format(where, spec.name, text),
  }
end

local function index_names(specs, errors)
  local by_name, names = {}, {}
  for _, spec in ipairs(specs) do
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

local function check_needs(specs, by_name, names, nearest, errors)
  for _, spec in ipairs(specs) do
    for _, need in ipairs(spec.needs) do
      if not by_name[need] then
        local guess = nearest and nearest(need, names)
        complain(errors, spec, ('needs unknown service "%s"%s'):format(need,
          guess and (' (did you mean "%s"?)'):format(guess) or ""))
      end
    end
  end
end

-- Takes away every service whose needs are all taken away. What is left is on a cycle or needs one that is.
local function knotted(by_name, names)
  local open, users, free = {}, {}, {}
  for _, name in ipairs(names) do
    users[name] = users[name] or {}
    open[name] = 0
    for _, need in ipairs(by_name[name].needs) do
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
    for _, user in ipairs(users[name]) do
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

-- Among knotted services each has a knotted need: following the first of them must come round.
local function check_cycles(by_name, names, errors)
  local open = knotted(by_name, names)
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
      for _, need in ipairs(by_name[from].needs) do
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

--- Are the names unique, the needs known and free of cycles?
---@param specs table[] canonical specs in declaration order
---@param nearest? fun(word: string, names: string[]): string|nil finds what a misspelt name may have meant
---@return true|nil, { message: string, source: string|nil }[]|nil
function M.check(specs, nearest)
  local errors = {}
  local by_name, names = index_names(specs, errors)
  check_needs(specs, by_name, names, nearest, errors)
  check_cycles(by_name, names, errors)
  if #errors > 0 then
    return nil, errors
  end
  return true
end

local function later_first(a, b)
  return a.index > b.index
end

--- Sets `needs` and `dependents` of each service, later declared first: the order in which things stop.
---@param services table[] in declaration order, each with its spec
---@param by_name table<string, table>
function M.link(services, by_name)
  for _, svc in ipairs(services) do
    svc.needs, svc.dependents = {}, {}
  end
  for _, svc in ipairs(services) do
    local seen = {}
    for _, name in ipairs(svc.spec.needs) do
      local need = by_name[name]
      if not seen[need] then
        seen[need] = true
        table.insert(svc.needs, need)
        table.insert(need.dependents, svc)
      end
    end
  end
  for _, svc in ipairs(services) do
    table.sort(svc.needs, later_first)
    table.sort(svc.dependents, later_first)
  end
end

--- All that can be reached from `svc` along "needs" or "dependents", without itself, later declared first.
---@param svc table
---@param along "needs"|"dependents"
---@return table[] services
function M.reach(svc, along)
  local found, seen = {}, { [svc] = true }
  local from, walked = svc, 0
  repeat
    for _, other in ipairs(from[along]) do
      if not seen[other] then
        seen[other] = true
        found[#found + 1] = other
      end
    end
    walked = walked + 1
    from = found[walked]
  until not from
  table.sort(found, later_first)
  return found
end

return M
