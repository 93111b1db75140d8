#include "linux/caps.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/capability.h>
#include <sys/prctl.h>

/* By number; include/uapi/linux/capability.h, 5.9. */
static const char *const caps[] = {
	"chown",
	"dac_override",
	"dac_read_search",
	"fowner",
	"fsetid",
	"kill",
	"setgid",
	"setuid",
	"setpcap",
	"linux_immutable",
	"net_bind_service",
	"net_broadcast",
	"net_admin",
	"net_raw",
	"ipc_lock",
	"ipc_owner",
	"sys_module",
	"sys_rawio",
	"sys_chroot",
	"sys_ptrace",
	"sys_pacct",
	"sys_admin",
	"sys_boot",
	"sys_nice",
	"sys_resource",
	"sys_time",
	"sys_tty_config",
	"mknod",
	"lease",
	"audit_write",
	"audit_control",
	"setfcap",
	"mac_override",
	"mac_admin",
	"syslog",
	"wake_alarm",
	"block_suspend",
	"audit_read",
	"perfmon",
	"bpf",
	"checkpoint_restore",
};

#define CAPS ((int)(sizeof(caps) / sizeof(caps[0])))

/* By bit; include/uapi/linux/securebits.h, 4.3. */
static const char *const securebits[] = {
	"noroot",    "noroot_locked",	 "no_setuid_fixup",	 "no_setuid_fixup_locked",
	"keep_caps", "keep_caps_locked", "no_cap_ambient_raise", "no_cap_ambient_raise_locked",
};

#define SECUREBITS ((int)(sizeof(securebits) / sizeof(securebits[0])))

int
ward_cap_last(void)
{
	FILE *f = fopen("/proc/sys/kernel/cap_last_cap", "re");
	int last = -1;

	if (!f)
		return -errno;
	if (fscanf(f, "%d", &last) != 1 || last < 0 || last > 63)
		last = -EIO;
	(void)fclose(f);
	return last;
}

const char *
ward_cap_name(int number)
{
	return number >= 0 && number < CAPS ? caps[number] : NULL;
}

int
ward_cap_number(const char *name)
{
	if (strncasecmp(name, "cap_", 4) == 0)
		name += 4;
	for (int i = 0; i < CAPS; i++) {
		if (strcasecmp(caps[i], name) == 0)
			return i;
	}
	return -1;
}

int
ward_caps_read(struct ward_capsets *out)
{
	struct ward_capsets got;
	const struct {
		const char *key;
		uint64_t *set;
	} fields[] = {
		{ "CapBnd:", &got.bounding },	 { "CapPrm:", &got.permitted },
		{ "CapInh:", &got.inheritable }, { "CapEff:", &got.effective },
		{ "CapAmb:", &got.ambient },
	};
	unsigned int seen = 0;
	char *line = NULL;
	size_t size = 0;
	FILE *f = fopen("/proc/thread-self/status", "re");

	if (!f)
		return -errno;
	/* Lines have no limit: one lists up to 65,536 groups. */
	while (getline(&line, &size, f) >= 0) {
		for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
			size_t n = strlen(fields[i].key);

			if (strncmp(line, fields[i].key, n) != 0)
				continue;
			*fields[i].set = strtoull(line + n, NULL, 16);
			seen |= 1u << i;
		}
	}
	free(line);
	(void)fclose(f);
	if (seen != 0x1f)
		return -EIO;
	*out = got;
	return 0;
}

void
ward_caps_own(struct ward_capsets *out)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	*out = (struct ward_capsets){ 0 };
	(void)capget(&head, data); /* fails for a wrong version or address only */
	for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		out->permitted |= (uint64_t)data[i].permitted << (32 * i);
		out->inheritable |= (uint64_t)data[i].inheritable << (32 * i);
		out->effective |= (uint64_t)data[i].effective << (32 * i);
	}
}

uint64_t
ward_cap_bounding(int last)
{
	uint64_t set = 0;

	for (int cap = 0; cap <= last && cap <= 63; cap++) {
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
			set |= UINT64_C(1) << cap;
	}
	return set;
}

int
ward_caps_from_text(const char *text, int last, struct ward_capsets *out)
{
	uint64_t sets[3] = { 0 }; /* by cap_flag_t */
	cap_t parsed = cap_from_text(text);

	if (!parsed)
		return -errno;
	for (int cap = 0; cap <= last && cap <= 63; cap++) {
		for (cap_flag_t flag = CAP_EFFECTIVE; flag <= CAP_INHERITABLE; flag++) {
			cap_flag_value_t on = CAP_CLEAR;

			/* One that is new to libcap cannot be in a text. */
			if (cap_get_flag(parsed, cap, flag, &on) == 0 && on == CAP_SET)
				sets[flag] |= UINT64_C(1) << cap;
		}
	}
	(void)cap_free(parsed);
	out->permitted = sets[CAP_PERMITTED];
	out->inheritable = sets[CAP_INHERITABLE];
	out->effective = sets[CAP_EFFECTIVE];
	return 0;
}

const char *
ward_securebit_name(int bit)
{
	return bit >= 0 && bit < SECUREBITS ? securebits[bit] : NULL;
}

int
ward_securebit_number(const char *name)
{
	for (int i = 0; i < SECUREBITS; i++) {
		if (strcmp(securebits[i], name) == 0)
			return i;
	}
	return -1;
}
