-- `ward graph`: the engine's own tree, drawn. Names may be words of the languages that it is drawn in.
local fake <const> = require "lua.fake_core"
local kit <const> = require "lua.engine.kit"

local function forget()
  for name in pairs(package.loaded) do
    if name:find "^ward%." then package.loaded[name] = nil end
  end
end

describe("ward graph", function()
  local function draw(format)
    local engine <const>, graph <const> = require "ward.engine", require "ward.cli.graph"
    local specs <const>, root <const> = kit.tree("node=rest (end graph=one (x spare) 0)")
    specs[1].name, root.children[1].service = "a.b:c@d-e", "a.b:c@d-e"
    specs[2].needs, specs[2].wants, specs[2].after = { "0" }, { "a.b:c@d-e", "spare" }, { "0" }
    specs[3].dormant = true
    specs[2].name, root.children[2].children[1].service = "end", "end"
    root.children[2].name = "subgraph"
    return graph.draw(engine.graph(engine.new(specs, { tree = root })), format)
  end

  setup(function()
    forget()
    package.loaded["ward.core"] = fake.new()
  end)

  teardown(forget)

  it("as text", function()
    assert.equal([[
node (rest_for_one)
├─ a.b:c@d-e  stopped
├─ subgraph (one_for_one)
│  └─ end  stopped  needs 0  wants a.b:c@d-e, spare  after 0
└─ 0  stopped
]], draw "text")
  end)

  it("as dot: every name is quoted, and spare members of pools are left out", function()
    assert.equal([[
digraph ward {
  rankdir=LR
  node [shape=box]
  subgraph "cluster_node" {
    label="node (rest_for_one)"
    "a.b:c@d-e" [label="a.b:c@d-e\nstopped"]
    subgraph "cluster_subgraph" {
      label="subgraph (one_for_one)"
      "end" [label="end\nstopped"]
    }
    "0" [label="0\nstopped"]
  }
  "end" -> "0"
  "end" -> "a.b:c@d-e" [style=dashed]
  "end" -> "0" [style=dotted]
}
]], draw "dot")
  end)

  it("as mermaid: no name is an identifier", function()
    assert.equal([[
flowchart LR
  subgraph n1["node (rest_for_one)"]
    n2["a.b:c@d-e<br>stopped"]
    subgraph n3["subgraph (one_for_one)"]
      n4["end<br>stopped"]
    end
    n5["0<br>stopped"]
  end
  n4 --> n5
  n4 -.-> n2
  n4 -.->|after| n5
]], draw "mermaid")
  end)
end)
