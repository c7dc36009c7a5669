/*
 * db.h -- the client's one database: `lazo.db` in the home, all accounts in it, the truth of the client.
 *
 * WAL with synchronous=FULL: once db_commit() of the outermost transaction has returned true, what it wrote
 * survives kill -9 and a power cut. secure_delete=ON: keys that are deleted are overwritten. The file is
 * 0600.
 *
 * Transactions nest: the outermost is BEGIN IMMEDIATE (so writers of different processes take turns, waiting
 * up to 30 s), the inner ones are SAVEPOINTs. Nothing that was read outside a transaction is used to write
 * inside one.
 *
 * Failure of the environment (disk full, I/O error, damaged file) is sticky: from then on reads find nothing,
 * writes do nothing, and the outermost db_commit() returns false and has undone everything. So the calls of
 * the modules above the database need no error of their own; whoever only reads asks db_error() at the end.
 *
 * Text is UTF-8; addresses are bare JIDs in canonical form (jid_bare_text); times are milliseconds since
 * 1970, UTC, and are handed in: nothing here reads a clock. One thread.
 *
 * DIAGNOSTICS: refuses a database made by a newer program, one that others can read, one that is not ours.
 */
#ifndef CLIENT_DB_DB_H
#define CLIENT_DB_DB_H

#include <stdbool.h>
#include <stdint.h>

struct db;

/* Open or make the database in the folder, and bring it to the present schema. NULL: *error_r says why
 * (free). */
struct db *db_open(const char *folder, char **error_r);
void db_close(struct db **db); /* an open transaction is undone */

bool db_begin(struct db *db); /* false: failed already; db_rollback() or db_commit() still follows */
bool db_commit(struct db *db, char **error_r); /* inner: into the outer one. error_r may be NULL */
/* Of the innermost. Of an inner one, a failure goes with it when a constraint refused a row in it. */
void db_rollback(struct db *db);
bool db_active(const struct db *db);           /* inside a transaction */
const char *db_error(const struct db *db);     /* NULL: all well; borrowed until the next call */
bool db_error_is_space(const struct db *db);   /* the failure was a full disk: freeing space helps */
void db_clear_error(struct db *db);            /* outside a transaction: forget a failed read */

bool db_check(struct db *db,
	      char **error_r); /* reads the whole file: false: damaged, *error_r says where (free) */

/*
 * Locks between processes, for what must be done by one at a time beyond a transaction: "sync-<account id>"
 * is held by whoever has the connection of that account. Advisory, gone with the process, never left behind
 * by kill -9.
 */
struct db_lock;
struct db_lock *db_lock(struct db *db, const char *name, int wait_ms); /* NULL: someone else has it */
void db_unlock(struct db_lock **lock);

#endif
