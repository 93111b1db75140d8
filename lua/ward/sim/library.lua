-- The half of ward that acts (ward.service...), over a core that is not C's: its modules once more, for one world.

local M <const> = {}

local ROOT <const> = debug.getinfo(1, "S").source:match("^@(.*)/ward/sim/library%.lua$") or "."

-- Where ward's modules are: what has ward/init.lua in it.
M.ROOT = ROOT

local function readable(path)
  local file <close> = io.open(path)
  return file ~= nil
end

--- A require for one world.
---@param core ward.sim.Core
---@return fun(name: string): any
function M.new(core)
  -- Control groups are the kernel's business: nothing is wrong with any.
  local loaded <const> = { ["ward.core"] = core, ["ward.service.cgroups"] = { fault = function() end } }
  local env <const> = setmetatable({}, { __index = _G })
  function env.require(name)
    if loaded[name] == nil and not name:find("^ward%.service%.") then return require(name) end
    if loaded[name] == nil then
      local path = ("%s/%s.lua"):format(ROOT, (name:gsub("%.", "/")))
      if not readable(path) then path = path:gsub("%.lua$", "/init.lua") end
      loaded[name] = assert(loadfile(path, "t", env))(name)
    end
    return loaded[name]
  end
  return env.require
end

return M
