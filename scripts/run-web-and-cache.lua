-- What:     nginx, redis and a worker that counts in redis, on loopback ports; no system configuration is touched.
-- Use when: you want to see real daemons supervised, or need a start for your own pair of them.
-- Needs:    nginx and redis-server (Debian: nginx-light, redis-server). Environment, all optional: WEB_PORT (8080),
--           CACHE_PORT (6380), WEB_AND_CACHE_DIR (web-and-cache under XDG_RUNTIME_DIR or /tmp).

local ward = require "ward"

local web_port = os.getenv("WEB_PORT") or "8080"
local cache_port = os.getenv("CACHE_PORT") or "6380"
local dir = os.getenv("WEB_AND_CACHE_DIR") or (os.getenv("XDG_RUNTIME_DIR") or "/tmp") .. "/web-and-cache"

-- A shell makes the directory, refuses one that is not ours, and becomes the daemon: its pid is the daemon's.
local function in_own_directory(text, argument)
  return { "/bin/sh", "-euc", [[
    mkdir -p "$DIR"
    [ -O "$DIR" ] && [ ! -L "$DIR" ] || { echo "$DIR is not ours" >&2; exit 1; }
    cd "$DIR"
  ]] .. text, "sh", argument }
end

local env = {
  DIR = dir, CACHE_PORT = cache_port,
  PATH = (os.getenv("PATH") or "/usr/bin:/bin") .. ":/usr/sbin", -- where Debian has nginx
}

-- Paths in it are relative to the directory (-p).
local nginx_conf = ([[
daemon off; master_process on; worker_processes 1; pid nginx.pid; error_log stderr;
events {}
http {
  access_log /dev/stdout;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server { listen 127.0.0.1:PORT; location / { default_type text/plain; return 200 "supervised by ward\n"; } }
}
]]):gsub("PORT", web_port)

local cache = ward.service {
  name = "cache", env = env, umask = "077",
  cmd = in_own_directory [[
    exec redis-server --bind 127.0.0.1 --port "$CACHE_PORT" --dir "$DIR" --save '' --appendonly yes ]],
}

local web = ward.service {
  name = "web", env = env, umask = "077",
  cmd = in_own_directory([[
    printf '%s' "$1" >nginx.conf
    exec nginx -p "$DIR" -c "$DIR/nginx.conf" -e stderr ]], nginx_conf),
  stop = { "QUIT", "5s", "TERM", "5s", "KILL" }, -- QUIT lets requests finish
}

local worker = ward.service {
  name = "worker", env = env, needs = { cache },
  cmd = { "/bin/sh", "-c", [[
    while :; do
      n=$(redis-cli -e -h 127.0.0.1 -p "$CACHE_PORT" INCR visits 2>/dev/null) && echo "visit $n" || echo "no answer yet"
      sleep 1
    done ]] },
}

return ward.supervisor { name = "web-and-cache", children = { cache, web, worker } }
