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

-- What a path means without a "/" in front.
local function base_of(path)
  return path:sub(1, 1) ~= "/" and core.cwd() or nil
end

--- Keeps the sources of a script. That it cannot is no reason to stop.
---@param file string
---@param path string of the script
---@param sources table<string, string>
---@param generation integer? of the version
---@param former table<string, string>? the sources of the version before, where it gives way to that
---@return boolean? ok
---@return table? err
function M.write(file, path, sources, generation, former)
  return core.write_file(file, json.encode({ script = path, base = base_of(path), at = core.time(), sources = sources,
    generation = generation, former = former }))
end

--- A version has hung: what worked last is the one before it, where that is known.
---@param file string
---@param path string of the script
---@param generation integer of the version that has hung
---@return table<string, string> sources that worked last, as far as is known
function M.take_back(file, path, generation)
  local kept = M.read(file, path)
  if not kept then
    return {}
  elseif not kept.former or kept.generation ~= generation then
    return kept.sources
  end
  M.write(file, path, kept.former)
  return kept.former
end

--- What was kept for a script.
---@param file string
---@param path string of the script
---@return table? kept { at: number, sources: table<string, string> }
function M.read(file, path)
  local text = core.read(file, MAX_BYTES)
  local kept = text and json.decode(text)
  if type(kept) ~= "table" or kept.script ~= path or kept.base ~= base_of(path) then
    return nil
  elseif type(kept.at) ~= "number" or type(kept.sources) ~= "table" then
    return nil
  end
  kept.former = type(kept.former) == "table" and kept.former or nil
  for _, sources in pairs({ kept.sources, kept.former }) do
    for name, source in pairs(sources) do
      if type(name) ~= "string" or type(source) ~= "string" then
        return nil
      end
    end
  end
  return kept
end

return M
