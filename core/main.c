/* ward: arguments, the core and its trusted state, and out. Everything else is Lua or below. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "bind/bind.h"
#include "loop/handover.h"

/* Where the Lua library may lie, seen from the directory of the executable: the build tree (also of a build
 * variant, one level deeper) and an installation. */
static const char *const from_exe[] = { "../lua", "../../lua", "../share/ward/lua" };

static bool
has_library(const char *dir)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/ward/init.lua", dir);

	return n > 0 && (size_t)n < sizeof(path) && access(path, R_OK) == 0;
}

/* Finds the directory that holds ward/init.lua and writes it to @out, absolute. */
static bool
find_share(char out[PATH_MAX])
{
	const char *env = getenv("WARD_LUA");
	char exe[PATH_MAX], dir[PATH_MAX + 32];
	ssize_t n;

	if (env && *env)
		return has_library(env) && realpath(env, out);
	n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	if (n > 0) {
		exe[n] = '\0';
		*strrchr(exe, '/') = '\0';
		for (size_t i = 0; i < sizeof(from_exe) / sizeof(from_exe[0]); i++) {
			(void)snprintf(dir, sizeof(dir), "%s/%s", exe, from_exe[i]);
			if (has_library(dir))
				return realpath(dir, out);
		}
	}
	return has_library(WARD_SHARE "/lua") && realpath(WARD_SHARE "/lua", out);
}

int
main(int argc, char **argv)
{
	static char share[PATH_MAX]; /* borrowed by the core until the end */
	struct ward_core core = { .share = share };
	int r, status;

	if (ward_fd_fill_std() < 0)
		return 1;
	ward_handover_begin(argv, &core.inherited);
	if (!find_share(share)) {
		(void)fprintf(stderr,
			      "ward: cannot find its Lua library (WARD_LUA names its directory)\n");
		return 1;
	}
	r = ward_state_open(&core);
	if (r < 0) {
		(void)fprintf(stderr, "ward: cannot make a Lua state: %s\n", strerror(-r));
		return 1;
	}
	status = ward_core_main(&core, argc, argv);
	ward_core_end(&core);
	return status;
}
