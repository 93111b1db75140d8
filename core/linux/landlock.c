#include "linux/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/pack.h"
#include "linux/sys.h"
#include "linux/trusted.h"
#include "linux/uapi.h"

/* A bit's name, and the ABI that brought it. */
struct bit {
	const char *name;
	int abi;
};

static const struct bit fs_bits[] = {
	{ "execute", 1 },    { "write_file", 1 },  { "read_file", 1 }, { "read_dir", 1 },
	{ "remove_dir", 1 }, { "remove_file", 1 }, { "make_char", 1 }, { "make_dir", 1 },
	{ "make_reg", 1 },   { "make_sock", 1 },   { "make_fifo", 1 }, { "make_block", 1 },
	{ "make_sym", 1 },   { "refer", 2 },	   { "truncate", 3 },  { "ioctl_dev", 5 },
};

static const struct bit net_bits[] = { { "bind_tcp", 4 }, { "connect_tcp", 4 } };

static const struct bit scope_bits[] = { { "abstract_unix_socket", 6 }, { "signal", 6 } };

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

#define READ (WARD_LANDLOCK_ACCESS_FS_READ_FILE | WARD_LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITE                                                                       \
	(WARD_LANDLOCK_ACCESS_FS_WRITE_FILE | WARD_LANDLOCK_ACCESS_FS_TRUNCATE |    \
	 WARD_LANDLOCK_ACCESS_FS_REMOVE_DIR | WARD_LANDLOCK_ACCESS_FS_REMOVE_FILE | \
	 WARD_LANDLOCK_ACCESS_FS_MAKE_DIR | WARD_LANDLOCK_ACCESS_FS_MAKE_REG |      \
	 WARD_LANDLOCK_ACCESS_FS_MAKE_SOCK | WARD_LANDLOCK_ACCESS_FS_MAKE_FIFO |    \
	 WARD_LANDLOCK_ACCESS_FS_MAKE_SYM | WARD_LANDLOCK_ACCESS_FS_REFER)

_Static_assert(COUNT(fs_bits) == 16 && WARD_LANDLOCK_FS_ALL >> 16 == 0, "a name for each right");
_Static_assert(WARD_LANDLOCK_FS_FILE ==
		       (WARD_LANDLOCK_ACCESS_FS_EXECUTE | WARD_LANDLOCK_ACCESS_FS_WRITE_FILE |
			WARD_LANDLOCK_ACCESS_FS_READ_FILE | WARD_LANDLOCK_ACCESS_FS_TRUNCATE |
			WARD_LANDLOCK_ACCESS_FS_IOCTL_DEV),
	       "the kernel's ACCESS_FILE");

static int
find_bit(const struct bit *bits, int n, const char *name)
{
	for (int i = 0; i < n; i++) {
		if (strcmp(bits[i].name, name) == 0)
			return i;
	}
	return -1;
}

/* Those of a table's bits that a kernel of @abi has. */
static uint64_t
known_bits(const struct bit *bits, int n, int abi)
{
	uint64_t known = 0;

	for (int i = 0; i < n; i++)
		known |= (uint64_t)(bits[i].abi <= abi) << i;
	return known;
}

int
ward_landlock_abi(void)
{
	return (int)ward_sys_landlock_create_ruleset(NULL, 0, WARD_LANDLOCK_CREATE_RULESET_VERSION);
}

const char *
ward_landlock_fs_name(int bit)
{
	return bit >= 0 && bit < COUNT(fs_bits) ? fs_bits[bit].name : NULL;
}

const char *
ward_landlock_net_name(int bit)
{
	return bit >= 0 && bit < COUNT(net_bits) ? net_bits[bit].name : NULL;
}

const char *
ward_landlock_scope_name(int bit)
{
	return bit >= 0 && bit < COUNT(scope_bits) ? scope_bits[bit].name : NULL;
}

int
ward_landlock_fs_bit(const char *name)
{
	return find_bit(fs_bits, COUNT(fs_bits), name);
}

int
ward_landlock_scope_bit(const char *name)
{
	return find_bit(scope_bits, COUNT(scope_bits), name);
}

int
ward_landlock_letters(const char *letters, int abi, uint64_t *rights)
{
	uint64_t sum = 0;

	if (*letters == '\0')
		return -EINVAL;
	for (; *letters; letters++) {
		switch (*letters) {
		case 'r':
			sum |= READ;
			break;
		case 'w':
			sum |= abi < 2 ? WRITE & ~WARD_LANDLOCK_ACCESS_FS_REFER : WRITE;
			break;
		case 'x':
			sum |= WARD_LANDLOCK_ACCESS_FS_EXECUTE;
			break;
		default:
			return -EINVAL;
		}
	}
	*rights = sum;
	return 0;
}

/* Refuses the lowest of @lacking, all bits of one table. */
static int
refuse_bit(const struct bit *bits, uint64_t lacking, int abi, struct ward_err *err)
{
	const struct bit *first = &bits[__builtin_ctzll(lacking)];

	return ward_err_set(err, 0, EOPNOTSUPP,
			    "Landlock has %s from ABI %d on, and this kernel has ABI %d",
			    first->name, first->abi, abi);
}

