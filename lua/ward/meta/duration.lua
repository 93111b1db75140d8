---@meta ward.duration
-- Module ward.duration
-- `require "ward.duration"` reads and writes times and sizes as ward does.

---The module.
---@class ward.duration
local duration = {}

---Seconds of a duration. It has no upper limit here.
---@param value ward.Duration what was given
---@return number? seconds
---@return string? message what is wrong with it
function duration.parse(value) end

---Bytes of a size.
---@param value ward.Size what was given
---@return integer? bytes
---@return string? message what is wrong with it
function duration.size(value) end

---A duration for people, short and of few digits: `"200ms"`, `"4.0s"`, `"2m03s"`, `"1h02m"`, `"3d04h"`.
---@param seconds number how long
---@return string text
function duration.format(seconds) end

return duration
