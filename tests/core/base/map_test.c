/* The map against an obvious model, and the packer's two passes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/pack.h"
#include "tests/core/tap.h"

enum { KEYS = 500, STEPS = 200000 };

static void
test_map(void)
{
	static char cell[KEYS]; /* addresses serve as values */
	static void *model[KEYS];
	struct ward_map m = { 0 };
	unsigned int seed = 1;
	size_t live = 0, wrong = 0;

	for (int i = 0; i < STEPS; i++) {
		/* Dense keys with a stride: long probe runs, and gaps that deletions must close. */
		unsigned int k = (unsigned int)rand_r(&seed) % KEYS;
		uint64_t key = (uint64_t)k * 4096;

		switch (rand_r(&seed) % 3) {
		case 0:
			live += model[k] == NULL;
			model[k] = &cell[rand_r(&seed) % KEYS];
			wrong += ward_map_set(&m, key, model[k]) != 0;
			break;
		case 1:
			live -= model[k] != NULL;
			wrong += ward_map_del(&m, key) != model[k];
			model[k] = NULL;
			break;
		default:
			wrong += ward_map_get(&m, key) != model[k];
		}
		wrong += m.used != live;
	}
	ok(wrong == 0, "%d random operations agree with an array", STEPS);
	ward_map_free(&m);
	ok(ward_map_get(&m, 1) == NULL && ward_map_del(&m, 1) == NULL, "an empty map has nothing");
}

struct packed {
	const char *const *words;
	const char *name;
	uint64_t *number;
};

static struct packed
pack(struct ward_pack *p)
{
	static const char *const words[] = { "one", "", "three", NULL };
	struct packed to = { 0 };

	to.name = ward_pack_str(p, "odd");
	to.number = ward_pack_take(p, sizeof(uint64_t), _Alignof(uint64_t));
	to.words = ward_pack_strv(p, words);
	return to;
}

static void
test_pack(void)
{
	struct ward_pack measure = { 0 }, fill;
	struct packed got = pack(&measure);
	void *block = malloc(measure.size);

	ok(!got.name && !got.number && !got.words, "measuring hands out no pointer");
	fill = ward_pack_begin(block);
	got = pack(&fill);
	ok(fill.size == measure.size, "both passes take the same");
	ok(strcmp(got.name, "odd") == 0 && (uintptr_t)got.number % _Alignof(uint64_t) == 0 &&
		   strcmp(got.words[2], "three") == 0 && !got.words[3],
	   "strings are copied, numbers aligned");
	free(block);
}

int
main(void)
{
	test_map();
	test_pack();
	return done_testing();
}
