#include "linux/names.h"

#include <signal.h>
#include <stddef.h>
#include <string.h>

static const char *const classic[] = {
	[SIGHUP] = "HUP",	[SIGINT] = "INT",	[SIGQUIT] = "QUIT", [SIGILL] = "ILL",
	[SIGTRAP] = "TRAP",	[SIGABRT] = "ABRT",	[SIGBUS] = "BUS",   [SIGFPE] = "FPE",
	[SIGKILL] = "KILL",	[SIGUSR1] = "USR1",	[SIGSEGV] = "SEGV", [SIGUSR2] = "USR2",
	[SIGPIPE] = "PIPE",	[SIGALRM] = "ALRM",	[SIGTERM] = "TERM",
#ifdef SIGSTKFLT
	[SIGSTKFLT] = "STKFLT",
#endif
	[SIGCHLD] = "CHLD",	[SIGCONT] = "CONT",	[SIGSTOP] = "STOP", [SIGTSTP] = "TSTP",
	[SIGTTIN] = "TTIN",	[SIGTTOU] = "TTOU",	[SIGURG] = "URG",   [SIGXCPU] = "XCPU",
	[SIGXFSZ] = "XFSZ",	[SIGVTALRM] = "VTALRM", [SIGPROF] = "PROF", [SIGWINCH] = "WINCH",
	[SIGIO] = "IO",		[SIGPWR] = "PWR",	[SIGSYS] = "SYS",
};

#define CLASSIC ((int)(sizeof(classic) / sizeof(classic[0])))

/* Written out, because a name is static. */
static const char *const realtime[] = {
	"RTMIN",    "RTMIN+1",	"RTMIN+2",  "RTMIN+3",	"RTMIN+4",  "RTMIN+5",	"RTMIN+6",
	"RTMIN+7",  "RTMIN+8",	"RTMIN+9",  "RTMIN+10", "RTMIN+11", "RTMIN+12", "RTMIN+13",
	"RTMIN+14", "RTMIN+15", "RTMIN+16", "RTMIN+17", "RTMIN+18", "RTMIN+19", "RTMIN+20",
	"RTMIN+21", "RTMIN+22", "RTMIN+23", "RTMIN+24", "RTMIN+25", "RTMIN+26", "RTMIN+27",
	"RTMIN+28", "RTMIN+29", "RTMIN+30",
};

#define REALTIME ((int)(sizeof(realtime) / sizeof(realtime[0])))

static const struct {
	const char *name;
	int number;
} aliases[] = { { "CLD", SIGCHLD }, { "IOT", SIGABRT }, { "POLL", SIGIO } };

int
ward_signal_max(void)
{
	return SIGRTMAX;
}

const char *
ward_signal_name(int number)
{
	if (number >= 0 && number < CLASSIC)
		return classic[number];
	if (number >= SIGRTMIN && number <= SIGRTMAX && number - SIGRTMIN < REALTIME)
		return realtime[number - SIGRTMIN];
	return NULL;
}

/* The number of "RTMAX" or "RTMAX-n", or -1. */
static int
from_top(const char *name)
{
	if (strncmp(name, "RTMAX", 5) != 0)
		return -1;
	if (name[5] == '\0')
		return SIGRTMAX;
	/* RTMAX-n names the signals that RTMIN+n names, so n is looked up in the same spelling. */
	for (int i = 1; name[5] == '-' && i <= SIGRTMAX - SIGRTMIN && i < REALTIME; i++) {
		if (strcmp(name + 6, realtime[i] + 6) == 0)
			return SIGRTMAX - i;
	}
	return -1;
}

int
ward_signal_number(const char *name)
{
	if (strncmp(name, "SIG", 3) == 0)
		name += 3;
	for (int i = 1; i <= SIGRTMAX; i++) {
		const char *known = ward_signal_name(i);

		if (known && strcmp(known, name) == 0)
			return i;
	}
	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++) {
		if (strcmp(aliases[i].name, name) == 0)
			return aliases[i].number;
	}
	return from_top(name);
}
