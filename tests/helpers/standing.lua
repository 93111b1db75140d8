-- How services stand, to be compared before and after a re-exec.

local cjson <const> = require "cjson"

local M <const> = {}

--- The services of a status by their names.
function M.by_name(status)
  local views <const> = {}
  for _, view in ipairs(status.services) do views[view.name] = view end
  return views
end

--- What must be the same after a re-exec.
function M.lasting(view)
  return { view.name, view.state, view.desired, view.pid or 0, view.restarts, view.ready, view.log or "",
    cjson.encode(view.last_exit and view.last_exit.pid or 0) }
end

return M
