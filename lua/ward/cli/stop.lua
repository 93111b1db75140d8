return require("ward.cli.change").verb("stop", "Stop services, after those that need them.",
  "Wait until they are stopped")
