#include "base/pack.h"

#include <string.h>

void *
ward_pack_take(struct ward_pack *p, size_t size, size_t align)
{
	size_t at = (p->size + align - 1) & ~(align - 1);

	p->size = at + size;
	return p->base ? p->base + at : NULL;
}

void *
ward_pack_copy(struct ward_pack *p, const void *bytes, size_t n, size_t align)
{
	void *to = ward_pack_take(p, n, align);

	if (to && n)
		memcpy(to, bytes, n);
	return to;
}

const char *
ward_pack_str(struct ward_pack *p, const char *s)
{
	return ward_pack_copy(p, s, strlen(s) + 1, 1);
}

const char *const *
ward_pack_strv(struct ward_pack *p, const char *const *v)
{
	size_t n = 0;
	const char **to;

	while (v[n])
		n++;
	to = ward_pack_take(p, (n + 1) * sizeof(*to), _Alignof(const char *));
	for (size_t i = 0; i < n; i++) {
		const char *s = ward_pack_str(p, v[i]);

		if (to)
			to[i] = s;
	}
	if (to)
		to[n] = NULL;
	return to;
}
