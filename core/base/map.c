#include "base/map.h"

#include <errno.h>
#include <stdlib.h>

static size_t
slot_of(const struct ward_map *m, uint64_t key)
{
	/* Fibonacci hashing: pids are dense, the top bits of the product are not. */
	return (size_t)((key * UINT64_C(0x9E3779B97F4A7C15)) >> 20) & m->mask;
}

static struct ward_map_entry *
find(const struct ward_map *m, uint64_t key)
{
	size_t i = slot_of(m, key);

	while (m->entries[i].value && m->entries[i].key != key)
		i = (i + 1) & m->mask;
	return &m->entries[i];
}

int
ward_map_reserve(struct ward_map *m)
{
	size_t old = m->entries ? m->mask + 1 : 0;
	size_t size = old ? old * 2 : 16;
	struct ward_map grown = { 0 };

	/* At most three quarters full, so that a probe always meets a free slot. */
	if (old && (m->used + 1) * 4 <= old * 3)
		return 0;
	grown.entries = calloc(size, sizeof(*grown.entries));
	if (!grown.entries)
		return -ENOMEM;
	grown.mask = size - 1;
	grown.used = m->used;
	for (size_t i = 0; i < old; i++) {
		if (m->entries[i].value)
			*find(&grown, m->entries[i].key) = m->entries[i];
	}
	free(m->entries);
	*m = grown;
	return 0;
}

int
ward_map_set(struct ward_map *m, uint64_t key, void *value)
{
	struct ward_map_entry *e;
	int r = ward_map_reserve(m);

	if (r < 0)
		return r;
	e = find(m, key);
	if (!e->value)
		m->used++;
	*e = (struct ward_map_entry){ key, value };
	return 0;
}

void *
ward_map_get(const struct ward_map *m, uint64_t key)
{
	return m->entries ? find(m, key)->value : NULL;
}

void *
ward_map_del(struct ward_map *m, uint64_t key)
{
	struct ward_map_entry *hole;
	void *value;
	size_t i;

	if (!m->entries)
		return NULL;
	hole = find(m, key);
	value = hole->value;
	if (!value)
		return NULL;
	m->used--;
	/* Close the gap: move back every entry of this run that the hole would hide. */
	i = (size_t)(hole - m->entries);
	hole->value = NULL;
	for (size_t j = (i + 1) & m->mask; m->entries[j].value; j = (j + 1) & m->mask) {
		size_t home = slot_of(m, m->entries[j].key);

		if (((j - home) & m->mask) >= ((j - i) & m->mask)) {
			m->entries[i] = m->entries[j];
			m->entries[j].value = NULL;
			i = j;
		}
	}
	return value;
}

void
ward_map_free(struct ward_map *m)
{
	free(m->entries);
	*m = (struct ward_map){ 0 };
}
