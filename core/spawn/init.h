/* The program that is init in a pid namespace (init/init.c), as an executable in memory. */
#ifndef WARD_SPAWN_INIT_H
#define WARD_SPAWN_INIT_H

/* Returns a read-only CLOEXEC descriptor of it, owned, for execveat(2); nobody can change what it holds.
 * Or -errno. */
int ward_init_open(void);

#endif
