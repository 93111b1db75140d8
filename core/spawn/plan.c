#include "spawn/plan.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/fd.h"
#include "base/pack.h"
#include "linux/uapi.h"
#include "spawn/plan_build.h"
#include "spawn/search.h"
#include "spawn/stage.h"

/* The most fd rules of one plan: their work slots live in the launch's fixed mapping. */
#define FDS_MAX 1024

/* Steps that a plan can hold besides those of its fd rules, limits and namespaces: one for each stage. */
#define STEPS_FIXED WARD_STAGE_COUNT

static int
compare_int(const void *a, const void *b)
{
	int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

	return (x > y) - (x < y);
}

void
ward_build_add(struct ward_build *b, struct ward_step step)
{
	step.soft = b->soft;
	if (b->steps)
		b->steps[b->nsteps] = step;
	b->nsteps++;
}

void
ward_build_number(struct ward_build *b, int stage, int number)
{
	ward_build_add(b, (struct ward_step){ .stage = (uint16_t)stage, .a = number });
}

/* The limit on descriptors comes after the descriptors, the others come first. */
static void
add_limits(struct ward_build *b, const struct ward_draft *d, enum ward_stage stage)
{
	for (size_t i = 0; i < d->process.nlimits; i++) {
		const struct ward_limit *l = &d->process.limits[i];

		if ((stage == WARD_STAGE_NOFILE) != (l->resource == RLIMIT_NOFILE))
			continue;
		ward_build_add(b, (struct ward_step){ .stage = (uint16_t)stage,
						      .a = l->resource,
						      .p = ward_pack_copy(&b->pack, l->value,
									  sizeof(l->value),
									  _Alignof(uint64_t)) });
	}
}

static void
add_process(struct ward_build *b, const struct ward_draft *d)
{
	const struct ward_draft_process *p = &d->process;

	if (p->set_ioprio)
		ward_build_number(b, WARD_STAGE_IOPRIO, p->ioprio);
	if (p->set_nice)
		ward_build_number(b, WARD_STAGE_NICE, p->nice);
	if (p->set_sched)
		ward_build_add(b, (struct ward_step){ .stage = WARD_STAGE_SCHED,
						      .a = p->policy,
						      .b = p->priority });
	if (p->affinity)
		ward_build_add(b,
			       (struct ward_step){ .stage = WARD_STAGE_AFFINITY,
						   .n = (uint32_t)p->affinity_size,
						   .p = ward_pack_copy(&b->pack, p->affinity,
								       p->affinity_size,
								       _Alignof(unsigned long)) });
	ward_build_number(b, WARD_STAGE_UMASK, (int)d->umask);
	add_limits(b, d, WARD_STAGE_LIMIT);
}

static const struct ward_fd_rule *
pack_fds(struct ward_pack *p, const struct ward_draft *d)
{
	struct ward_fd_rule *to =
		ward_pack_copy(p, d->fds, d->nfds * sizeof(*d->fds), _Alignof(struct ward_fd_rule));

	for (size_t i = 0; i < d->nfds; i++) {
		const char *path = d->fds[i].path ? ward_pack_str(p, d->fds[i].path) : NULL;

		if (to)
			to[i].path = path;
	}
	return to;
}

/* Targets in rising order; sets *n. */
static const int32_t *
pack_targets(struct ward_pack *p, const struct ward_draft *d, uint32_t *n)
{
	int32_t *to = ward_pack_take(p, d->nfds * sizeof(*to), _Alignof(int32_t));

	*n = 0;
	for (size_t i = 0; i < d->nfds; i++) {
		if (d->fds[i].target < 0)
			continue;
		if (to)
			to[*n] = d->fds[i].target;
		(*n)++;
	}
	if (to)
		qsort(to, *n, sizeof(*to), compare_int);
	return to;
}

