/*
 * store/store.h -- the database: one file, one writer thread, one reader thread. The only folder that knows
 * SQL.
 *
 * Promises: what txn.h reports as committed survives kill -9 and power loss (WAL, synchronous=FULL). At open
 * it recovers, checkpoints (TRUNCATE), fsyncs the folder, migrates the schema forward or refuses a newer one,
 * and holds a lock so that no second relay opens the same data. Checkpoints run in the writer in slices that
 * hold no commit longer than 20 ms p99. Never: blocks the loop; builds SQL from strings; changes a row
 * outside a transaction of txn.h. DIAGNOSTICS: an I/O error of fsync ends the process (exit 74) after a log
 * line: nothing may be acknowledged on storage that lies. SQLITE_FULL is an answer (TXN_FULL), not an end; a
 * reserve file (data/reserve, 4 MiB) is let go so that deletions and acks go through and made again when
 * there is room.
 *
 * Tools (lazoctl) open the same file beside a running relay with store_open_tool: short write transactions,
 * no checkpoint duty. They do not migrate a database under a relay that runs and is older.
 */
#ifndef RELAY_STORE_STORE_H
#define RELAY_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct store;

/* dir is created 0700. loop NULL: for tools and tests; txn_submit and reads then run in the calling thread
 * and their callbacks before the call returns. NULL: *error_r (malloc'd) says what and what to do; errno is EPROTO when the
 * database is not for this program: written by a newer one, or no relay's. */
struct store *store_open(const char *dir, struct loop *loop, char **error_r);
struct store *store_open_tool(const char *dir, char **error_r);
/* Waits for the open batch, checkpoints, closes. */
void store_close(struct store **store);

/* Message ids: the loop hands them out (never reused, also not after a crash), so that a stanza-id is known
 * before the commit. */
int64_t store_next_id(struct store *store);
/* The stanza-id of XEP-0359: made from the id under a per-database secret; 32 hex digits. And back; 0: not
 * one of ours. */
void store_stanza_id(const struct store *store, int64_t id, char out[static 33]);
int64_t store_id_of(const struct store *store, const char *stanza_id);
/* A 32-byte secret of this database for a purpose (fake salts, dialback): HMAC of the purpose under the
 * per-database secret. */
void store_secret(const struct store *store, const char *purpose, uint8_t out[static 32]);

/* Uncommitted bytes now; above 8 MiB the router pauses the streams that fill it (store_on_room calls back
 * when below 4 MiB). */
bool store_is_full(const struct store *store);
void store_on_room(struct store *store, void (*fn)(void *arg), void *arg);

/* A consistent copy while running (lazoctl backup). false: *error_r. */
bool store_backup(struct store *store, const char *file, char **error_r);

#endif
