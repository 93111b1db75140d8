return require("ward.cli.at_once").verb("pause",
  "Leave services down when they exit, until they are resumed, or their group starts.")
