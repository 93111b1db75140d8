-- ward graph

local client <const> = require("ward.cli.client")
local exit <const> = require("ward.cli.exit")
local output <const> = require("ward.cli.output")

local M <const> = { summary = "Draw the supervisors, the services and what they need." }

function M.configure(command)
  command:option("--format", "How."):argname("FORMAT"):choices({ "text", "dot", "mermaid" }):default("text")
end

local ARROWS <const> = { { "needs", "needs" }, { "wants", "wants" }, { "after", "after" } }

local function label(node)
  if node.children then
    return ("%s (%s%s)"):format(node.name or "ward", node.strategy, node.state == "up" and "" or ", " .. node.state)
  end
  local parts = { node.name, node.state }
  for _, arrow in ipairs(ARROWS) do
    if #node[arrow[1]] > 0 then
      parts[#parts + 1] = arrow[2] .. " " .. table.concat(node[arrow[1]], ", ")
    end
  end
  return table.concat(parts, "  ")
end

local FORMATS <const> = {}

function FORMATS.text(root)
  local lines = { label(root) }
  local function draw(node, prefix)
    for i, child in ipairs(node.children) do
      local last = i == #node.children
      lines[#lines + 1] = prefix .. (last and "└─ " or "├─ ") .. label(child)
      if child.children then
        draw(child, prefix .. (last and "   " or "│  "))
      end
    end
  end
  draw(root, "")
  return lines
end

-- Visits every node: enter(node, depth), leave(node, depth) of supervisors.
local function walk(node, depth, enter, leave)
  enter(node, depth)
  for _, child in ipairs(node.children or {}) do
    walk(child, depth + 1, enter, leave)
  end
  if node.children then
    leave(node, depth)
  end
end

-- The arrows of every service to what is drawn, each through add(from, to, kind): spare members of pools are not.
local function each_arrow(root, add)
  local drawn = {}
  walk(root, 0, function(node)
    drawn[node.name or ""] = true
  end, function() end)
  walk(root, 0, function(node)
    for _, arrow in ipairs(node.children and {} or ARROWS) do
      for _, other in ipairs(node[arrow[1]]) do
        if drawn[other] then
          add(node.name, other, arrow[1])
        end
      end
    end
  end, function() end)
end

local DOT_STYLE <const> = { needs = "", wants = " [style=dashed]", after = " [style=dotted]" }

function FORMATS.dot(root)
  local lines = { "digraph ward {", "  rankdir=LR", "  node [shape=box]" }
  walk(root, 1, function(node, depth)
    local indent = ("  "):rep(depth)
    if node.children then
      lines[#lines + 1] = ('%ssubgraph "cluster_%s" {'):format(indent, node.name or "")
      lines[#lines + 1] = ('%s  label="%s"'):format(indent, label(node))
    else
      lines[#lines + 1] = ('%s"%s" [label="%s\\n%s"]'):format(indent, node.name, node.name, node.state)
    end
  end, function(_, depth)
    lines[#lines + 1] = ("  "):rep(depth) .. "}"
  end)
  each_arrow(root, function(from, to, kind)
    lines[#lines + 1] = ('  "%s" -> "%s"%s'):format(from, to, DOT_STYLE[kind])
  end)
  lines[#lines + 1] = "}"
  return lines
end

local MERMAID_ARROW <const> = { needs = "-->", wants = "-.->", after = "-.->|after|" }

function FORMATS.mermaid(root)
  local lines, ids, count = { "flowchart LR" }, {}, 0
  walk(root, 1, function(node, depth)
    count = count + 1
    local id = "n" .. count -- names may hold characters that Mermaid gives a meaning
    if node.children then
      lines[#lines + 1] = ('%ssubgraph %s["%s"]'):format(("  "):rep(depth), id, label(node))
    else
      ids[node.name] = id
      lines[#lines + 1] = ('%s%s["%s<br>%s"]'):format(("  "):rep(depth), id, node.name, node.state)
    end
  end, function(_, depth)
    lines[#lines + 1] = ("  "):rep(depth) .. "end"
  end)
  each_arrow(root, function(from, to, kind)
    lines[#lines + 1] = ("  %s %s %s"):format(ids[from], MERMAID_ARROW[kind], ids[to])
  end)
  return lines
end

--- The tree in one of the formats.
---@param root table see ward.engine.why
---@param format "text"|"dot"|"mermaid"
---@return string
function M.draw(root, format)
  return table.concat(FORMATS[format](root), "\n") .. "\n"
end

function M.run(args)
  local result, code = client.ask(args.instance, "graph", {})
  if not result then
    return code
  end
  output.out(M.draw(result.root, args.format))
  return exit.OK
end

return M
