/*
 * db.c -- the one connection to the client's database, its transactions, its prepared statements and its
 * locks.
 *
 * Owns the SQLite handle. A failure is remembered once, with its text, and everything after it is refused
 * until the outermost transaction has ended (db.h says why); so no half-done work can be committed.
 *
 * Crash safety is SQLite's: WAL, synchronous=FULL, one fsync a commit.
 *
 * DIAGNOSTICS: fatal (assert): SQL that does not prepare in a schema that was migrated, a transaction ended
 * that was not begun, a write outside a transaction. Everything else is told by db_error().
 */
#include "config.h"
#include "client/db/db-private.h"

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
#include "proto/arena.h"
#include "proto/mem.h"

enum {
	BUSY_MS = 30 * 1000, /* how long a writer waits for another process's transaction */
	LOCK_STEP_MS = 5,
	STATEMENTS =
	    512, /* places in the table of prepared statements; a power of two, far more than we have */
};

struct db {
	sqlite3 *handle;
	char *folder;
	int writer;  /* fd of writer.lock */
	char *error; /* NULL: all well */
	int code;    /* SQLite's, of the first failure */
	int depth;   /* transactions open, the outermost counted */
	int doomed;  /* of them, how many were not really opened because of a failure */
	size_t prepared;
	struct {
		const char *sql; /* the literal's address */
		sqlite3_stmt *stmt;
	} statements[STATEMENTS];
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

/* Remember the first failure only: what follows is its consequence. */
static void
db_fail(struct db *db, int code)
{
	if (db->error)
		return;
	db->code = code;
	db->error = xasprintf("%s/lazo.db: %s", db->folder, sqlite3_errmsg(db->handle));
}

static size_t
statement_place(const struct db *db, const char *sql)
{
	size_t place = ((uintptr_t)sql >> 3) * 2654435761u & (STATEMENTS - 1);
	while (db->statements[place].sql && db->statements[place].sql != sql)
		place = (place + 1) & (STATEMENTS - 1);
	return place;
}

static _Noreturn void
statement_die(const struct db *db, const char *sql)
{
	fprintf(stderr, "lazo.db: %s: %s\n", sqlite3_errmsg(db->handle), sql);
	abort();
}

static sqlite3_stmt *
statement_get(struct db *db, const char *sql)
{
	size_t place = statement_place(db, sql);
	if (db->statements[place].stmt)
		return db->statements[place].stmt;
	assert(db->prepared < STATEMENTS / 2);
	sqlite3_stmt *stmt = NULL;
	int code = sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL);
	if (code != SQLITE_OK) {
		if (code == SQLITE_ERROR)
			statement_die(db, sql); /* our SQL does not fit our schema: a bug */
		db_fail(db, code);
		return NULL;
	}
	db->statements[place].sql = sql;
	db->statements[place].stmt = stmt;
	db->prepared++;
	return stmt;
}

static int
value_bind(sqlite3_stmt *stmt, int column, const struct value *value)
{
	if (value->kind == VALUE_INT)
		return sqlite3_bind_int64(stmt, column, value->number);
	if (!value->bytes)
		return sqlite3_bind_null(stmt, column);
	if (value->kind == VALUE_TEXT)
		return sqlite3_bind_text(stmt, column, value->bytes, -1, SQLITE_STATIC);
	return sqlite3_bind_blob64(stmt, column, value->bytes, value->len, SQLITE_STATIC);
}

sqlite3_stmt *
db_query_values(struct db *db, const char *sql, const struct value *values, size_t count)
{
	if (db->error)
		return NULL;
	sqlite3_stmt *stmt = statement_get(db, sql);
	if (!stmt)
		return NULL;
	assert(!sqlite3_stmt_busy(stmt));
	assert((size_t)sqlite3_bind_parameter_count(stmt) == count);
	for (size_t i = 0; i < count; i++) {
		int code = value_bind(stmt, (int)i + 1, &values[i]);
		if (code != SQLITE_OK) {
			db_fail(db, code);
			return NULL;
		}
	}
	return stmt;
}

bool
db_next(struct db *db, sqlite3_stmt *row)
{
	if (!row || db->error)
		return false;
	int code = sqlite3_step(row);
	if (code == SQLITE_ROW)
		return true;
	if (code != SQLITE_DONE)
		db_fail(db, code);
	db_done(row);
	return false;
}

void
db_done(sqlite3_stmt *row)
{
	if (!row)
		return;
	sqlite3_reset(row);
	sqlite3_clear_bindings(row);
}

