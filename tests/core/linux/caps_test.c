/* Capabilities and securebits: names both ways, and the sets against what the kernel itself says. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>

#include "linux/caps.h"
#include "tests/core/tap.h"

/* Checks that @number has a name, that all spellings lead back, and that libcap agrees. */
static bool
round_trip(int number)
{
	const char *name = ward_cap_name(number);
	char spelling[64], upper[64];
	cap_value_t value = -1;
	bool good;

	if (!name)
		return false;
	(void)snprintf(spelling, sizeof(spelling), "cap_%s", name);
	for (size_t i = 0; i <= strlen(spelling); i++)
		upper[i] = (char)toupper((unsigned char)spelling[i]);
	good = ward_cap_number(name) == number && ward_cap_number(spelling) == number &&
	       ward_cap_number(upper) == number && ward_cap_number(upper + 4) == number;
	return good && cap_from_name(spelling, &value) == 0 && value == number;
}

static void
test_names(int last)
{
	static const char *const wrong[] = { "",     "cap_",   "cap_cap_chown",
					     "chow", "chownx", "cap-chown",
					     "0",    "all" };
	int bad = 0;

	for (int i = 0; i <= last; i++)
		bad += !round_trip(i);
	ok(last >= 37 && bad == 0, "each of %d capabilities has a name that leads back", last + 1);
	ok(!ward_cap_name(-1) && !ward_cap_name(41) && !ward_cap_name(64), "no other has one");
	bad = 0;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		bad += ward_cap_number(wrong[i]) != -1;
	ok(bad == 0, "what is no name has no number");
}

static void
test_read(int last)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };
	struct ward_capsets sets = { 0 };
	int bad = 0;

	is_int(ward_caps_read(&sets), 0, "the sets of this thread can be read");
	(void)capget(&head, data);
	ok(sets.permitted == ((uint64_t)data[1].permitted << 32 | data[0].permitted) &&
		   sets.effective == ((uint64_t)data[1].effective << 32 | data[0].effective) &&
		   sets.inheritable == ((uint64_t)data[1].inheritable << 32 | data[0].inheritable),
	   "three of them are what capget says");
	for (int i = 0; i <= last; i++) {
		bad += (sets.bounding >> i & 1) != (uint64_t)prctl(PR_CAPBSET_READ, i, 0, 0, 0);
		bad += (sets.ambient >> i & 1) !=
		       (uint64_t)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, i, 0, 0);
	}
	ok(bad == 0 && sets.bounding >> last >> 1 == 0, "two of them are what prctl says");
}

/* One set that differs from all others shows that none is taken for another. */
static void
test_read_distinct(void)
{
	struct ward_capsets before = { 0 }, after = { 0 };
	uint64_t chown_bit = UINT64_C(1) << CAP_CHOWN;
	cap_t caps;

	(void)ward_caps_read(&before);
	if (!(before.permitted & chown_bit)) {
		skip("needs CAP_CHOWN");
		return;
	}
	caps = cap_get_proc();
	(void)cap_set_flag(caps, CAP_INHERITABLE, 1, (cap_value_t[]){ CAP_CHOWN }, CAP_SET);
	(void)cap_set_proc(caps);
	(void)cap_free(caps);
	(void)ward_caps_read(&after);
	before.inheritable |= chown_bit;
	ok(memcmp(&before, &after, sizeof(after)) == 0, "a change of one set shows in it alone");
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0);
	(void)ward_caps_read(&after);
	before.ambient |= chown_bit;
	ok(memcmp(&before, &after, sizeof(after)) == 0, "so does one of the ambient set");
}

static void
test_text(int last)
{
	struct ward_capsets sets = { .bounding = 7, .ambient = 9, .permitted = 11 };
	uint64_t bit = UINT64_C(1) << CAP_NET_BIND_SERVICE;
	uint64_t all = UINT64_MAX >> (63 - last);

	is_int(ward_caps_from_text("no such thing", last, &sets), -EINVAL, "no text is refused");
	ok(sets.permitted == 11, "and changes nothing");
	is_int(ward_caps_from_text("cap_net_bind_service=ep cap_chown+i", last, &sets), 0,
	       "a text is taken");
	ok(sets.permitted == bit && sets.effective == bit &&
		   sets.inheritable == UINT64_C(1) << CAP_CHOWN,
	   "as libcap means it");
	ok(sets.bounding == 7 && sets.ambient == 9, "the other sets stay");
	ok(ward_caps_from_text("all=p", last, &sets) == 0 && sets.permitted == all &&
		   sets.effective == 0,
	   "\"all\" ends at the last capability");
	ok(ward_caps_from_text("=", last, &sets) == 0 && sets.permitted == 0, "\"=\" is none");
}

static void
test_securebits(void)
{
	static const char *const names[] = {
		"noroot",
		"noroot_locked",
		"no_setuid_fixup",
		"no_setuid_fixup_locked",
		"keep_caps",
		"keep_caps_locked",
		"no_cap_ambient_raise",
		"no_cap_ambient_raise_locked",
	};
	int bad = 0;

	for (int i = 0; i < 8; i++)
		bad += ward_securebit_number(names[i]) != i ||
		       strcmp(ward_securebit_name(i), names[i]) != 0;
	ok(bad == 0, "securebits have the kernel's names");
	ok(!ward_securebit_name(-1) && !ward_securebit_name(8) &&
		   ward_securebit_number("NOROOT") == -1 && ward_securebit_number("") == -1,
	   "and no others");
}

int
main(void)
{
	int last = ward_cap_last();

	test_names(last);
	test_read(last);
	test_read_distinct();
	test_text(last);
	test_securebits();
	return done_testing();
}
