/* Plans: what they refuse, what they hold, and the words for it. No process is made here. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

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
	char sentence[160];

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
	/* Until exec two sources and the report pipe are above the highest target. */
	(void)snprintf(sentence, sizeof(sentence),
		       "descriptor %llu leaves too little room below ward's own limit of %llu "
		       "descriptors: 3 more are needed above it until exec",
		       (unsigned long long)nofile.rlim_cur - 3,
		       (unsigned long long)nofile.rlim_cur);
	fds[0].number = 5;
	fds[1].target = (int)nofile.rlim_cur - 3;
	refused(&d, sentence);
	fds[1] = (struct ward_fd_rule){ 2, WARD_SOURCE_SAME, 1, NULL, 0, false };
	refused(&d, "descriptor 2 is to be the same as one that has no source");
}

/* A failure names what it was about, whatever work slot that is in. */
static void
test_operands(void)
{
	struct ward_fd_rule fds[] = {
		{ 0, WARD_SOURCE_PATH, 0, "/dev/null", O_RDWR, false },
		{ 1, WARD_SOURCE_SLOT, WARD_SLOT_LOG, NULL, 0, false },
		{ 4, WARD_SOURCE_FD, 7, NULL, 0, false },
	};
	static const char *const want[] = { " the report pipe", " /dev/null", " the log pipe",
					    " descriptor 7" };
	struct ward_draft d = draft();
	struct ward_err err;
	struct ward_plan *plan;
	char operand[80];

	d.fds = fds;
	d.nfds = 3;
	plan = plan_or_null(&d, &err);
	for (uint32_t i = 0; i < plan->nsteps; i++) {
		if (plan->steps[i].stage != WARD_STAGE_FD_LIFT)
			continue;
		for (int slot = -1; slot < 3; slot++) {
			ward_plan_operand(plan, i, EMFILE, slot, operand, sizeof(operand));
			ok(strcmp(operand, want[slot + 1]) == 0, "take over%s", operand);
		}
	}
	ward_plan_free(plan);
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

static const struct ward_fill fills[] = {
	{ .kind = WARD_FILL_DIR, .path = "a", .mode = 0700 },
	{ .kind = WARD_FILL_LIKE, .path = "a/b", .like = 1 },
	{ .kind = WARD_FILL_LINK, .path = "l", .to = "a" },
};
static const char *const options[] = { "mode", "0755", "size", "4096", NULL };
static const struct ward_mount mounts[] = {
	{ .type = "tmpfs",
	  .target = "/",
	  .attr = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV,
	  .options = options,
	  .fills = fills,
	  .nfills = 3 },
	{ .source = "/srv", .target = "/a/b", .attr = MOUNT_ATTR_NOSUID, .optional = true },
};

static struct ward_draft
confined(bool privileged)
{
	struct ward_draft d = draft();

	d.sandbox = (struct ward_draft_sandbox){
		.namespaces = WARD_CLONE_NEWUSER | WARD_CLONE_NEWPID | WARD_CLONE_NEWNS |
			      WARD_CLONE_NEWNET | WARD_CLONE_NEWUTS,
		.privileged = privileged,
		.last_cap = 40,
		.hostname = "jail",
		.mounts = mounts,
		.nmounts = 2,
	};
	return d;
}

/* Says of each step that stage.h has it behind the one before, and puts its words into @text. */
static bool
in_order(const struct ward_plan *plan, char *text, size_t size)
{
	bool rising = true;
	size_t at = 0;

	for (uint32_t i = 0; i < plan->nsteps; i++) {
		char words[300];

		rising &= i == 0 || plan->steps[i].stage >= plan->steps[i - 1].stage;
		(void)ward_plan_explain(plan, i, words, sizeof(words));
		at += (size_t)snprintf(text + at, size - at, "%s: %s\n",
				       ward_stage_name((int)plan->steps[i].stage), words);
	}
	return rising;
}

static void
contains(const char *name, const char *text, const char *const *lines)
{
	for (; *lines; lines++) {
		text = strstr(text, *lines);
		if (!text)
			break;
	}
	ok(!*lines, "%s%s%s", name, *lines ? ": not here, or not in order: " : "",
	   *lines ? *lines : "");
}

/* Who owns the mounts is a matter of order. */
static void
test_namespaces(void)
{
	const struct ward_id_range map[] = { { 0, 100000, 10 }, { 10, 5, 1 } };
	struct ward_draft d = confined(true);
	char text[8192], birth[80];
	struct ward_err err;
	struct ward_plan *plan;

	d.sandbox.uid_map = d.sandbox.gid_map = map;
	d.sandbox.nuid_map = d.sandbox.ngid_map = 2;
	plan = plan_or_null(&d, &err);
	ok(in_order(plan, text, sizeof(text)), "with privilege: in the order of stage.h");
	contains("the user namespace is last", text,
		 (const char *const[]){
			 "userns: own user namespace, entered after the mounts: users 0 100000 10, "
			 "10 5 1; groups 0 100000 10, 10 5 1; none below it\n",
			 "namespaces: own mount net uts\n", "hostname: jail\n", "loopback: lo up\n",
			 "private: ", "mount_make: a new tmpfs for /: mode=0755, size=4096 nodev\n",
			 "mount_make: /srv for /a/b, if it is there\n",
			 "mount_fill: /a, mode 0700\nmount_fill: /a/b\nmount_fill: /l, a link to "
			 "a\nmount_attr: /: read-only\nmount_attr: /a/b and below: nosuid\n"
			 "pivot: tmpfs is the root; the host's is gone\nmount: /a/b\n"
			 "user_enter: ",
			 "groups: no groups\ngid: gid 0\nuid: uid 0\n",
			 "cwd: /\ndeathsig: ", "init: ", NULL });
	(void)ward_plan_explain_birth(plan, birth, sizeof(birth));
	ok(strcmp(birth, "shared: in the supervisor's memory, which goes on; own pid") == 0 &&
		   plan->clone_flags == WARD_CLONE_NEWPID,
	   "it is born in its pid namespace");
	ok(plan->init >= 0 && plan->parent >= 0 && plan->nwork == plan->nfds + 2 + 1 + 1 + 2,
	   "work slots for the init, the supervisor, the user namespace and the mounts");
	ward_plan_free(plan);

	d = confined(false);
	plan = plan_or_null(&d, &err);
	ok(in_order(plan, text, sizeof(text)), "without privilege: in the order of stage.h");
	contains("the user namespace is first", text,
		 (const char *const[]){ "id_map: \"deny\" to /proc/self/setgroups\nid_map: ",
					" to /proc/self/uid_map\n",
					" to /proc/self/gid_map\nnested: ", "namespaces: ",
					"mount: /a/b\n", "bounding: bounding chown ", NULL });
	ok(!strstr(text, "user_enter") && !strstr(text, "sys_admin") && !strstr(text, "userns:"),
	   "it comes with the birth, and CAP_SYS_ADMIN goes");
	ok(plan->clone_flags == (WARD_CLONE_NEWPID | WARD_CLONE_NEWUSER), "born in both");
	ward_plan_free(plan);

	d.sandbox.pid1 = d.sandbox.nested = true;
	plan = plan_or_null(&d, &err);
	(void)in_order(plan, text, sizeof(text));
	ok(plan->init < 0 && !strstr(text, "init: ") && !strstr(text, "nested: "),
	   "no init and no limit where they are not wanted");
	ward_plan_free(plan);
}

static void
test_namespace_refusals(void)
{
	const struct ward_id_range map[] = { { 1, 100000, 10 }, { 20, 5, 1 } };
	uint32_t groups[] = { 3, 21 };
	struct ward_draft d = confined(true);
	char sentence[200];

	d.sandbox.namespaces &= ~WARD_CLONE_NEWNS;
	refused(&d, "sandbox.mounts: mounts need a mount namespace");
	d = confined(true);
	d.sandbox.namespaces &= ~WARD_CLONE_NEWUTS;
	refused(&d, "sandbox.hostname: a host name needs a uts namespace");
	d = confined(true);
	d.sandbox.uid_map = d.sandbox.gid_map = map;
	d.sandbox.nuid_map = d.sandbox.ngid_map = 2;
	refused(&d, "sandbox.uid_map: no user is 0 inside, which the program is to be");
	d.ids = (struct ward_ids){ .uid = 10, .gid = 11, .set_uid = 1, .set_gid = 1 };
	refused(&d, "sandbox.gid_map: no group is 11 inside, which the program is to have");
	d.ids.gid = 20;
	d.ids.groups = groups;
	d.ids.ngroups = 2;
	d.ids.set_groups = 1;
	refused(&d, "sandbox.gid_map: no group is 21 inside, which the program is to have");
	d.sandbox.privileged = false;
	refused(&d,
		"user: without CAP_SYS_ADMIN a user namespace knows one user, so user, group and "
		"groups cannot be given");
	d.ids = (struct ward_ids){ 0 };
	(void)snprintf(sentence, sizeof(sentence),
		       "sandbox.uid_map: without CAP_SYS_ADMIN a user namespace can only map user "
		       "%u and group %u, "
		       "each in one line with count = 1",
		       geteuid(), getegid());
	refused(&d, sentence);
}

/* getgroups(2) lists by what they are on the host: the check after the change compares in that order. */
static void
test_group_order(void)
{
	const struct ward_id_range map[] = { { 0, 0, 1 }, { 1, 500, 5 }, { 10, 100, 5 } };
	uint32_t groups[] = { 1, 11, 0, 2, 10 };
	const uint32_t want[] = { 0, 10, 11, 1, 2 };
	struct ward_draft d = confined(true);
	struct ward_err err;
	struct ward_plan *plan;

	d.sandbox.uid_map = d.sandbox.gid_map = map;
	d.sandbox.nuid_map = d.sandbox.ngid_map = 3;
	d.ids = (struct ward_ids){ .set_groups = 1, .groups = groups, .ngroups = 5 };
	plan = plan_or_null(&d, &err);
	ok(plan && memcmp(plan->ids.groups, want, sizeof(want)) == 0,
	   "groups are sorted by the host's");
	ward_plan_free(plan);
}

int
main(void)
{
	test_refusals();
	test_operands();
	test_candidates();
	test_order();
	test_namespaces();
	test_namespace_refusals();
	test_group_order();
	return done_testing();
}
