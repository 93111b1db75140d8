/* Two-pass packer: the same code first measures, then fills one flat block.
 *
 *	struct ward_pack p = { 0 };
 *	build(&p, ...);                 // measures: every pointer it hands out is NULL
 *	p = ward_pack_begin(malloc(p.size));
 *	build(&p, ...);                 // fills
 */
#ifndef WARD_BASE_PACK_H
#define WARD_BASE_PACK_H

#include <stddef.h>

struct ward_pack {
	char *base;  /* NULL while measuring; aligned for any type while filling */
	size_t size; /* bytes taken so far */
};

static inline struct ward_pack
ward_pack_begin(void *block)
{
	return (struct ward_pack){ .base = block };
}

/* Takes @size bytes aligned to @align (a power of two). Returns NULL while measuring. The bytes are
 * borrowed from the block; they are not cleared. */
void *ward_pack_take(struct ward_pack *p, size_t size, size_t align);

/* Copies @n bytes; NULL while measuring. */
void *ward_pack_copy(struct ward_pack *p, const void *bytes, size_t n, size_t align);

/* Copies a string with its NUL; NULL while measuring. */
const char *ward_pack_str(struct ward_pack *p, const char *s);

/* Copies a NULL-terminated vector and its strings; NULL while measuring. */
const char *const *ward_pack_strv(struct ward_pack *p, const char *const *v);

#endif
