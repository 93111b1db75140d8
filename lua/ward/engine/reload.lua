-- Another set of services takes over, under those that run. What the script still declares keeps its process, its
-- counters, its timers and what an operator wanted of it; only what it is like changes. What it declares no longer
-- goes on as it was, as the last child of the root, until it is down or is told to go.

local command <const> = require "ward.engine.command"
local grow <const> = require "ward.engine.grow"
local hold <const> = require "ward.engine.hold"
local order <const> = require "ward.engine.order"
local out <const> = require "ward.engine.out"
local reply <const> = require "ward.engine.reply"
local state <const> = require "ward.engine.state"
local tree <const> = require "ward.engine.tree"

local M <const> = {}

-- Is there anything of a service that is to stay?
local function lingers(svc, prune)
  return order.live(svc) or svc.state == "stuck" or svc.up or not prune and svc.state == "backoff"
end

local function drop(st, svc)
  out.disarm(st, svc)
  reply.sweep(st, svc, function(waiter)
    return waiter.goal == "stopped", "is not declared any more", "unknown"
  end)
  out.emit(st, { kind = "event", type = "removed", name = svc.name, from = svc.state })
end

-- Those that the new tree does not have. Returns those that have to stop.
local function keep_old(st, old, prune, former)
  local stops = {}
  for _, svc in ipairs(old.services) do
    if not st.by_name[svc.name] then
      hold.set(st, svc, nil)
      svc.removed, svc.spec = svc.removed or svc.desired, former and former[svc.name] or svc.spec
      if lingers(svc, prune) then
        grow.append(st, svc)
        if prune then
          svc.desired = "down"
          table.insert(stops, 1, svc)
        end
      else
        drop(st, svc)
      end
    end
  end
  for _, sup in ipairs(old.supervisors) do
    if st.sup_by_name[sup.name or ""] ~= sup then
      out.disarm(st, sup)
    end
  end
  return stops
end

-- A pool that is declared larger or smaller than before is that, whatever it was made since.
local function resize(svc, was_dormant, wanted, stops)
  local dormant <const> = svc.spec.dormant or false
  if dormant ~= was_dormant then
    svc.desired = dormant and "down" or "up"
    local list <const> = dormant and stops or wanted
    list[#list + 1] = svc
  end
end

--- Is a service that runs, or tries to, to have another process? One whose restarting is paused keeps the one it has.
---@param svc table
---@return boolean
function M.is_due(svc)
  return not svc.paused and svc.desired == "up"
    and (order.live(svc) or svc.up or svc.state == "backoff" or svc.state == "failed")
end

-- Those whose process is not what the script declares now; returns those that are to be restarted.
local function outdated(st, event)
  local list = {}
  for _, svc in ipairs(st.services) do
    if not event.stale[svc.name] then
      svc.stale = svc.removed and svc.stale or nil
    else
      svc.stale = (svc.proc or svc.up) and true or nil
      if event.restart and not (event.rolls and event.rolls[svc.name]) and M.is_due(svc) then
        list[#list + 1] = svc
      end
    end
  end
  return list
end

-- One that is declared again is wanted as before, whoever has stopped it meanwhile.
local function revive(st, svc)
  reply.sweep(st, svc, function(waiter)
    if waiter.op == "stop" and svc.desired == "up" then
      return false, "superseded by a reload", "superseded"
    end
  end)
end

-- Makes the tree again around the nodes that stay. Returns the services that have to stop.
local function replant(st, event)
  local old <const> = {
    services = st.services, by_name = st.by_name, supervisors = st.supervisors, sup_by_name = st.sup_by_name,
    root = st.root, back = {},
  }
  old.sup_by_name[old.root.name or ""] = nil -- the root is the root, whatever its name
  grow.tree(st, event.specs, event.tree, old)
  local stops <const> = keep_old(st, old, event.prune, event.former)
  grow.link(st)
  tree.mend(st)
  for _, svc in ipairs(old.back) do
    revive(st, svc)
  end
  for _, svc in ipairs(st.services) do -- what is done is ready or down by its type, which may be another one now
    state.answer_reached(st, svc)
  end
  return stops
end

-- Puts the new specs into their places. Returns the services that have to stop, and those that may have to start.
local function settle(st, event)
  local fresh <const>, was_dormant <const> = event.fresh or event.specs, {}
  for _, spec in ipairs(fresh) do
    local svc <const> = st.by_name[spec.name]
    was_dormant[spec.name] = svc and (svc.spec.dormant or false)
  end
  local replanted <const> = not grow.touch(st, fresh, #event.specs, event.tree)
    and not grow.keep_shape(st, event.specs, event.tree)
  local stops <const>, wanted <const> = replanted and replant(st, event) or {}, {}
  for _, spec in ipairs(fresh) do
    local svc <const>, before <const> = st.by_name[spec.name], was_dormant[spec.name]
    if before == nil and svc.desired == "up" then
      wanted[#wanted + 1] = hold.admits(st, svc) and svc or nil
    elseif before ~= nil and not svc.removed then
      resize(svc, before, wanted, stops)
    end
  end
  return stops, wanted
end

--- Takes over what a new script declares.
---@param st table
---@param event { specs: table[], fresh: table[]|nil, tree: table|nil, stale: table<string, boolean>, restart: boolean,
---  prune: boolean, former: table<string, table>|nil, rolls: table<string, boolean>|nil }
---  fresh: those of the specs that are others than before (nil: all); stale: all names whose process is not what the
---  script declares; restart: whether these are restarted; prune: whether what is declared no longer is stopped;
---  former: the specs of these from now on; rolls: stale ones that somebody else will replace
function M.apply(st, event)
  if st.level > 0 then
    return
  end
  local stops <const>, wanted <const> = settle(st, event)
  local again <const>, starts <const> = command.restarts(st, outdated(st, event))
  state.halt_all(st, table.move(again, 1, #again, #stops + 1, stops), { reason = "reload" })
  command.begin(st, wanted, "want")
  command.begin(st, starts, "start")
end

--- Forgets services that are declared no longer, once they are down. Call it when a step is done.
---@param st table
function M.sweep(st)
  if not st.litter then
    return
  end
  st.litter = nil
  local children = {}
  for _, child in ipairs(st.root.children) do
    if child.removed and not lingers(child, true) and child.state ~= "backoff" then
      drop(st, child)
    else
      children[#children + 1] = child
    end
  end
  st.root.children = children
  grow.shrink(st)
end

return M
