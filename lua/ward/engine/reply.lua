-- Who waits for an answer. A command is answered exactly once, when the last of its names is settled; one that
-- was cancelled is never answered.

local M <const> = {}

local function close(st, command)
  st.commands[command.token] = nil
  local ok = true
  for _, result in ipairs(command.results) do
    ok = ok and result.ok
  end
  st.effects[#st.effects + 1] = { kind = "reply", token = command.token, ok = ok, results = command.results }
end

--- Takes a command in.
---@param st table
---@param token any unique among the commands not yet answered
---@param names string[]
---@param op string
---@return table command
function M.open(st, token, names, op)
  st.serial = st.serial + 1
  local command = { token = token, names = names, op = op, serial = st.serial, results = {}, open = #names }
  st.commands[token] = command
  if command.open == 0 then
    close(st, command)
  end
  return command
end

--- Settles one name of a command.
---@param st table
---@param command table
---@param slot integer which of the command's names
---@param result { name: string, state: string|nil, ok: boolean, message: string|nil, code: string|nil }
function M.settle(st, command, slot, result)
  command.results[slot] = result
  command.open = command.open - 1
  if command.open == 0 then
    close(st, command)
  end
end

--- Settles, among those that wait for this service, each for which `verdict` gives true or false (nil: waits on).
---@param st table
---@param svc table
---@param verdict fun(waiter: { op: string, goal: "ready"|"stopped" }): boolean|nil, string|nil, string|nil
function M.sweep(st, svc, verdict)
  if #svc.waiters == 0 then
    return
  end
  local waiters = svc.waiters
  svc.waiters = {}
  for _, waiter in ipairs(waiters) do
    local ok, message, code = verdict(waiter)
    if ok == nil then
      table.insert(svc.waiters, waiter)
    else
      M.settle(st, waiter.command, waiter.slot,
        { name = svc.spec.name, state = svc.state, ok = ok, message = message, code = code })
    end
  end
end

--- Forgets a command; nothing that it asked for is undone.
---@param st table
---@param token any
function M.cancel(st, token)
  local command = st.commands[token]
  if not command then
    return
  end
  st.commands[token] = nil
  for _, name in ipairs(command.names) do
    local svc = st.by_name[name]
    if svc then
      for at = #svc.waiters, 1, -1 do
        if svc.waiters[at].command == command then
          table.remove(svc.waiters, at)
        end
      end
    end
  end
end

return M
