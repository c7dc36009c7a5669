/*
 * db.c -- the one connection to the client's database, its transactions and its locks. Statements:
 * statement.c.
 *
 * Owns the SQLite handle. A failure is remembered once, with its text, and everything after it is refused
 * until the outermost transaction has ended (db.h says why); so no half-done work can be committed.
 *
 * Crash safety is SQLite's: WAL, synchronous=FULL, one fsync a commit.
 *
 * DIAGNOSTICS: fatal (assert): a transaction ended that was not begun. Everything else is told by db_error().
 */
#include "config.h"
#include "client/db/db-private.h"
#include "client/db/handle.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "client/intl.h"
#include "proto/mem.h"

enum {
	BUSY_MS = 30 * 1000, /* how long a writer waits for another process's transaction */
	LOCK_STEP_MS = 5,
	/* bytes: what undoes a SAVEPOINT stays in memory up to here, then goes to a file. In one write, of which SQLite's
	 * unixWrite() takes 0x1ffff bytes at a time and takes a rest of none for a full disk: never more than that. */
	SAVEPOINT_ROOM = 120 << 10,
};

struct db_lock {
	int fd;
};

static void
wait_a_little(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = LOCK_STEP_MS * 1000L * 1000 }, NULL);
}

/* Take the lock of an open file, trying for wait_ms. It goes with the process, so kill -9 leaves none behind.
 */
static bool
lock_take(int fd, int wait_ms)
{
	int waited = 0;
	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (waited >= wait_ms)
			return false;
		wait_a_little();
		waited += LOCK_STEP_MS;
	}
	return true;
}

static int
lock_open(const char *folder, const char *name)
{
	char *file = xasprintf("%s/%s.lock", folder, name);
	int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	free(file);
	return fd;
}

void
db_fail(struct db *db, int code)
{
	if (db->error)
		return;
	db->code = code;
	db->failed_at = db->depth;
	db->error = xasprintf("%s/lazo.db: %s", db->folder, sqlite3_errmsg(db->handle));
}

/*
 * SQLite before 3.51.3 can damage the WAL when two connections write and checkpoint in the same instant
 * (sqlite.org/wal.html, "the WAL-reset bug"), so our processes take turns by a lock of our own around each
 * transaction and the checkpoint that its commit may do.
 */
static bool
begin_outermost(struct db *db)
{
	if (db->error)
		return false;
	if (!lock_take(db->writer, BUSY_MS)) {
		db->code = SQLITE_BUSY;
		db->error =
		    xasprintf(_("%s/lazo.db: another lazo has been writing for too long. Try again when it has ended."),
			      db->folder);
		return false;
	}
	return db_script(db, "BEGIN IMMEDIATE");
}

bool
db_begin(struct db *db)
{
	db->depth++;
	if (db->depth == 1 ? begin_outermost(db) : db_run_values(db, "SAVEPOINT s", NULL, 0)) /* s: the innermost */
		return true;
	db->doomed++;
	return false;
}

/* SQLite undoes the whole transaction by itself on some failures; asking again then does no harm. */
static void
transaction_undo(struct db *db)
{
	for (size_t i = 0; i < STATEMENTS; i++) {
		if (db->statements[i].stmt)
			sqlite3_reset(db->statements[i].stmt);
	}
	if (!sqlite3_get_autocommit(db->handle))
		sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
}

/* The outermost transaction is over: what failed in it is told, and forgotten. */
static void
transaction_over(struct db *db, char **error_r)
{
	db->doomed = 0;
	db->unindexed = 0;
	flock(db->writer, LOCK_UN);
	if (error_r)
		*error_r = db->error;
	else
		free(db->error);
	db->error = NULL;
}

bool
db_commit(struct db *db, char **error_r)
{
	assert(db->depth > 0);
	if (error_r)
		*error_r = NULL;
	if (db->depth == 1 && db->unindexed)
		db->index(db, db->unindexed);
	db->depth--;
	if (db->depth > 0) {
		db->doomed -= db->doomed > 0;
		return db_run_values(db, "RELEASE s", NULL, 0);
	}
	bool kept = db_script(db, "COMMIT");
	if (!kept)
		transaction_undo(db);
	transaction_over(db, error_r);
	return kept;
}

/* What a constraint refused in the SAVEPOINT that is being undone is undone with it: nothing else was touched. */
static void
forget_refused(struct db *db)
{
	if (!db->error || (db->code & 0xff) != SQLITE_CONSTRAINT || db->failed_at <= db->depth)
		return;
	free(db->error);
	db->error = NULL;
	db->code = SQLITE_OK;
}

void
db_rollback(struct db *db)
{
	assert(db->depth > 0);
	db->depth--;
	if (db->depth == 0) {
		transaction_undo(db);
		transaction_over(db, NULL);
	} else if (db->doomed > 0) {
		db->doomed--;
	} else {
		forget_refused(db);
		db_script(db, "ROLLBACK TO s; RELEASE s");
	}
}

