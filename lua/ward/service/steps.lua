-- The queue between what happens and the engine: one event after the other, and what each step asks for carried out
-- before the next. An effect that causes an event never steps the engine inside a step.

local core <const> = require("ward.core")
local engine <const> = require("ward.engine")
local journal <const> = require("ward.service.journal")

local M <const> = {}

--- Errors here are ours. They are told and survived: children are worth more than a clean stack.
---@param driver ward.service.Driver
---@param what string
---@param fn function
function M.guarded(driver, what, fn, ...)
  local ok, err = xpcall(fn, debug.traceback, ...)
  if not ok then
    driver.hooks.internal_error(what, tostring(err))
  end
end

local guarded <const> = M.guarded

-- Seconds until an event that the engine could not take is told again; twice as long each time.
local AGAIN <const>, AGAIN_MOST <const> = 1, 60

--- Posts an event after a while.
---@param driver ward.service.Driver
---@param delay number
---@param event table
function M.later(driver, delay, event)
  local timer
  timer = core.timer(function()
    timer:close()
    driver.failing[timer] = nil
    M.post(driver, event)
  end)
  driver.failing[timer] = true
  timer:arm(core.now() + delay)
end

-- What has happened stays so, whether the engine takes it or not.
local STAYS <const> = { exit = true, ran = true, timer = true }

-- The engine has not taken an event. Nobody but it waits for the others: what they missed comes by a time limit.
local function refused(driver, event)
  event.refused = true
  if STAYS[event.kind] then
    local tries <const> = event.tries or 0
    event.tries, event.now, event.refused = tries + 1, nil, nil
    M.later(driver, math.min(AGAIN * 2 ^ tries, AGAIN_MOST), event)
  elseif event.token ~= nil and event.kind ~= "cancel" then
    local results <const> = {}
    for at, name in ipairs(event.names or {}) do
      results[at] = { name = name, ok = false, code = "internal", message = "internal error" }
    end
    driver.hooks.reply(event.token, { kind = "reply", token = event.token, ok = false, results = results })
  end
end

-- One step of the engine, and what that asks for. A step that fails has not happened.
local function decide(driver, event, now)
  local ok <const>, state <const>, effects <const> = xpcall(engine.step, debug.traceback, driver.state, event, now)
  if ok then
    driver.state = state
    return effects
  end
  driver.hooks.internal_error(event.kind, tostring(state))
  local before <const>, asked_for <const> = driver.journal:undo()
  driver.state = before or driver.state
  if not asked_for then
    refused(driver, event)
  end
  return asked_for or {}
end

-- The turns of the effects of a step: what acts comes before what tells, so that a service that died is back before its
-- obituary is written, and the script, which may hang, is entered when all else is done.
local function step(driver, event)
  local now <const> = event.now or core.now()
  driver.journal:event(now, event, driver.state)
  local effects <const> = decide(driver, event, now)
  for turn = 1, journal.TURNS do
    local doubtful = false
    for _, effect in ipairs(effects) do
      if journal.turn(effect) == turn then
        doubtful = doubtful or journal.is_doubtful(effect)
        guarded(driver, effect.kind, driver.effects[effect.kind], driver, effect)
      end
    end
    if doubtful then
      driver.journal:done(turn)
    end
  end
end

local function advance(driver)
  local event = driver.queue[driver.at]
  driver.at = driver.at + 1
  guarded(driver, event.kind, step, driver, event)
  driver.early = nil
end

local function drain(driver)
  driver.draining = true
  while driver.queue[driver.at] do
    advance(driver)
  end
  driver.queue, driver.at, driver.draining = {}, 1, false
end

--- Queues an event, and works the queue off. Called from within that it only queues.
---@param driver ward.service.Driver
---@param event table
function M.post(driver, event)
  driver.queue[#driver.queue + 1] = event
  if not driver.draining then
    drain(driver)
  end
end

-- Until the engine is told, nobody but the kernel knows of an exit for sure: the hook may hang, and a successor has to
-- see it again. Why a program never ran is in a record that is gone then.
local LASTS <const> = { exited = true, signaled = true }

--- A process has ended. Where on_exit alone has a say, and the engine is going to ask it, it is asked first of all: to
--- see that takes a tenth of the time of a step. What it asks for meanwhile comes after the exit.
---@param driver ward.service.Driver
---@param name string
---@param exit table
function M.exited(driver, name, exit)
  local spec = driver.specs[name]
  local calls = spec and spec.calls
  local ok, cause
  if calls and calls.on_exit and not calls.restart and LASTS[exit.kind] and not driver.draining then
    ok, cause = engine.foresee(driver.state, name, exit)
  end
  if ok == nil then
    return M.post(driver, { kind = "exit", name = name, exit = exit })
  end
  exit.ok, exit.cause = ok, cause
  local early = { name = name }
  driver.queue[1] = { kind = "exit", name = name, exit = exit, now = core.now() }
  driver.draining, driver.early = true, early
  guarded(driver, "ask", driver.hooks.ask, name, calls, exit, nil, function(verdict, fault)
    early.answer = { kind = "verdict", name = name, id = early.id, verdict = verdict, fault = fault }
    if early.id then
      M.post(driver, early.answer)
    end
  end)
  drain(driver)
end

--- The engine asks: true when that was asked already. The answer may be there, too.
---@param driver ward.service.Driver
---@param effect table
---@return boolean
function M.asked(driver, effect)
  local early = driver.early
  if not early or early.name ~= effect.name then
    return false
  end
  early.id = effect.id
  if early.answer then
    early.answer.id = effect.id
    M.post(driver, early.answer)
  end
  return true
end

--- Shows the engine an exit that a hook is told of before it: from here on somebody looks.
---@param driver ward.service.Driver
function M.catch_up(driver)
  if driver.early then
    advance(driver)
  end
end

return M
