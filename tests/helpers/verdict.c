/* What a seccomp filter answers, by the core's own compiler and interpreter. Reads lines, and writes one for each
 * question:
 *
 *	default ACTION
 *	rule ACTION NAME [INDEX OP VALUE MASK]...	an optional name; OP is one of ward_seccomp_op
 *	ask NR A0 A1 A2			the action in hex, and the name of the call */
#include <inttypes.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "linux/seccomp.h"

#define RULES 2048
#define CONDS 6

struct rules {
	struct ward_seccomp_rule list[RULES];
	struct ward_seccomp_cond conds[RULES][CONDS];
	size_t n;
};

static uint64_t
number(void)
{
	const char *word = strtok(NULL, " \n");

	return word ? strtoull(word, NULL, 0) : 0;
}

static uint32_t
action(void)
{
	uint32_t found = 0;

	if (ward_seccomp_action(strtok(NULL, " \n"), &found) < 0)
		exit(2);
	return found;
}

static void
add_rule(struct rules *r)
{
	struct ward_seccomp_rule *rule = &r->list[r->n];
	const char *word;

	if (r->n == RULES)
		exit(2);
	rule->action = action();
	rule->name = strdup(strtok(NULL, " \n"));
	rule->optional = true;
	rule->conds = r->conds[r->n];
	while (rule->nconds < CONDS && (word = strtok(NULL, " \n"))) {
		struct ward_seccomp_cond *c = &r->conds[r->n][rule->nconds++];

		c->arg = (unsigned int)strtoul(word, NULL, 0);
		c->op = (enum ward_seccomp_op)number();
		c->value = number();
		c->mask = number();
	}
	r->n++;
}

static void
answer(const struct ward_seccomp_filter *f)
{
	struct seccomp_data data = { .nr = (int)number(), .arch = ward_seccomp_native() };
	uint32_t verdict = 0;
	char name[64];

	for (int i = 0; i < 3; i++)
		data.args[i] = number();
	if (ward_seccomp_verdict(f->insns, f->n, &data, &verdict) < 0)
		exit(3);
	ward_seccomp_name(data.arch, data.nr, name, sizeof(name));
	(void)printf("%08" PRIx32 " %s\n", verdict, name);
}

int
main(void)
{
	static struct rules rules;
	struct ward_seccomp_request q = { .rules = rules.list };
	struct ward_seccomp_filter filter = { 0 };
	struct ward_err err;
	char line[4096];

	while (fgets(line, sizeof(line), stdin)) {
		const char *verb = strtok(line, " \n");

		if (!verb)
			continue;
		if (strcmp(verb, "default") == 0) {
			q.default_action = action();
		} else if (strcmp(verb, "rule") == 0) {
			add_rule(&rules);
		} else {
			q.nrules = rules.n;
			if (!filter.insns && ward_seccomp_compile(&q, &filter, &err) < 0) {
				(void)fprintf(stderr, "%s\n", err.detail);
				return 1;
			}
			answer(&filter);
		}
	}
	ward_seccomp_free(&filter);
	return 0;
}