/* The target of each work slot; what no rule put there has none. */
static const int32_t *
pack_places(struct ward_build *b, const struct ward_draft *d)
{
	int32_t *to = ward_pack_take(&b->pack, b->nwork * sizeof(*to), _Alignof(int32_t));

	for (size_t i = 0; to && i < b->nwork; i++)
		to[i] = i < d->nfds ? d->fds[i].target : -1;
	return to;
}

static void
add_opens(struct ward_build *b, const struct ward_draft *d, const struct ward_fd_rule *packed)
{
	for (size_t i = 0; i < d->nfds; i++) {
		if (d->fds[i].source == WARD_SOURCE_PATH)
			ward_build_add(b,
				       (struct ward_step){ .stage = WARD_STAGE_FD_OPEN,
							   .a = (int32_t)i,
							   .b = d->fds[i].flags,
							   .n = ward_build_root(&d->sandbox, false),
							   .p = packed ? packed[i].path : NULL });
	}
}

static void
add_fds(struct ward_build *b, const struct ward_draft *d)
{
	const int32_t *targets;
	uint32_t n;

	ward_build_add(b,
		       (struct ward_step){ .stage = WARD_STAGE_FD_LIFT, .p = pack_places(b, d) });
	for (size_t i = 0; i < d->nfds; i++) {
		const struct ward_fd_rule *f = &d->fds[i];

		if (f->target >= 0)
			ward_build_add(b, (struct ward_step){ .stage = WARD_STAGE_FD_MOVE,
							      .a = f->source == WARD_SOURCE_SAME
									   ? f->number
									   : (int32_t)i,
							      .b = f->target });
	}
	for (size_t i = 0; i < d->nfds; i++) {
		const struct ward_fd_rule *f = &d->fds[i];
		const struct ward_fd_rule *from =
			f->source == WARD_SOURCE_SAME ? &d->fds[f->number] : f;

		if (f->target >= 0 && f->target <= 2 && !from->as_it_is)
			ward_build_number(b, WARD_STAGE_FD_BLOCK, d->fds[i].target);
	}
	targets = pack_targets(&b->pack, d, &n);
	ward_build_add(b, (struct ward_step){ .stage = WARD_STAGE_FD_CLOSE, .n = n, .p = targets });
}

static const struct ward_bpf_prog *
pack_program(struct ward_build *b, const struct ward_bpf *filter, uint16_t n)
{
	const struct ward_bpf_prog prog = { .len = n, .filter = filter };

	return ward_pack_copy(&b->pack, &prog, sizeof(prog), _Alignof(struct ward_bpf_prog));
}

/* Every sandbox has a filter, by which it is known (linux/confined.h): one that allows everything, where there is no
 * other. Nobody asked for that one, and it may be that nobody here can load one: a supervisor with privilege can, as
 * long as the child still has it. */
static void
add_mark(struct ward_build *b, const struct ward_draft_sandbox *s, enum ward_stage stage)
{
	static const struct ward_bpf mark[] = { { .code = WARD_BPF_RET,
						  .k = WARD_SECCOMP_RET_ALLOW } };

	if (s->given && !s->guard && !s->filter &&
	    stage == (s->no_new_privs ? WARD_STAGE_GUARD : WARD_STAGE_MARK))
		ward_build_add(b, (struct ward_step){ .stage = (uint16_t)stage,
						      .a = s->no_new_privs || !s->privileged,
						      .p = pack_program(b, mark, 1) });
}

static void
add_guard(struct ward_build *b, const struct ward_draft_sandbox *s)
{
	if (s->guard)
		ward_build_add(b, (struct ward_step){ .stage = WARD_STAGE_GUARD,
						      .p = pack_program(b, s->guard, s->nguard) });
	add_mark(b, s, WARD_STAGE_GUARD);
}

static void
add_filter(struct ward_build *b, const struct ward_draft_sandbox *s)
{
	ward_build_add(b, (struct ward_step){ .stage = WARD_STAGE_SECCOMP,
					      .a = (int32_t)s->filter_flags,
					      .b = s->learn,
					      .p = pack_program(b, s->filter, s->nfilter) });
}

