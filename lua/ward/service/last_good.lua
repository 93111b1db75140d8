-- The sources that worked last, kept in the runtime directory: for a start when the script on disk is broken.

local core <const> = require("ward.core")
local json <const> = require("ward.service.json")

local M <const> = {}

local MAX_BYTES <const> = 64 << 20

--- Where they are kept.
---@param dir string runtime directory of the instance
---@return string
function M.file(dir)
  return dir .. "/last-good"
end

--- Keeps the sources of a script. That it cannot is no reason to stop.
---@param file string
---@param path string of the script
---@param sources table<string, string>
---@return boolean? ok
---@return table? err
function M.write(file, path, sources)
  return core.write_file(file, json.encode({ script = path, at = core.time(), sources = sources }))
end

--- What was kept for a script.
---@param file string
---@param path string of the script
---@return table? kept { at: number, sources: table<string, string> }
function M.read(file, path)
  local text = core.read(file, MAX_BYTES)
  local kept = text and json.decode(text)
  if type(kept) ~= "table" or kept.script ~= path or type(kept.at) ~= "number" or type(kept.sources) ~= "table" then
    return nil
  end
  for name, source in pairs(kept.sources) do
    if type(name) ~= "string" or type(source) ~= "string" then
      return nil
    end
  end
  return kept
end

return M
