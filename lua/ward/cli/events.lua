-- ward events [-f] [-n N] [--json]

local client <const> = require("ward.cli.client")
local console <const> = require("ward.service.console")
local exit <const> = require("ward.cli.exit")
local json <const> = require("ward.service.json")
local output <const> = require("ward.cli.output")

local M <const> = { summary = "Print what happened: what scripts hear with ward.on." }

local function to_count(text)
  local count = text:find("^%d+$") and math.tointeger(tonumber(text))
  if not count then
    return nil, ("bad number of events '%s'"):format(text)
  end
  return count
end

function M.configure(command)
  command:flag("-f --follow", "Go on printing what happens, until interrupted.")
  command:option("-n --lines", "At most that many of the past."):argname("N"):convert(to_count)
  command:flag("--json", "Print one JSON object a line.")
end

local SHOWN <const> = { seq = true, at = true, event = true, name = true }

-- What an event has to say besides its name, in words.
local function details(event)
  if event.event == "script_error" then
    return tostring(event.message)
  elseif event.event == "exit" and type(event.exit) == "table" then
    return console.exit(event.exit)
  end
  local keys, words = {}, {}
  for key in pairs(event) do
    if not SHOWN[key] and key ~= "exit" then
      keys[#keys + 1] = key
    end
  end
  table.sort(keys)
  for i, key in ipairs(keys) do
    local value = event[key]
    words[i] = ("%s=%s"):format(key, type(value) == "string" and value:find("^[%w_./:-]+$") and value
      or json.encode(value))
  end
  return table.concat(words, " ")
end

-- 2026-01-31 12:00:01 exit     web-1 exited with code 1 after 3.2s
local function line_of(event)
  local at = type(event.at) == "number" and os.date("%Y-%m-%d %H:%M:%S", math.floor(event.at)) or "-"
  local line = ("%s %-8s %s %s"):format(at, tostring(event.event), tostring(event.name or "-"), details(event))
  return (line:gsub("%c", "?"):gsub(" +$", ""))
end

local function print_event(as_json, event)
  return output.out((as_json and json.encode(event) or line_of(event)) .. "\n")
end

function M.run(args)
  local caller, code = client.connect(args.instance)
  if not caller then
    return code
  end
  local result
  result, code = caller:call("events", { follow = args.follow or false, last = args.lines })
  if not result then
    return code
  end
  for _, event in ipairs(type(result.events) == "table" and result.events or {}) do
    if not print_event(args.json, event) then
      return exit.OK
    end
  end
  if args.follow then
    caller:follow(function(method, params)
      if method == "lost" then
        params = { event = "lost", count = params.count }
      end
      return (method ~= "event" and method ~= "lost") or print_event(args.json, params)
    end)
  end
  caller:close()
  return exit.OK
end

return M
