-- scripts/notify-failure.lua: one message for a service that keeps failing, with its log, and one when it is well.

local harness <const> = require "helpers.harness"

local PATH <const> = harness.ward:match("^(.*)/") .. ":" .. os.getenv("PATH")

describe("scripts/notify-failure.lua", function()
  after_each(harness.cleanup)

  it("tells once of trouble, and once of its end", function()
    local dir <const> = harness.directory()
    local mail <const> = dir .. "/mail"
    local w <const> = harness.start("scripts/notify-failure.lua", { env = {
      PATH = PATH, NOTIFY = ("cat >>%s; echo end of mail >>%s"):format(mail, mail), NOTIFY_WELL = "300ms",
      APP = ("[ -e %s/mended ] && exec sleep 1000; echo 'no disk'; exit 9"):format(dir),
    } })
    w:until_(function() return w:status("app").restarts >= 5 end, nil, "five failures")
    w:until_(function() return (harness.read(mail) or ""):find("end of mail") end, nil, "a message")
    local text <const> = harness.read(mail)
    assert.matches("^app has failed 3 times, the last time with exited 9\n\n", text)
    assert.matches("no disk\n", text)
    harness.write(dir .. "/mended", "")
    w:until_(function() return harness.read(mail):find("app is well again") end, nil, "the end of the trouble")
    assert.equal(1, select(2, harness.read(mail):gsub("has failed", "")))
    w:stop()
  end)

  it("tells ward's own output where nobody else is named", function()
    local w <const> = harness.start("scripts/notify-failure.lua",
      { env = { PATH = PATH, APP = "echo 'no disk'; exit 9" } })
    w:until_says "warning: app has failed 3 times, the last time with exited 9\n.*no disk\n"
    w:stop()
  end)
end)
