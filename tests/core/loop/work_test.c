/* Work on a thread: where it runs, what it hears, and what becomes of it when nobody waits. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

#include "loop/loop.h"
#include "loop/work.h"
#include "tests/core/tap.h"

static struct ward_loop *loop;
static pthread_t here;
static atomic_int runs, may_end;
static int dones, expected;
static bool elsewhere, blocked, back;

static void
run(void *arg)
{
	sigset_t mask;

	(void)arg;
	(void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
	elsewhere = !pthread_equal(pthread_self(), here);
	blocked = sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGCHLD) == 1;
	runs++;
}

static void
done(void *arg)
{
	back = pthread_equal(pthread_self(), here) && arg == &runs;
	if (++dones == expected)
		ward_loop_stop(loop);
}

static void
wait_for_leave(void *arg)
{
	(void)arg;
	runs++;
	while (!may_end)
		(void)usleep(1000);
}

static int
count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += lseek(fd, 0, SEEK_CUR) >= 0 || errno != EBADF;
	return n;
}

static double
seconds(void)
{
	return (double)ward_now_ns() / 1e9;
}

int
main(void)
{
	struct ward_work *w;
	int fds;
	double from;

	here = pthread_self();
	if (ward_loop_new(&loop) < 0)
		return 1;
	ok(ward_work_start(loop, run, done, &runs, &w) == 0, "it starts");
	expected = 1;
	ward_loop_run(loop);
	ok(runs == 1 && dones == 1, "it runs once, and is done once");
	ok(elsewhere && blocked, "on a thread of its own, which takes no signals");
	ok(back, "its end is told in the loop");
	fds = count_fds();
	for (int i = 0; i < 20; i++)
		(void)ward_work_start(loop, run, done, &runs, &w);
	expected = 21;
	ward_loop_run(loop);
	ok(runs == 21, "many at once");
	ok(count_fds() == fds, "no descriptor is left");

	runs = dones = 0;
	(void)ward_work_start(loop, wait_for_leave, done, &runs, &w);
	from = seconds();
	ok(!ward_work_abandon(w, 50) && seconds() - from < 5,
	   "one that does not end is left alone");
	may_end = 1;
	(void)ward_work_start(loop, run, done, &runs, &w);
	ok(ward_work_abandon(w, 5000), "one that ends is waited for");
	ok(dones == 0, "neither is told of");
	(void)ward_work_start(loop, run, done, &runs, &w);
	ward_work_join_all();
	ok(runs == 3 && dones == 0 && count_fds() <= fds + 1, "the rest is waited for at the end");
	ward_loop_free(loop);
	return done_testing();
}