bool
db_run_values(struct db *db, const char *sql, const struct value *values, size_t count)
{
	assert(db->depth > 0);
	sqlite3_stmt *stmt = db_query_values(db, sql, values, count);
	while (db_next(db, stmt))
		;
	return !db->error;
}

int64_t
db_number_values(struct db *db, int64_t otherwise, const char *sql, const struct value *values, size_t count)
{
	sqlite3_stmt *row = db_query_values(db, sql, values, count);
	int64_t number = otherwise;
	if (db_next(db, row)) {
		if (sqlite3_column_type(row, 0) != SQLITE_NULL)
			number = sqlite3_column_int64(row, 0);
		db_done(row);
	}
	return number;
}

int64_t
db_pragma(struct db *db, const char *sql)
{
	sqlite3_stmt *stmt = NULL;
	int64_t number = 0;
	if (db->error)
		return 0;
	if (sqlite3_prepare_v2(db->handle, sql, -1, &stmt, NULL) == SQLITE_OK &&
	    sqlite3_step(stmt) == SQLITE_ROW)
		number = sqlite3_column_int64(stmt, 0);
	int code = sqlite3_finalize(stmt);
	if (code != SQLITE_OK)
		db_fail(db, code);
	return number;
}

bool
db_script(struct db *db, const char *sql)
{
	if (db->error)
		return false;
	int code = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
	if (code != SQLITE_OK)
		db_fail(db, code);
	return code == SQLITE_OK;
}

int64_t
db_last_id(const struct db *db)
{
	return sqlite3_last_insert_rowid(db->handle);
}

int64_t
db_changes(const struct db *db)
{
	return db->error ? 0 : sqlite3_changes64(db->handle);
}

const char *
db_text(struct arena *arena, sqlite3_stmt *row, int column)
{
	const char *text = (const char *)sqlite3_column_text(row, column);
	return text ? arena_strdup(arena, text) : "";
}

const void *
db_blob(struct arena *arena, sqlite3_stmt *row, int column, size_t *len_r)
{
	const void *bytes = sqlite3_column_blob(row, column);
	*len_r = (size_t)sqlite3_column_bytes(row, column);
	return arena_strndup(arena, bytes ? bytes : "", *len_r);
}

void *
db_list_add(struct arena *arena, void *list_r, size_t *count, size_t *room, size_t size)
{
	void **list = list_r;
	if (*count == *room) {
		size_t more = *room ? *room * 2 : 16;
		void *moved = arena_alloc(arena, more * size);
		if (*count)
			memcpy(moved, *list, *count * size);
		*list = moved;
		*room = more;
	}
	return (char *)*list + (*count)++ * size;
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
		    xasprintf("%s/lazo.db: another process has been writing for too long", db->folder);
		return false;
	}
	return db_script(db, "BEGIN IMMEDIATE");
}

bool
db_begin(struct db *db)
{
	char sql[32];
	snprintf(sql, sizeof sql, "SAVEPOINT s%d", db->depth);
	db->depth++;
	if (db->depth == 1 ? begin_outermost(db) : db_script(db, sql))
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
	char sql[32];
	db->depth--;
	if (error_r)
		*error_r = NULL;
	if (db->depth > 0) {
		snprintf(sql, sizeof sql, "RELEASE s%d", db->depth);
		db->doomed -= db->doomed > 0;
		return db_script(db, sql);
	}
	bool kept = db_script(db, "COMMIT");
	if (!kept)
		transaction_undo(db);
	transaction_over(db, error_r);
	return kept;
}

void
db_rollback(struct db *db)
{
	assert(db->depth > 0);
	char sql[64];
	db->depth--;
	if (db->depth == 0) {
		transaction_undo(db);
		transaction_over(db, NULL);
	} else if (db->doomed > 0) {
		db->doomed--;
	} else {
		snprintf(sql, sizeof sql, "ROLLBACK TO s%d; RELEASE s%d", db->depth, db->depth);
		db_script(db, sql);
	}
}

bool
db_active(const struct db *db)
{
	return db->depth > 0;
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
		*error_r = xasprintf("%s: not a file of ours", file);
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
	if (lock_take(db->writer, BUSY_MS) && db_script(db, settings) && schema_migrate(db, error_r)) {
		flock(db->writer, LOCK_UN);
		return db;
	}
	if (!*error_r)
		*error_r =
		    db->error ? xstrdup(db->error) : xasprintf("%s/writer.lock: not to be had", folder);
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