/* From here on it is the user's process, and the last steps leave no way back. */
static void
add_confinement(struct ward_build *b, const struct ward_draft *d, const struct ward_plan *plan,
		bool soft)
{
	const struct ward_draft_sandbox *s = &d->sandbox;

	ward_build_add(b, (struct ward_step){ .stage = WARD_STAGE_CWD,
					      .a = ward_build_has_root(s),
					      .p = ward_pack_str(&b->pack, d->cwd) });
	/* Also when there is none: the leash ends here. One that is learned would get no answer any more. */
	ward_build_add(b, (struct ward_step){ .stage = WARD_STAGE_DEATHSIG,
					      .a = s->learn && !d->process.deathsig
							   ? SIGKILL
							   : d->process.deathsig,
					      .b = plan->parent });
	if (plan->init >= 0)
		ward_build_add(b, (struct ward_step){ .stage = WARD_STAGE_INIT,
						      .a = plan->init,
						      .b = plan->init + 1 });
	b->soft = soft;
	if (s->no_new_privs)
		ward_build_add(b, (struct ward_step){ .stage = WARD_STAGE_NNP });
	if (plan->ruleset >= 0)
		ward_build_number(b, WARD_STAGE_LANDLOCK, plan->ruleset);
	ward_build_add(b, (struct ward_step){ .stage = WARD_STAGE_MASK });
	add_guard(b, s);
	if (s->filter)
		add_filter(b, s);
	b->soft = false;
}

/* The work slot of the first rule that has this source and number, or -1. */
static int32_t
work_slot(const struct ward_draft *d, enum ward_source source, int target, int number)
{
	for (size_t i = 0; i < d->nfds; i++) {
		const struct ward_fd_rule *f = &d->fds[i];

		if (f->source == source && (target < 0 ? f->target < 0 : f->number == number))
			return (int32_t)i;
	}
	return -1;
}

/* What it must be born with: nobody moves himself into another pid namespace. */
static uint64_t
clone_flags(const struct ward_draft_sandbox *s)
{
	if (!(s->namespaces & WARD_CLONE_NEWPID))
		return 0;
	return WARD_CLONE_NEWPID |
	       (ward_build_enters_late(s) ? 0 : s->namespaces & WARD_CLONE_NEWUSER);
}

static bool
maps_itself(const struct ward_draft_sandbox *s)
{
	return (s->namespaces & WARD_CLONE_NEWUSER) && !ward_build_enters_late(s);
}

