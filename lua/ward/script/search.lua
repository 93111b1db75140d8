-- Where the modules of a script are looked for: beside the script, and in lib/ there.

local M <const> = {}

--- The directory part of a path as it was given: "" or ending in "/".
---@param path string
---@return string
function M.directory(path)
  return path:match("^(.*/)[^/]*$") or ""
end

--- The files that can be a module, the first one first.
---@param root string directory of the script, as of M.directory
---@param name string as require takes it
---@return string[] paths
function M.candidates(root, name)
  local relative <const> = name:gsub("%.", "/")
  local paths = {}
  for _, under in ipairs { "", "lib/" } do
    for _, file in ipairs { ".lua", "/init.lua" } do paths[#paths + 1] = root .. under .. relative .. file end
  end
  return paths
end

return M
