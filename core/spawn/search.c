#include "spawn/search.h"

#include <string.h>

/* Where a child without PATH looks; what systemd compiles in. */
#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static const char *
env_get(const char *const *envp, const char *key)
{
	size_t n = strlen(key);

	for (; *envp; envp++) {
		if (strncmp(*envp, key, n) == 0 && (*envp)[n] == '=')
			return *envp + n + 1;
	}
	return NULL;
}

/* One candidate of the PATH search; an empty entry means the working directory. */
static const char *
pack_candidate(struct ward_pack *p, const char *dir, size_t n, const char *file)
{
	size_t flen = strlen(file) + 1;
	char *to;

	if (n == 0)
		return ward_pack_str(p, file);
	to = ward_pack_take(p, n + 1 + flen, 1);
	if (to) {
		memcpy(to, dir, n);
		to[n] = '/';
		memcpy(to + n + 1, file, flen);
	}
	return to;
}

const char *const *
ward_search_pack(struct ward_pack *p, const char *file, const char *const *envp, uint32_t *count)
{
	const char *path = strchr(file, '/') ? "" : env_get(envp, "PATH");
	const char **to;
	uint32_t n = 1, i = 0;

	if (!path)
		path = DEFAULT_PATH;
	for (const char *c = path; *c; c++)
		n += *c == ':';
	to = ward_pack_take(p, (n + 1) * sizeof(*to), _Alignof(const char *));
	for (;; path++) {
		size_t len = strcspn(path, ":");
		const char *s = pack_candidate(p, path, len, file);

		if (to)
			to[i] = s;
		i++;
		path += len;
		if (!*path)
			break;
	}
	if (to)
		to[n] = NULL;
	*count = n;
	return to;
}
