return require("ward.cli.at_once").verb("resume", "Restart paused services again; what is down starts now.")
