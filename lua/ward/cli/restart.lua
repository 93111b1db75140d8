return require("ward.cli.change").verb("restart", "Stop services and start them again.",
  "Wait until they are ready again")
