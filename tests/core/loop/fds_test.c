/* Random descriptor tables: whatever the sources, targets and overlaps, and whichever descriptors the
 * supervisor itself has open, the child has exactly the wanted table.
 *
 *	WARD_SEED=N WARD_ROUNDS=N	other tables, or more of them
 */
#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proc_kit.h"

enum {
	FILES = 12,	 /* what can be passed on, each with its inode */
	SOURCES_TO = 70, /* their numbers in the supervisor are below this */
	TARGETS_TO = 60,
	OWN_FROM = 130, /* where this test's own descriptors are; the child sees up to 127 */
	RULES = 16,
};

static struct {
	int fd;
	uint64_t ino;
} files[FILES];
static char path[] = "/tmp/ward-fds-test-XXXXXX"; /* opened by path, and written by the child */
static uint64_t path_ino;
static int path_fd;
static unsigned int seed = 4711;
static char tiny[4096];

static unsigned int
below(unsigned int n)
{
	return (unsigned int)rand_r(&seed) % n;
}

/* Numbers below OWN_FROM are left to the rounds. */
static int
out_of_the_way(int fd)
{
	int moved = fcntl(fd, F_DUPFD_CLOEXEC, OWN_FROM);

	(void)close(fd);
	return moved;
}

static uint64_t
inode(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? 0 : st.st_ino;
}

/* A ruleset that denies nothing here: it handles the binding of TCP ports. */
static int
new_ruleset(void)
{
	const uint64_t attr[2] = { 0, 1 };

	return (int)syscall(SYS_landlock_create_ruleset, attr, sizeof(attr), 0);
}

struct round {
	int source[FILES]; /* the number of each file in the supervisor, or -1 */
	struct ward_fd_rule rules[RULES];
	size_t nrules;
	uint64_t want[128];
	int ruleset; /* or -1 */
	enum ward_clone_mode clone;
};

static void
place_sources(struct round *r)
{
	bool any = false;

	for (int i = 0; i < FILES; i++) {
		int number = (int)below(SOURCES_TO);

		r->source[i] = -1;
		if (fcntl(number, F_GETFD) >= 0 || (any && below(4) == 0))
			continue;
		r->source[i] = dup3(files[i].fd, number, below(2) ? O_CLOEXEC : 0);
		any = true;
	}
}

/* A number that is free as a target: often that of a source. */
static int
free_target(const struct round *r)
{
	for (;;) {
		int t = r->source[below(FILES)];

		if (t < 0 || t >= TARGETS_TO || below(2))
			t = (int)below(TARGETS_TO);
		for (size_t i = 0; i < r->nrules; i++) {
			if (r->rules[i].target == t)
				t = -1;
		}
		if (t >= 0)
			return t;
	}
}

static void
make_rules(struct round *r)
{
	size_t n = 1 + below(RULES - 2);

	for (r->nrules = 0; r->nrules < n;) {
		struct ward_fd_rule *f = &r->rules[r->nrules];
		unsigned int kind = below(8), from = below(FILES);
		int target = free_target(r);

		*f = (struct ward_fd_rule){ .target = target, .as_it_is = below(2) };
		if (kind == 0) {
			f->source = WARD_SOURCE_PATH;
			f->path = path;
			f->flags = O_RDONLY;
			r->want[target] = path_ino;
		} else if (kind == 1 && r->nrules > 0 &&
			   r->rules[r->nrules - 1].source != WARD_SOURCE_SAME) {
			f->source = WARD_SOURCE_SAME;
			f->number = (int)r->nrules - 1;
			r->want[target] = r->want[r->rules[f->number].target];
		} else if (r->source[from] >= 0) {
			f->source = WARD_SOURCE_FD;
			f->number = r->source[from];
			r->want[target] = files[from].ino;
		} else {
			continue;
		}
		r->nrules++;
	}
	if (r->ruleset >= 0)
		r->rules[r->nrules++] = (struct ward_fd_rule){ .target = -1,
							       .source = WARD_SOURCE_FD,
							       .number = r->ruleset };
}

