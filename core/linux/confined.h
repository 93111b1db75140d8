/* Is another process held by a sandbox that does not hold us? Told by marks that nobody can take off again and that
 * everybody may read (proc_pid_status(5), user_namespaces(7), proc_pid_mountinfo(5)), whoever put them on:
 *
 *	no_new_privs, and the number of seccomp filters	(every sandbox of ward's has one, see ward.schema.guard)
 *	the capability bounding set			root without its power
 *	the user namespace				one with fewer ids, or one below ours
 *	the pid namespace				one below ours
 *	the mount namespace, and the root		neither ours nor that of process 1
 *
 * Where we are held ourselves, who is held less passes. Landlock by others shows nowhere. */
#ifndef WARD_LINUX_CONFINED_H
#define WARD_LINUX_CONFINED_H

#include <sys/types.h>

/* Returns 1 when @pid gave up what we have not, 0 when not, or -errno when it cannot be told: ENOENT or ESRCH (gone),
 * EMFILE, ENFILE, EACCES. One descriptor is needed, for a moment. */
int ward_confined(pid_t pid);

#endif