/* Lays the plan out; the same code measures and fills. The steps are added in stage.h's order. */
static struct ward_plan *
build(struct ward_build *b, const struct ward_draft *d)
{
	struct ward_plan *plan = ward_pack_take(&b->pack, sizeof(*plan), _Alignof(max_align_t));
	bool soft = d->sandbox.on_failure != WARD_FAIL_ERROR;
	struct ward_plan v = {
		.highest = -1,
		.nfds = (uint32_t)d->nfds,
		.ruleset = d->sandbox.has_ruleset ? work_slot(d, WARD_SOURCE_FD, -1, 0) : -1,
		.ruleset_fd = d->sandbox.has_ruleset ? d->sandbox.ruleset : -1,
		.clone = d->clone,
		.init = -1,
		.parent = -1,
		.mapper = -1,
		.clone_flags = clone_flags(&d->sandbox),
		.on_failure = d->sandbox.on_failure,
		.learn = d->sandbox.learn,
		.tty_rows = d->tty_rows,
		.tty_cols = d->tty_cols,
		.set_oom = d->process.set_oom,
		.oom_score_adj = d->process.oom_score_adj,
	};
	const void *paths;
	uint32_t n;

	b->steps = ward_pack_take(&b->pack,
				  (STEPS_FIXED + 3 * d->nfds + d->process.nlimits +
				   ward_build_sandbox_max(&d->sandbox)) *
					  sizeof(*b->steps),
				  _Alignof(struct ward_step));
	v.file = ward_pack_str(&b->pack, d->file);
	v.argv = ward_pack_strv(&b->pack, d->argv);
	v.envp = ward_pack_strv(&b->pack, d->envp);
	v.fds = pack_fds(&b->pack, d);
	for (size_t i = 0; i < d->nfds; i++) {
		if (d->fds[i].target > v.highest)
			v.highest = d->fds[i].target;
		if (d->fds[i].source == WARD_SOURCE_SLOT)
			v.slots |= 1u << d->fds[i].number;
	}
	b->nwork = v.nfds;
	if ((v.clone_flags & WARD_CLONE_NEWPID) && !d->sandbox.pid1) {
		v.init = (int32_t)b->nwork;
		b->nwork += 2;
	}
	if (v.clone_flags & WARD_CLONE_NEWPID)
		v.parent = (int32_t)b->nwork++;
	if (maps_itself(&d->sandbox))
		v.mapper = b->mapper = (int32_t)b->nwork++;

	ward_build_add(b, (struct ward_step){ .stage = WARD_STAGE_SIGNALS });
	ward_build_add(
		b, (struct ward_step){ .stage = WARD_STAGE_LEASH, .a = SIGKILL, .b = v.parent });
	if (!d->foreground)
		ward_build_add(b, (struct ward_step){ .stage = d->session ? WARD_STAGE_SESSION
									  : WARD_STAGE_PGROUP });
	if (d->tty_rows)
		ward_build_number(b, WARD_STAGE_TTY,
				  work_slot(d, WARD_SOURCE_SLOT, 0, WARD_SLOT_TTY));
	add_process(b, d);
	add_opens(b, d, v.fds);
	ward_build_sandbox(b, d);
	add_fds(b, d);
	add_limits(b, d, WARD_STAGE_NOFILE);
	b->soft = soft;
	add_mark(b, &d->sandbox, WARD_STAGE_MARK);
	b->soft = false;
	v.ids = ward_build_identity(b, d, soft);
	v.owner = ward_build_owner(&d->sandbox, v.ids.uid);
	add_confinement(b, d, &v, soft);
	paths = ward_search_pack(&b->pack, d->file, d->envp, &n);
	ward_build_add(b, (struct ward_step){ .stage = WARD_STAGE_EXEC, .n = n, .p = paths });

	v.nwork = b->nwork;
	v.steps = b->steps;
	v.nsteps = b->nsteps;
	if (plan)
		*plan = v;
	return plan;
}

/* Descriptors that the child makes above its highest target, where no dup3 can land on them: a source each, the report
 * pipe, and what a pid namespace takes. */
static rlim_t
lifted(const struct ward_draft *d)
{
	rlim_t n = 1;

	for (size_t i = 0; i < d->nfds; i++)
		n += d->fds[i].source != WARD_SOURCE_SAME &&
		     (d->fds[i].source != WARD_SOURCE_FD || d->fds[i].number != d->fds[i].target);
	if (!clone_flags(&d->sandbox))
		return n;
	return d->sandbox.pid1 ? n + 1 : n + 3;
}

/* The limit is the one in force while descriptors are placed: the child's own comes behind them. */
static int
check_room(const struct ward_draft *d, struct ward_err *err)
{
	struct rlimit nofile;
	rlim_t most;

	if (getrlimit(RLIMIT_NOFILE, &nofile) < 0)
		return ward_err_set(err, WARD_STAGE_PREPARE, errno, "cannot read RLIMIT_NOFILE");
	most = nofile.rlim_cur > lifted(d) ? nofile.rlim_cur - lifted(d) : 0;
	for (size_t i = 0; i < d->nfds; i++) {
		int target = d->fds[i].target;

		if (target == -1) /* for a step only */
			continue;
		if (target < 0 || (rlim_t)target >= nofile.rlim_cur)
			return ward_err_set(err, WARD_STAGE_PREPARE, EINVAL,
					    "descriptor %d is outside 0..%llu", target,
					    (unsigned long long)nofile.rlim_cur - 1);
		if ((rlim_t)target >= most)
			return ward_err_set(
				err, WARD_STAGE_PREPARE, EMFILE,
				"descriptor %d leaves too little room below ward's own limit of "
				"%llu descriptors: %llu more are needed above it until exec",
				target, (unsigned long long)nofile.rlim_cur,
				(unsigned long long)lifted(d));
	}
	return 0;
}

