---@meta ward.dotenv
-- Module ward.dotenv
-- `require "ward.dotenv"` reads environment files as the key `env_file` does: lines of `NAME=value`, comments with `#`,
-- single quotes for text as it is and double quotes with escapes. Variables are never expanded.

---The module.
---@class ward.dotenv
local dotenv = {}

---The assignments of a text, in order; a name may come twice, and the last one counts.
---
---```lua
---local text = assert(ward.fs.read(".env"))
---for _, pair in ipairs(assert(require("ward.dotenv").parse(text))) do print(pair[1], pair[2]) end
---```
---@param text string what a file holds
---@return string[][]? pairs each `{ name, value }`
---@return integer? line where it is wrong
---@return string? message what is wrong
function dotenv.parse(text) end

return dotenv