/* A request that makes no sense on any kernel. */
static int
check_request(const struct ward_landlock_request *r, struct ward_err *err)
{
	if (!r->handled_fs && !r->bind.handled && !r->connect.handled && !r->scoped)
		return ward_err_set(err, 0, ENOMSG, "the Landlock ruleset restricts nothing");
	if (r->handled_fs & ~WARD_LANDLOCK_FS_ALL || r->scoped >> COUNT(scope_bits))
		return ward_err_set(err, 0, EINVAL, "the Landlock ruleset has unknown rights");
	for (size_t i = 0; i < r->npaths; i++) {
		const struct ward_landlock_path *p = &r->paths[i];

		if (!p->rights)
			return ward_err_set(err, 0, EINVAL, "fs[\"%s\"]: it allows nothing",
					    p->path);
		if (p->rights & ~r->handled_fs)
			return ward_err_set(err, 0, EINVAL,
					    "fs[\"%s\"]: it allows what is not restricted",
					    p->path);
	}
	return 0;
}

/* Splits the request into what the kernel has, in *attr, and what it lacks, in *report. */
static int
fit(const struct ward_landlock_request *r, struct ward_landlock_ruleset_attr *attr,
    struct ward_landlock_report *report, struct ward_err *err)
{
	int abi = report->abi;
	uint64_t net = (r->bind.handled ? WARD_LANDLOCK_ACCESS_NET_BIND_TCP : 0) |
		       (r->connect.handled ? WARD_LANDLOCK_ACCESS_NET_CONNECT_TCP : 0);

	attr->handled_access_fs = r->handled_fs & known_bits(fs_bits, COUNT(fs_bits), abi);
	attr->handled_access_net = net & known_bits(net_bits, COUNT(net_bits), abi);
	attr->scoped = r->scoped & known_bits(scope_bits, COUNT(scope_bits), abi);
	report->lacks_fs = r->handled_fs & ~attr->handled_access_fs;
	report->lacks_net = net & ~attr->handled_access_net;
	report->lacks_scope = r->scoped & ~attr->scoped;

	if (r->strict && report->lacks_fs)
		return refuse_bit(fs_bits, report->lacks_fs, abi, err);
	if (r->strict && report->lacks_net)
		return refuse_bit(net_bits, report->lacks_net, abi, err);
	if (r->strict && report->lacks_scope)
		return refuse_bit(scope_bits, report->lacks_scope, abi, err);
	if (!attr->handled_access_fs && !attr->handled_access_net && !attr->scoped)
		return ward_err_set(err, 0, EOPNOTSUPP,
				    "Landlock ABI %d has nothing of what the ruleset restricts",
				    abi);
	return 0;
}

/* Opens what a rule is about. Returns an owned descriptor, or -errno; ENOENT where an optional one is not there. */
static int
open_path(const struct ward_landlock_path *p, struct stat *st)
{
	WARD_AUTO_FD int fd = ward_trusted_open(p->path, O_PATH);

	if (fd < 0)
		return p->optional && fd == -ENOTDIR ? -ENOENT : fd;
	return fstat(fd, st) < 0 ? -errno : ward_fd_steal(&fd);
}

static int
add_path(int ruleset, const struct ward_landlock_path *p, struct ward_landlock_file *found,
	 struct ward_landlock_report *report, struct ward_err *err)
{
	struct ward_landlock_path_beneath_attr attr = { 0 };
	struct stat st = { 0 };
	WARD_AUTO_FD int fd = open_path(p, &st);
	long r = fd < 0 ? fd : 0;

	if (found)
		*found = (struct ward_landlock_file){ st.st_dev, st.st_ino };
	if (fd == -ENOENT && p->optional) {
		report->absent++;
		return 0;
	}
	if (r < 0)
		return ward_err_set(err, 0, (int)-r, "fs[\"%s\"]: %s", p->path,
				    ward_trusted_reason((int)-r));
	attr.allowed_access = p->rights;
	if (!S_ISDIR(st.st_mode))
		attr.allowed_access &= WARD_LANDLOCK_FS_FILE;
	if (!attr.allowed_access)
		return ward_err_set(err, 0, EINVAL,
				    "fs[\"%s\"]: it has rights for directories only", p->path);
	attr.allowed_access &= ~report->lacks_fs;
	if (!attr.allowed_access)
		return 0; /* all of it is allowed anyhow */
	attr.parent_fd = fd;
	r = ward_sys_landlock_add_rule(ruleset, WARD_LANDLOCK_RULE_PATH_BENEATH, &attr);
	return r < 0 ? ward_err_set(err, 0, (int)-r, "fs[\"%s\"]: %s", p->path, strerror((int)-r))
		     : 0;
}

