/* Plans: what they refuse, what they hold, and the words for it. No process is made here. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>

#include "spawn/plan.h"
#include "spawn/stage.h"
#include "tests/core/tap.h"

static const char *argv_plain[] = { "prog", "arg", NULL };
static const char *env_path[] = { "HOME=/", "PATH=/a::/b:", NULL };
static const char *env_none[] = { "HOME=/", NULL };

static struct ward_draft
draft(void)
{
	return (struct ward_draft){
		.file = "prog", .argv = argv_plain, .envp = env_path, .cwd = "/", .umask = 022
	};
}

static const struct ward_step *
step_of(const struct ward_plan *plan, enum ward_stage stage)
{
	for (uint32_t i = 0; i < plan->nsteps; i++) {
		if (plan->steps[i].stage == (uint32_t)stage)
			return &plan->steps[i];
	}
	return NULL;
}

static struct ward_plan *
plan_or_null(const struct ward_draft *d, struct ward_err *err)
{
	struct ward_plan *plan = NULL;

	*err = (struct ward_err){ 0 };
	return ward_plan_new(d, &plan, err) == 0 ? plan : NULL;
}

static void
refused(const struct ward_draft *d, const char *sentence)
{
	struct ward_err err;
	struct ward_plan *plan = plan_or_null(d, &err);

	ok(!plan && strcmp(err.detail, sentence) == 0, "refused: %s", err.detail);
	ward_plan_free(plan);
}

static void
candidates(const char *name, const struct ward_draft *d, const char *const *want)
{
	struct ward_err err;
	struct ward_plan *plan = plan_or_null(d, &err);
	const char *const *got = step_of(plan, WARD_STAGE_EXEC)->p;
	bool same = true;
	int i;

	for (i = 0; want[i] && got[i]; i++)
		same &= strcmp(want[i], got[i]) == 0;
	ok(same && !want[i] && !got[i], "%s", name);
	ward_plan_free(plan);
}

static void
test_refusals(void)
{
	struct ward_fd_rule fds[] = {
		{ 1, WARD_SOURCE_FD, 1, NULL, 0, false },
		{ 1, WARD_SOURCE_FD, 2, NULL, 0, false },
	};
	struct ward_draft d = draft();
	struct rlimit nofile;
	char sentence[120];

	d.file = "";
	refused(&d, "the command is empty");
	d = draft();
	d.cwd = "relative";
	refused(&d, "the working directory \"relative\" is not absolute");
	d = draft();
	d.fds = fds;
	d.nfds = 2;
	refused(&d, "descriptor 1 is given twice");
	(void)getrlimit(RLIMIT_NOFILE, &nofile);
	(void)snprintf(sentence, sizeof(sentence), "descriptor %llu is outside 0..%llu",
		       (unsigned long long)nofile.rlim_cur,
		       (unsigned long long)nofile.rlim_cur - 1);
	fds[1].target = (int)nofile.rlim_cur;
	refused(&d, sentence);
	(void)snprintf(sentence, sizeof(sentence), "descriptor -2 is outside 0..%llu",
		       (unsigned long long)nofile.rlim_cur - 1);
	fds[1].target = -2;
	refused(&d, sentence);
	fds[1] = (struct ward_fd_rule){ 2, WARD_SOURCE_SAME, 1, NULL, 0, false };
	refused(&d, "descriptor 2 is to be the same as one that has no source");
}

static void
test_candidates(void)
{
	struct ward_draft d = draft();

	candidates("PATH of the child, empty entries are the working directory", &d,
		   (const char *const[]){ "/a/prog", "prog", "/b/prog", "prog", NULL });
	d.file = "./prog";
	candidates("a slash: no search", &d, (const char *const[]){ "./prog", NULL });
	d.file = "prog";
	d.envp = env_none;
	candidates("no PATH: the usual directories", &d,
		   (const char *const[]){ "/usr/local/sbin/prog", "/usr/local/bin/prog",
					  "/usr/sbin/prog", "/usr/bin/prog", "/sbin/prog",
					  "/bin/prog", NULL });
}

/* The steps stand in stage.h's order, whatever the draft holds: the order is security. */
static void
test_order(void)
{
	uint32_t groups[] = { 9, 3, 5 };
	struct ward_fd_rule fds[] = {
		{ 0, WARD_SOURCE_PATH, 0, "/dev/null", O_RDWR, false },
		{ 1, WARD_SOURCE_SLOT, 0, NULL, 0, false },
		{ 2, WARD_SOURCE_SAME, 1, NULL, 0, false },
	};
	struct ward_draft d = draft();
	struct ward_err err;
	struct ward_plan *plan;
	const struct ward_step *ids;
	bool rising = true, words = true;

	d.fds = fds;
	d.nfds = 3;
	d.ids = (struct ward_ids){ .uid = 7,
				   .gid = 8,
				   .set_uid = 1,
				   .set_gid = 1,
				   .set_groups = 1,
				   .ngroups = 3,
				   .groups = groups };
	plan = plan_or_null(&d, &err);
	for (uint32_t i = 0; i < plan->nsteps; i++) {
		char text[200] = "";

		rising &= i == 0 || plan->steps[i].stage >= plan->steps[i - 1].stage;
		words &= ward_plan_explain(plan, i, text, sizeof(text)) > 0 && text[0];
	}
	ok(rising, "steps stand in the order of stage.h");
	ok(words, "each step has words");
	ok(plan->steps[plan->nsteps - 1].stage == WARD_STAGE_EXEC, "exec is the last");
	ok(step_of(plan, WARD_STAGE_FD_MOVE)[2].a == 1, "the same as 1 is moved from 1's source");
	ok(plan->slots == 1u << WARD_SLOT_LOG && plan->highest == 2, "one slot, highest target 2");
	ids = step_of(plan, WARD_STAGE_IDS_CHECK);
	ok(ids && ((const struct ward_ids *)ids->p)->groups[0] == 3,
	   "groups are sorted to compare");
	ok(ward_plan_changes_ids(plan), "it changes ids");
	ward_plan_free(plan);
}

int
main(void)
{
	test_refusals();
	test_candidates();
	test_order();
	return done_testing();
}
