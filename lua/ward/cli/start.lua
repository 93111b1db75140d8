return require("ward.cli.change").verb("start", "Start services, and what they need.", "Wait until they are ready")
