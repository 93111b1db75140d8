/* Hash map from a 64-bit key to a borrowed pointer; open addressing, linear probing. */
#ifndef WARD_BASE_MAP_H
#define WARD_BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

struct ward_map_entry {
	uint64_t key;
	void *value; /* NULL: free */
};

/* A zeroed struct is an empty map. */
struct ward_map {
	struct ward_map_entry *entries;
	size_t mask; /* number of entries - 1, a power of two less one; 0 when empty */
	size_t used;
};

/* Sets @key to @value (not NULL), replacing what was there. Returns 0 or -ENOMEM (map untouched).
 */
int ward_map_set(struct ward_map *m, uint64_t key, void *value);

/* Makes room for one more key, so that the next ward_map_set of a new key cannot fail. */
int ward_map_reserve(struct ward_map *m);

/* Returns the value, or NULL. */
void *ward_map_get(const struct ward_map *m, uint64_t key);

/* Removes and returns the value, or NULL. Never allocates. */
void *ward_map_del(struct ward_map *m, uint64_t key);

/* Frees the table, not the values. The map is empty afterwards. */
void ward_map_free(struct ward_map *m);

#endif