static int
add_ports(int ruleset, const struct ward_landlock_ports *ports, uint64_t right,
	  struct ward_err *err)
{
	for (size_t i = 0; ports->handled && i < ports->n; i++) {
		struct ward_landlock_net_port_attr attr = { .allowed_access = right,
							    .port = ports->ports[i] };
		long r = ward_sys_landlock_add_rule(ruleset, WARD_LANDLOCK_RULE_NET_PORT, &attr);

		if (r < 0)
			return ward_err_set(err, 0, (int)-r,
					    "the Landlock rule for TCP port %d: %s",
					    ports->ports[i], strerror((int)-r));
	}
	return 0;
}

static int
add_rules(int ruleset, const struct ward_landlock_request *request,
	  struct ward_landlock_report *report, struct ward_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < request->npaths; i++)
		r = add_path(ruleset, &request->paths[i],
			     request->found ? &request->found[i] : NULL, report, err);
	if (r == 0 && !(report->lacks_net & WARD_LANDLOCK_ACCESS_NET_BIND_TCP))
		r = add_ports(ruleset, &request->bind, WARD_LANDLOCK_ACCESS_NET_BIND_TCP, err);
	if (r == 0 && !(report->lacks_net & WARD_LANDLOCK_ACCESS_NET_CONNECT_TCP))
		r = add_ports(ruleset, &request->connect, WARD_LANDLOCK_ACCESS_NET_CONNECT_TCP,
			      err);
	return r;
}

int
ward_landlock_build(const struct ward_landlock_request *request, int abi,
		    struct ward_landlock_report *report, struct ward_err *err)
{
	struct ward_landlock_report made = { .abi = abi < WARD_LANDLOCK_ABI ? abi
									    : WARD_LANDLOCK_ABI };
	struct ward_landlock_ruleset_attr attr = { 0 };
	WARD_AUTO_FD int ruleset = -1;
	int r = check_request(request, err);

	if (r < 0)
		return r;
	if (abi <= 0)
		return ward_err_set(err, 0, abi == -EOPNOTSUPP ? EOPNOTSUPP : ENOSYS,
				    abi == -EOPNOTSUPP ? "Landlock is disabled in this kernel"
						       : "this kernel has no Landlock");
	r = fit(request, &attr, &made, err);
	if (r < 0)
		return r;
	/* An older kernel takes the longer structure as long as what it does not know is 0. */
	ruleset = (int)ward_sys_landlock_create_ruleset(&attr, sizeof(attr), 0);
	if (ruleset < 0)
		return ward_err_set(err, 0, -ruleset, "cannot make a Landlock ruleset: %s",
				    strerror(-ruleset));
	r = add_rules(ruleset, request, &made, err);
	if (r < 0)
		return r;
	*report = made;
	return ward_fd_steal(&ruleset);
}

static void
pack_ports(struct ward_pack *p, struct ward_landlock_ports *ports)
{
	ports->ports = ward_pack_copy(p, ports->ports, ports->n * sizeof(*ports->ports),
				      _Alignof(uint16_t));
}

/* Lays a copy out; the same code measures and fills. */
static struct ward_landlock_request *
pack_request(struct ward_pack *p, const struct ward_landlock_request *request)
{
	struct ward_landlock_request *copy;
	struct ward_landlock_request v = *request;
	struct ward_landlock_path *paths;
	size_t size = v.npaths * sizeof(*paths);

	copy = ward_pack_take(p, sizeof(*copy), _Alignof(max_align_t));
	paths = ward_pack_copy(p, v.paths, size, _Alignof(struct ward_landlock_path));
	size = v.npaths * sizeof(*v.found);
	v.found = ward_pack_take(p, size, _Alignof(struct ward_landlock_file));
	for (size_t i = 0; i < v.npaths; i++) {
		const char *path = ward_pack_str(p, v.paths[i].path);

		if (copy) {
			paths[i].path = path;
			v.found[i] = (struct ward_landlock_file){ 0 };
		}
	}
	v.paths = paths;
	pack_ports(p, &v.bind);
	pack_ports(p, &v.connect);
	if (copy)
		*copy = v;
	return copy;
}

struct ward_landlock_request *
ward_landlock_keep(const struct ward_landlock_request *request)
{
	struct ward_pack p = { 0 };
	void *block;

	(void)pack_request(&p, request);
	block = malloc(p.size);
	if (!block)
		return NULL;
	p = ward_pack_begin(block);
	return pack_request(&p, request);
}

bool
ward_landlock_is_stale(const struct ward_landlock_request *request)
{
	for (size_t i = 0; i < request->npaths; i++) {
		const struct ward_landlock_file *was = &request->found[i];
		struct stat st;

		/* Whoever laid the link on the way: it is the file that was allowed before. */
		if (stat(request->paths[i].path, &st) < 0) {
			if (was->inode || (errno != ENOENT && errno != ENOTDIR))
				return true;
		} else if (st.st_dev != was->device || st.st_ino != was->inode) {
			return true;
		}
	}
	return false;
}