static void
describe(const struct round *r, unsigned int of_seed, const uint64_t *have)
{
	printf("# WARD_SEED=%u WARD_ROUNDS=1 clone %d ruleset %d\n", of_seed, r->clone, r->ruleset);
	for (size_t i = 0; i < r->nrules; i++)
		printf("# %d <- source %d number %d\n", r->rules[i].target, r->rules[i].source,
		       r->rules[i].number);
	for (int fd = 0; fd < 128; fd++) {
		if (have[fd] != r->want[fd])
			printf("# %d: inode %llu, want %llu\n", fd, (unsigned long long)have[fd],
			       (unsigned long long)r->want[fd]);
	}
}

/* Returns whether the child saw what it should. */
static bool
one_round(void)
{
	static const enum ward_clone_mode modes[] = { WARD_CLONE_VFORKED, WARD_CLONE_COPY };
	struct round r = { .ruleset = -1 };
	struct ward_draft d = draft_of(tiny, words("tiny", path, "fds"));
	uint64_t have[128] = { 0 };
	unsigned int before = seed;
	struct outcome o;
	bool good;

	place_sources(&r);
	r.clone = below(4) ? WARD_CLONE_SHARED : modes[below(2)];
	if (below(4) == 0)
		r.ruleset = new_ruleset();
	make_rules(&r);
	d.clone = r.clone;
	d.fds = r.rules;
	d.nfds = r.nrules;
	d.sandbox.has_ruleset = r.ruleset >= 0;
	d.sandbox.no_new_privs = r.ruleset >= 0;
	d.sandbox.ruleset = r.ruleset;
	(void)!ftruncate(path_fd, 0);
	o = run(&d);
	good = !o.how.spawn_failed && o.how.exit.code == 0 &&
	       pread(path_fd, have, sizeof(have), 0) == (ssize_t)sizeof(have) &&
	       memcmp(have, r.want, sizeof(have)) == 0;
	if (!good) {
		printf("# %s\n", o.how.spawn_failed ? o.how.err.detail : "the tables differ");
		describe(&r, before, have);
	}
	for (int i = 0; i < FILES; i++) {
		if (r.source[i] >= 0)
			(void)close(r.source[i]);
	}
	return good;
}

static long
number(const char *name, long otherwise)
{
	const char *text = getenv(name);

	return text ? atol(text) : otherwise;
}

int
main(void)
{
	long rounds = number("WARD_ROUNDS", 10000), wrong = 0;
	int reserved[OWN_FROM];
	size_t before;

	if (!realpath("build/tests/tiny", tiny) || (path_fd = mkstemp(path)) < 0)
		return 1;
	(void)chmod(path, 0666);
	seed = (unsigned int)number("WARD_SEED", seed);
	/* What the loop opens shall be out of the way, too: until it has, the low numbers are taken. */
	stdout = fdopen(out_of_the_way(dup(1)), "w");
	path_fd = out_of_the_way(path_fd);
	path_ino = inode(path_fd);
	for (int i = 0; i < FILES; i++) {
		files[i].fd = out_of_the_way(memfd_create("source", MFD_CLOEXEC));
		files[i].ino = inode(files[i].fd);
	}
	for (int fd = 0; fd < OWN_FROM; fd++)
		reserved[fd] = dup2(path_fd, fd);
	kit_begin();
	for (int fd = 0; fd < OWN_FROM; fd++)
		(void)close(reserved[fd]);
	(void)dup2(path_fd, 127); /* what a careless library might leave open */
	before = open_fds();

	for (long i = 0; i < rounds && wrong < 3; i++)
		wrong += !one_round();
	ok(wrong == 0, "%ld random descriptor tables: the child has exactly what was wanted",
	   rounds);
	ok(open_fds() == before, "and the supervisor has what it had");

	kit_end();
	(void)unlink(path);
	return done_testing();
}