bool
db_active(const struct db *db)
{
	return db->depth > 0;
}

void
db_index_later(struct db *db, int64_t row, void (*index)(struct db *db, int64_t from))
{
	assert(db->depth > 0);
	if (!db->unindexed)
		db->unindexed = row;
	db->index = index;
}

int64_t
db_indexed_below(const struct db *db)
{
	return db->unindexed ? db->unindexed : INT64_MAX;
}

const char *
db_error(const struct db *db)
{
	return db->error;
}

bool
db_error_is_space(const struct db *db)
{
	return db->error && (db->code & 0xff) == SQLITE_FULL;
}

void
db_clear_error(struct db *db)
{
	assert(db->depth == 0);
	transaction_over(db, NULL);
}

/* The file exists, 0600, and is ours, before SQLite opens it; its -wal and -shm take the same mode. */
static bool
file_prepare(const char *file, char **error_r)
{
	int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) != 0)
		*error_r = xasprintf("%s: %s", file, strerror(errno));
	else if (!S_ISREG(st.st_mode) || st.st_uid != geteuid())
		*error_r = xasprintf(_("%s: not a file of yours. Move it away, or name another folder: --home DIR"), file);
	else if ((st.st_mode & 077) != 0 && fchmod(fd, 0600) != 0)
		*error_r = xasprintf("%s: %s", file, strerror(errno));
	if (fd >= 0)
		close(fd);
	return *error_r == NULL;
}

struct db *
db_open(const char *folder, char **error_r)
{
	static const char settings[] =
	    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
	    "PRAGMA secure_delete = ON; PRAGMA foreign_keys = ON;"
	    "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;"
	    "PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 16777216";
	*error_r = NULL;
	sqlite3_config(SQLITE_CONFIG_STMTJRNL_SPILL, SAVEPOINT_ROOM);
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* nobody asks, and each allocation would take a mutex for it */
	if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
		*error_r = xasprintf("%s: %s", folder, strerror(errno));
		return NULL;
	}
	char *file = xasprintf("%s/lazo.db", folder);
	if (!file_prepare(file, error_r)) {
		free(file);
		return NULL;
	}
	struct db *db = xcalloc(1, sizeof *db);
	db->folder = xstrdup(folder);
	db->writer = lock_open(folder, "writer");
	int code = sqlite3_open_v2(file, &db->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	free(file);
	if (code != SQLITE_OK)
		db_fail(db, code);
	sqlite3_extended_result_codes(db->handle, 1);
	sqlite3_busy_timeout(db->handle, BUSY_MS);
	if (db->writer >= 0 && lock_take(db->writer, BUSY_MS) && db_script(db, settings) &&
	    schema_migrate(db, error_r)) {
		flock(db->writer, LOCK_UN);
		return db;
	}
	if (!*error_r)
		*error_r =
		    db->error ? xstrdup(db->error)
			      : xasprintf(_("%s/writer.lock cannot be had. Try again when no other lazo runs in this home."),
					  folder);
	db_close(&db);
	return NULL;
}

void
db_close(struct db **db)
{
	if (!*db)
		return;
	transaction_undo(*db);
	for (size_t i = 0; i < STATEMENTS; i++)
		sqlite3_finalize((*db)->statements[i].stmt);
	if ((*db)->writer >= 0)
		lock_take((*db)->writer, BUSY_MS); /* the last to close checkpoints */
	int code = sqlite3_close((*db)->handle);
	assert(code == SQLITE_OK);
	(void)code;
	if ((*db)->writer >= 0)
		close((*db)->writer);
	free((*db)->error);
	free((*db)->folder);
	free(*db);
	*db = NULL;
}

bool
db_check(struct db *db, char **error_r)
{
	*error_r = NULL;
	sqlite3_stmt *row = db_query(db, "SELECT quick_check FROM pragma_quick_check(?)", INT(1));
	if (db_next(db, row)) {
		const char *found = (const char *)sqlite3_column_text(row, 0);
		if (!found || strcmp(found, "ok") != 0)
			*error_r = xasprintf("%s/lazo.db: %s", db->folder, found ? found : "damaged");
		db_done(row);
	}
	if (!*error_r && db->error)
		*error_r = xstrdup(db->error);
	return !*error_r;
}

struct db_lock *
db_lock(struct db *db, const char *name, int wait_ms)
{
	int fd = lock_open(db->folder, name);
	if (fd < 0)
		return NULL;
	if (!lock_take(fd, wait_ms)) {
		close(fd);
		return NULL;
	}
	struct db_lock *lock = xmalloc(sizeof *lock);
	lock->fd = fd;
	return lock;
}

void
db_unlock(struct db_lock **lock)
{
	if (!*lock)
		return;
	close((*lock)->fd);
	free(*lock);
	*lock = NULL;
}
