-- scripts/test-web-and-cache.lua is a spec itself: its tests run here.
assert(loadfile("scripts/test-web-and-cache.lua", "t", _ENV))()
