/*
 * store/db.h -- one SQLite connection: the only file that sees the library.
 *
 * A connection belongs to one thread at a time. Every statement is a row of sql.c, prepared at its first use
 * and kept; values are only ever bound. Results say what the caller has to do, not what SQLite called it. An
 * fsync that fails ends the process (74).
 */
#ifndef RELAY_STORE_DB_H
#define RELAY_STORE_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "relay/store/sql.h"

struct db;
struct stmt;

enum db_result {
	DB_OK,       /* done */
	DB_ROW,      /* db_next: there is a row */
	DB_CONFLICT, /* a condition of the operation did not hold */
	DB_OVER,     /* it would pass a limit */
	DB_FULL,     /* no room on the disk */
	DB_BUSY,     /* another program holds the write lock longer than we wait */
	DB_ERROR,    /* anything else, logged */
};

struct value { /* a bound parameter; bytes are borrowed until the statement is done */
	enum { VALUE_NULL, VALUE_INT, VALUE_TEXT, VALUE_BLOB } type;
	int64_t number;
	const void *bytes;
	size_t len;
};

/* A few KiB of page cache a connection, no memory map: to be called before the first open. */
void db_library_setup(void);

enum { DB_BUSY_MS = 5000 };

/* The file is made (0600, of its folder's owner) when absent. NULL: *error_r (malloc'd). */
struct db *db_open(const char *path, unsigned busy_ms, unsigned cache_kib, char **error_r);
void db_close(struct db **db);
/* Bring the schema up to ours. false: *error_r; *foreign_r: because it is newer than this program, or no relay's. */
bool db_migrate(struct db *db, const char *path, bool *foreign_r, char **error_r);
bool db_is_current(struct db *db); /* nothing to migrate */

/* Run a statement without rows, or one whose rows do not matter. */
enum db_result db_run_values(struct db *db, enum sql id, const struct value *values, size_t count);
#define db_run(db, id, ...)                                                                                  \
	db_run_values((db), (id), (const struct value[]){ __VA_ARGS__ },                                     \
		      sizeof((const struct value[]){ __VA_ARGS__ }) / sizeof(struct value))
#define db_run0(db, id) db_run_values((db), (id), NULL, 0)
/* Rows one by one: db_ask, then db_next until it is not DB_ROW, or db_end early. Columns are borrowed until
 * the next row. */
struct stmt *db_ask_values(struct db *db, enum sql id, const struct value *values, size_t count);
#define db_ask(db, id, ...)                                                                                  \
	db_ask_values((db), (id), (const struct value[]){ __VA_ARGS__ },                                     \
		      sizeof((const struct value[]){ __VA_ARGS__ }) / sizeof(struct value))
#define db_ask0(db, id) db_ask_values((db), (id), NULL, 0)
enum db_result db_next(struct db *db, struct stmt *stmt);
void db_end(struct stmt *stmt);
int64_t col_int(struct stmt *stmt, int n);
const char *col_text(struct stmt *stmt, int n); /* NULL for NULL */
const void *col_blob(struct stmt *stmt, int n, size_t *len_r);
/* One number: the first column of the first row; DB_CONFLICT when there is none. */
enum db_result db_number(struct db *db, enum sql id, struct value value, int64_t *number_r);
/* The sum of the first column of all rows: what a DELETE ... RETURNING took. */
enum db_result db_sum_values(struct db *db, enum sql id, const struct value *values, size_t count, int64_t *sum_r);
#define db_sum(db, id, sum_r, ...)                                                                           \
	db_sum_values((db), (id), (const struct value[]){ __VA_ARGS__ },                                     \
		      sizeof((const struct value[]){ __VA_ARGS__ }) / sizeof(struct value), (sum_r))
/* Rows that the last db_run touched; the row id it inserted. */
int64_t db_changes(struct db *db);
int64_t db_last_id(struct db *db);

enum db_result db_begin(struct db *db); /* for writing: waits its turn */
enum db_result db_commit(struct db *db);
void db_rollback(struct db *db);
bool db_in_transaction(struct db *db); /* some errors make SQLite roll back by itself */
enum db_result db_savepoint(struct db *db);
enum db_result db_savepoint_end(struct db *db, bool keep);
/* A number for the writer's use that every rollback, also to a savepoint, sets to 0. */
int64_t *db_mark(struct db *db);
/* Another: the time of the newest message, 0: not looked up. */
int64_t *db_latest(struct db *db);

/* Frames in the write-ahead log after the last commit of this connection. */
int64_t db_wal_frames(const struct db *db);
/* Before the first checkpoint: what the log holds is on the disk, also when a sync of it failed in an earlier run (relog.h). */
enum db_result db_log_again(struct db *db);
/* Copy the log into the file as far as readers allow; all: empty the log too. *copied_r: frames that are in
 * the file. */
enum db_result db_checkpoint(struct db *db, bool all, int64_t *copied_r);
/* One moment of the database into an empty file. false: *error_r. */
bool db_copy(struct db *db, const char *file, char **error_r);

static inline struct value
v_int(int64_t number)
{
	return (struct value){ .type = VALUE_INT, .number = number };
}

static inline struct value
v_text(const char *text) /* NULL: SQL's NULL */
{
	return (struct value){ .type = text == NULL ? VALUE_NULL : VALUE_TEXT,
			       .bytes = text,
			       .len = text == NULL ? 0 : strlen(text) };
}

static inline struct value
v_span(const char *text, size_t len)
{
	return (struct value){ .type = VALUE_TEXT, .bytes = text, .len = len };
}

static inline struct value
v_blob(const void *bytes, size_t len)
{
	return (struct value){ .type = VALUE_BLOB, .bytes = bytes, .len = len };
}

#endif
