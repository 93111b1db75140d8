/* A file of records that outlives the process: what is appended is in the page cache at once, whatever becomes of us.
 *
 * The file is a header and records { u32 length, u32 CRC-32C of the bytes, the bytes }, in this machine's byte order. A
 * journal begins with a snapshot, and is replaced by a new one, whole or not at all, when it has grown enough. A record is
 * one write(2), 3 to 5 us where a shared mapping would take 0.5: but a full file system is an error then, and never a
 * SIGBUS. Where the file cannot be written, the journal goes on in memory (memfd_create(2)), from where a re-exec in
 * place can still take it; the next snapshot tries the file again. */
#ifndef WARD_LOOP_JOURNAL_H
#define WARD_LOOP_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>

struct ward_journal; /* opaque */

/* Makes a journal for the file at @path (copied). Nothing is written before the first snapshot. Returns 0 and it in
 * *out, owned, or -ENOMEM. */
int ward_journal_new(const char *path, struct ward_journal **out);

/* Closes the file and frees; the file stays. NULL is fine. */
void ward_journal_free(struct ward_journal *j);

/* Replaces the file by one (0600) with this record only. Returns 0 or -errno, of the file, when there is no memory
 * either: then the journal is as ward_journal_end leaves it. */
int ward_journal_snapshot(struct ward_journal *j, const void *bytes, size_t n);

/* Appends a record. Returns 0, -EBADF when there is no snapshot, or -errno as above. */
int ward_journal_append(struct ward_journal *j, const void *bytes, size_t n);

/* Why the records are in memory: an errno, or 0 when they are in the file. */
int ward_journal_lacks(const struct ward_journal *j);

/* Writes the path under which this process can read them to @place. Returns 0 or -ENAMETOOLONG. */
int ward_journal_place(const struct ward_journal *j, char *place, size_t size);

/* Has the file doubled since its snapshot, and grown by 1 MiB at least? Then it is time for another one. */
bool ward_journal_is_long(const struct ward_journal *j);

/* Ends it: empties and removes the file, so that nobody takes it for what is. The journal can begin again with a
 * snapshot. */
void ward_journal_end(struct ward_journal *j);

/* ---- reading ---- */

struct ward_journal_reader; /* opaque */

/* Reads the whole file into memory. Returns 0 and the reader in *out, owned, or -errno: -EBADMSG when it is no
 * journal, -EPROTONOSUPPORT when another version wrote it, -EFBIG above 1 GiB. */
int ward_journal_open(const char *path, struct ward_journal_reader **out);
void ward_journal_close(struct ward_journal_reader *r);

/* The next record. Returns 1 and it in *bytes and *n, borrowed until the reader is closed; 0 at the end; -EBADMSG where
 * what follows is torn or corrupt: nothing comes after it. */
int ward_journal_next(struct ward_journal_reader *r, const char **bytes, size_t *n);

/* Where the reader stands, in bytes from the beginning of the file. */
size_t ward_journal_at(const struct ward_journal_reader *r);

#endif
