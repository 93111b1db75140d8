/* Directories that are watched: what is told of, of whom, and what may be freed meanwhile. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../tap.h"
#include "loop/dirwatch.h"

#define MANY 20000 /* more than max_queued_events usually is */

static char base[64];

struct seen {
	struct ward_dirwatch *watch;
	int changed, lost, gone;
	char last[64];
	struct seen *victim; /* freed at the first callback */
};

static char *
in(const char *name)
{
	static char paths[4][128];
	static unsigned int turn;
	char *path = paths[turn++ % 4];

	(void)snprintf(path, sizeof(paths[0]), "%s/%s", base, name);
	return path;
}

static void
touch(const char *name)
{
	int fd = open(in(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd >= 0)
		(void)close(fd);
}

static void
on_change(void *arg, enum ward_dirwatch_what what, const char *name)
{
	struct seen *s = arg;

	s->changed += what == WARD_DIR_CHANGED;
	s->lost += what == WARD_DIR_LOST;
	s->gone += what == WARD_DIR_GONE;
	if (name)
		(void)snprintf(s->last, sizeof(s->last), "%s", name);
	if (s->victim) {
		ward_dirwatch_free(s->victim->watch);
		s->victim->watch = NULL;
		s->victim = NULL;
	}
}

static void
on_late(void *arg)
{
	ward_loop_stop(arg);
}

/* inotify has queued its events when the call that makes them returns: a short run takes them all. */
static void
turn(struct ward_loop *loop)
{
	struct ward_timer *t = ward_timer_new(loop, on_late, loop);

	ward_timer_arm(t, ward_now_ns() + 20000000);
	ward_loop_run(loop);
	ward_timer_free(t);
}

static void
watch(struct ward_dirwatches *set, const char *name, struct seen *s)
{
	*s = (struct seen){ .watch = NULL };
	(void)ward_dirwatch_new(set, in(name), on_change, s, &s->watch);
}

static void
test_names(struct ward_loop *loop, struct ward_dirwatches *set)
{
	struct seen a, b;

	(void)mkdir(in("d"), 0700);
	watch(set, "d", &a);
	watch(set, "d", &b);
	ok(a.watch && b.watch, "two may watch the same directory");
	touch("d/x");
	turn(loop);
	is_str(a.last, "x", "a new file is told by its name");
	is_int(a.changed, b.changed, "to both");
	(void)rename(in("d/x"), in("d/y"));
	turn(loop);
	is_str(a.last, "y", "a rename, too");
	ward_dirwatch_free(a.watch);
	a.changed = b.changed = 0;
	(void)unlink(in("d/y"));
	turn(loop);
	is_int(a.changed, 0, "no callback comes after the end of a watch");
	is_int(b.changed, 1, "the other goes on");
	ward_dirwatch_free(b.watch);
	touch("d/z");
	turn(loop);
	is_int(b.changed, 1, "until its end");
}

static void
test_gone(struct ward_loop *loop, struct ward_dirwatches *set)
{
	struct seen a, b;

	(void)mkdir(in("removed"), 0700);
	(void)mkdir(in("moved"), 0700);
	watch(set, "removed", &a);
	watch(set, "moved", &b);
	(void)rmdir(in("removed"));
	(void)rename(in("moved"), in("elsewhere"));
	turn(loop);
	is_int(a.gone, 1, "a directory that is removed is gone, once");
	is_int(b.gone, 1, "one that is moved, too");
	touch("elsewhere/x");
	turn(loop);
	is_int(b.changed, 0, "what happens in it then is not told");
	ward_dirwatch_free(a.watch);
	ward_dirwatch_free(b.watch);
}

static void
test_freeing(struct ward_loop *loop, struct ward_dirwatches *set)
{
	struct seen s[4];

	(void)mkdir(in("f"), 0700);
	for (int i = 0; i < 4; i++)
		watch(set, "f", &s[i]);
	/* They are told from the last to the first. */
	s[3].victim = &s[2];
	s[1].victim = &s[1];
	touch("f/x");
	turn(loop);
	ok(s[3].changed > 0 && s[0].changed > 0, "those that stay are told");
	is_int(s[2].changed, 0, "one that another's callback frees is not");
	is_int(s[1].changed, 1, "one that frees itself is told once");
	ward_dirwatch_free(s[3].watch);
	ward_dirwatch_free(s[0].watch);
}

static void
test_lost(struct ward_loop *loop, struct ward_dirwatches *set)
{
	struct seen a, b;

	(void)mkdir(in("o"), 0700);
	watch(set, "o", &a);
	watch(set, "f", &b);
	for (int i = 0; i < MANY; i++) {
		touch(i % 2 ? "o/1" : "o/2");
		(void)unlink(in(i % 2 ? "o/1" : "o/2"));
	}
	for (int i = 0; i < 100 && a.lost == 0; i++)
		turn(loop);
	is_int(a.lost, 1, "events that did not fit are told as lost");
	is_int(b.lost, 1, "to every watch: nobody knows whose they were");
	ward_dirwatch_free(a.watch);
	ward_dirwatch_free(b.watch);
}

static void
test_errors(struct ward_dirwatches *set)
{
	struct ward_dirwatch *w = NULL;

	touch("file");
	is_int(ward_dirwatch_new(set, in("nope"), on_change, NULL, &w), -ENOENT, "not there");
	is_int(ward_dirwatch_new(set, in("file"), on_change, NULL, &w), -ENOTDIR, "not one");
	ok(w == NULL, "the output is untouched");
	ward_dirwatch_free(NULL);
	ward_dirwatches_free(NULL);
}

int
main(void)
{
	const char *tmp = getenv("TMPDIR");
	struct ward_dirwatches *set = NULL;
	struct ward_loop *loop = NULL;
	pid_t rm;

	(void)snprintf(base, sizeof(base), "%s/dirwatch.XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(base) || ward_loop_new(&loop) < 0 || ward_dirwatches_new(loop, &set) < 0)
		return 1;
	test_names(loop, set);
	test_gone(loop, set);
	test_freeing(loop, set);
	test_lost(loop, set);
	test_errors(set);
	ward_dirwatches_free(set);
	ward_loop_free(loop);
	rm = fork();
	if (rm == 0) {
		(void)execlp("rm", "rm", "-rf", base, (char *)NULL);
		_exit(1);
	}
	(void)waitpid(rm, NULL, 0);
	return done_testing();
}