static int
check_fds(const struct ward_draft *d, struct ward_err *err)
{
	if (d->nfds > FDS_MAX)
		return ward_err_set(err, WARD_STAGE_PREPARE, E2BIG,
				    "%zu descriptors are given, at most %d are possible", d->nfds,
				    FDS_MAX);
	for (size_t i = 0; i < d->nfds; i++) {
		int target = d->fds[i].target;

		if (target == -1) /* for a step only */
			continue;
		if (d->fds[i].source == WARD_SOURCE_SAME &&
		    (d->fds[i].number < 0 || (size_t)d->fds[i].number >= d->nfds ||
		     d->fds[d->fds[i].number].source == WARD_SOURCE_SAME))
			return ward_err_set(
				err, WARD_STAGE_PREPARE, EINVAL,
				"descriptor %d is to be the same as one that has no source",
				target);
		for (size_t k = 0; k < i; k++) {
			if (d->fds[k].target == target)
				return ward_err_set(err, WARD_STAGE_PREPARE, EINVAL,
						    "descriptor %d is given twice", target);
		}
	}
	return check_room(d, err);
}

static int
check(const struct ward_draft *d, struct ward_err *err)
{
	if (!d->argv[0] || !d->file[0])
		return ward_err_set(err, WARD_STAGE_PREPARE, EINVAL, "the command is empty");
	if (d->cwd[0] != '/')
		return ward_err_set(err, WARD_STAGE_PREPARE, EINVAL,
				    "the working directory \"%s\" is not absolute", d->cwd);
	if (d->tty_rows && (!d->session || work_slot(d, WARD_SOURCE_SLOT, 0, WARD_SLOT_TTY) < 0))
		return ward_err_set(err, WARD_STAGE_PREPARE, EINVAL,
				    "a controlling terminal needs a session of its own");
	if (d->sandbox.learn && d->clone == WARD_CLONE_VFORKED)
		return ward_err_set(err, WARD_STAGE_PREPARE, EINVAL,
				    "sandbox.seccomp.learn: the supervisor has to answer before "
				    "exec, until which clone = \"vfork\" stops it");
	return check_fds(d, err);
}

int
ward_plan_new(const struct ward_draft *draft, struct ward_plan **out, struct ward_err *err)
{
	struct ward_draft d = *draft;
	struct ward_build measure = { 0 }, fill = { 0 };
	uint32_t *own_groups = NULL;
	void *block;
	int r = check(draft, err);

	if (r == 0)
		r = ward_build_check(draft, err);
	if (r == 0)
		r = ward_build_check_identity(draft, err);
	if (r < 0)
		return r;
	measure.keeps_groups = fill.keeps_groups = ward_build_keeps_groups(&d, &own_groups);
	r = ward_build_check_rights(&d, fill.keeps_groups, err);
	if (r < 0) {
		free(own_groups);
		return r;
	}
	(void)build(&measure, &d);
	block = malloc(measure.pack.size);
	if (block) {
		fill.pack = ward_pack_begin(block);
		*out = build(&fill, &d);
	} else {
		r = ward_err_set(err, WARD_STAGE_PREPARE, ENOMEM, "not enough memory");
	}
	free(own_groups);
	return r;
}

void
ward_plan_free(struct ward_plan *plan)
{
	if (!plan)
		return;
	ward_fd_close(&plan->ruleset_fd);
	free(plan);
}

bool
ward_plan_changes_ids(const struct ward_plan *plan)
{
	return plan->ids.set_uid || plan->ids.set_gid || plan->ids.set_groups;
}
