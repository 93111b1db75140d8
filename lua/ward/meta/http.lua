---@meta _
-- HTTP
-- Requests to web servers. A task waits for the answer while everything else goes on; its end is the request's.

---@class ward
local ward = {}

---Requests over HTTP and HTTPS. Raises outside of a task, and for wrong arguments.
---@class ward.http
ward.http = {}

---Asks for a page. A status such as 404 is an answer, too.
---
---```lua
---local r, err = ward.http.get("http://127.0.0.1:8001/health", { timeout = "2s" })
---if not r or r.status ~= 200 then web:restart() end
---```
---@param url string `http://` or `https://`
---@param opts? ward.HttpOptions options
---@return ward.HttpAnswer? answer
---@return ward.Error? err why there is none
function ward.http.get(url, opts) end

---Sends something.
---@param url string `http://` or `https://`
---@param body string|table a text, or a table that is sent as JSON
---@param opts? ward.HttpOptions options
---@return ward.HttpAnswer? answer
---@return ward.Error? err why there is none
function ward.http.post(url, body, opts) end

---Asks for JSON, and gives it as a Lua value.
---@param url string `http://` or `https://`
---@param opts? ward.HttpOptions options; `max_size` is at most 1 MiB
---@return any value
---@return ward.HttpAnswer|ward.Error more the answer, or why there is no value
function ward.http.json(url, opts) end

---Options of a request.
---@class ward.HttpOptions
---@field timeout? ward.Duration Longest time: 10 s when not given, at most a day.
---@field max_size? ward.Size Longest answer: 1 MiB when not given, at most 16 MiB.
---@field headers? table<string, string|number> Headers to send, at most 100.
---@field redirects? integer How many redirections are followed, 5 when not given.
---@field unix? ward.Path A UNIX socket to connect to instead of the host.
---@field ca? ward.Path A file of certificates that are trusted instead of the system's.

---An answer.
---@class ward.HttpAnswer
---@field ok boolean Whether the status is from 200 to 299.
---@field status integer The status, such as 200.
---@field headers table<string, string> Its headers, by names in lower case.
---@field body? string Its body.
