/* Part of child_noheap.c: how a step ends. */
#ifndef WARD_SPAWN_CHILD_OUTCOME_H
#define WARD_SPAWN_CHILD_OUTCOME_H

/* 0 or an errno, and the operand that the step stopped at. */
struct outcome {
	int err;
	int operand;
};

static const struct outcome done = { 0, 0 };

static inline struct outcome
result(long r, int operand)
{
	return r < 0 ? (struct outcome){ (int)-r, operand } : done;
}

#endif
