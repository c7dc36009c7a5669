/*
 * db.c -- one SQLite connection: opening, statements, transactions, checkpoints.
 *
 * Write-ahead log with synchronous=FULL: a commit is one fdatasync of the log. Checkpoints never run by
 * themselves: only db_checkpoint() makes one, and only the relay's writer calls it, because SQLite
 * before 3.51.3 can lose commits when one connection checkpoints while another starts the log anew.
 *
 * DIAGNOSTICS: errors are logged here, once, with SQLite's words; DB_FULL and DB_BUSY are for the caller to
 * say. When the disk did not take what fsync was to give it, the process ends with 74 (EX_IOERR) after a
 * line: its answer to a second fsync would be worth nothing, so nothing may be acknowledged any more. So it does when a
 * page is not what was written there: to go on writing would spread the damage.
 */
#include "config.h"

#include "relay/store/db.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>
#include "proto/mem.h"
#include "relay/log.h"
#include "relay/store/relog.h"

struct db {
	sqlite3 *handle;
	sqlite3_stmt *statements[SQL_COUNT];
	int64_t wal_frames;
	int64_t mark, latest;
};

void
db_library_setup(void)
{
	/* No statistics: they cost a lock at every allocation. Refused once the library runs, which is
	 * harmless. */
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static enum db_result
classify(struct db *db, int code)
{
	switch (code & 0xff) {
	case SQLITE_FULL:
		return DB_FULL;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return DB_BUSY;
	case SQLITE_IOERR:
		break;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		log_error(NULL, "database: %s", sqlite3_errmsg(db->handle));
		log_error(NULL, "the database is damaged: stopping before more is lost; restore a backup as lazod(8) says");
		_exit(EX_IOERR);
	default:
		log_error(NULL, "database: %s", sqlite3_errmsg(db->handle));
		return DB_ERROR;
	}
	int reason = sqlite3_system_errno(db->handle);
	if (code == SQLITE_IOERR_SHMSIZE ||
	    ((reason == EDQUOT || reason == ENOSPC) && code == SQLITE_IOERR_WRITE))
		return DB_FULL;
	log_error(NULL, "database: %s (%s)", sqlite3_errmsg(db->handle), strerror(reason));
	if (code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC) {
		log_error(NULL,
			  "the disk does not keep what it is given: stopping, nothing more is acknowledged");
		_exit(EX_IOERR);
	}
	return DB_ERROR;
}

static int
note_frames(void *arg, sqlite3 *handle, const char *name, int frames)
{
	struct db *db = arg;

	(void)handle;
	(void)name;
	db->wal_frames = frames;
	return SQLITE_OK;
}

/*
 * SQLite would make it readable by the umask, and ours when root runs a tool on the relay's folder. One that is there is never opened
 * here: closing it again would drop the locks that another connection of this process has on it (fcntl(2)), and without them
 * whoever looks into the database beside us takes itself for the last and removes the log that we go on writing.
 */
static bool
make_private(const char *path, char **error_r)
{
	char *copy = xstrdup(path);
	struct stat folder, file;
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool good = fd >= 0 || errno == EEXIST;

	if (fd >= 0)
		close(fd);
	if (good && (good = lstat(path, &file) == 0) && !S_ISREG(file.st_mode)) {
		errno = ELOOP;
		good = false;
	}
	good = good && stat(dirname(copy), &folder) == 0;
	if (good && geteuid() == 0 && folder.st_uid != 0)
		good = lchown(path, folder.st_uid, folder.st_gid) == 0;
	if (!good)
		*error_r = xasprintf("%s: %s", path, strerror(errno));
	free(copy);
	return good;
}

/* auto_vacuum must be set before the first page is written, and that happens when the log is turned on. */
static int
set_up(struct db *db, unsigned busy_ms, unsigned cache_kib)
{
	char cache[64];
	int code;

	sqlite3_busy_timeout(db->handle, (int)busy_ms);
	sqlite3_wal_hook(db->handle, note_frames, db);
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_snprintf((int)sizeof cache, cache, "PRAGMA cache_size = -%u", cache_kib);
	const char *const pragmas[] = {
		"PRAGMA auto_vacuum = INCREMENTAL",
		"PRAGMA journal_mode = WAL",
		"PRAGMA synchronous = FULL",
		"PRAGMA temp_store = MEMORY",
		"PRAGMA mmap_size = 0",
		"PRAGMA trusted_schema = OFF",
		/* The log is cut to this when it starts anew: a burst does not keep its room for ever. */
		"PRAGMA journal_size_limit = 16777216",
		cache,
	};
	for (size_t i = 0; i < sizeof pragmas / sizeof *pragmas; i++)
		if ((code = sqlite3_exec(db->handle, pragmas[i], NULL, NULL, NULL)) != SQLITE_OK)
			return code;
	return SQLITE_OK;
}

struct db *
db_open(const char *path, unsigned busy_ms, unsigned cache_kib, char **error_r)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;

	if (!make_private(path, error_r))
		return NULL;
	struct db *db = xcalloc(1, sizeof *db);
	int code = sqlite3_open_v2(path, &db->handle, flags, NULL);
	if (code == SQLITE_OK)
		code = set_up(db, busy_ms, cache_kib);
	if (code == SQLITE_OK)
		return db;
	*error_r =
	    xasprintf("%s: %s", path, db->handle == NULL ? "out of memory" : sqlite3_errmsg(db->handle));
	db_close(&db);
	return NULL;
}

void
db_close(struct db **db)
{
	if (*db == NULL)
		return;
	for (int i = 0; i < SQL_COUNT; i++)
		sqlite3_finalize((*db)->statements[i]);
	sqlite3_close((*db)->handle);
	free(*db);
	*db = NULL;
}

static bool
pragma_number(struct db *db, const char *pragma, int64_t *number_r)
{
	sqlite3_stmt *stmt = NULL;
	bool good = sqlite3_prepare_v2(db->handle, pragma, -1, &stmt, NULL) == SQLITE_OK &&
		    sqlite3_step(stmt) == SQLITE_ROW;

	if (good)
		*number_r = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return good;
}

/* Inside a write transaction, so that of two programs that start together one migrates and the other finds it
 * done. */
static bool
migrate_locked(struct db *db, const char *path, bool *foreign_r, char **error_r)
{
	int64_t version = 0, program = 0;

	if (!pragma_number(db, "PRAGMA user_version", &version) ||
	    !pragma_number(db, "PRAGMA application_id", &program))
		return false;
	if (program != SCHEMA_APPLICATION && (program != 0 || version != 0)) {
		*foreign_r = true;
		*error_r = xasprintf("%s: not a database of this relay", path);
		return false;
	}
	if (version > schema_version()) {
		*foreign_r = true;
		*error_r = xasprintf("%s: written by a newer relay (schema %lld, this one knows %lld): "
				     "install that version, or restore a backup",
				     path, (long long)version, (long long)schema_version());
		return false;
	}
	for (; version < schema_version(); version++)
		if (sqlite3_exec(db->handle, schema_step(version), NULL, NULL, NULL) != SQLITE_OK)
			return false;
	return true;
}

bool
db_is_current(struct db *db)
{
	int64_t version = 0;

	return pragma_number(db, "PRAGMA user_version", &version) && version == schema_version();
}

bool
db_migrate(struct db *db, const char *path, bool *foreign_r, char **error_r)
{
	*error_r = NULL;
	bool good = sqlite3_exec(db->handle, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK &&
		    migrate_locked(db, path, foreign_r, error_r) &&
		    sqlite3_exec(db->handle, "COMMIT", NULL, NULL, NULL) == SQLITE_OK;
	if (!good && *error_r == NULL)
		*error_r = xasprintf("%s: %s", path, sqlite3_errmsg(db->handle));
	if (!good)
		db_rollback(db);
	return good;
}

static sqlite3_stmt *
prepared(struct db *db, enum sql id)
{
	sqlite3_stmt **stmt = &db->statements[id];

	if (*stmt == NULL && sqlite3_prepare_v3(db->handle, sql_text(id), -1, SQLITE_PREPARE_PERSISTENT, stmt,
						NULL) != SQLITE_OK)
		log_error(NULL, "database: %s", sqlite3_errmsg(db->handle));
	return *stmt;
}

static void
bind(sqlite3_stmt *stmt, int n, const struct value *value)
{
	int code = SQLITE_OK;

	switch (value->type) {
	case VALUE_NULL:
		code = sqlite3_bind_null(stmt, n);
		break;
	case VALUE_INT:
		code = sqlite3_bind_int64(stmt, n, value->number);
		break;
	case VALUE_TEXT:
		code = sqlite3_bind_text(stmt, n, value->bytes, (int)value->len, SQLITE_STATIC);
		break;
	case VALUE_BLOB: /* a NULL pointer would bind NULL: an empty blob is not NULL */
		code = sqlite3_bind_blob(stmt, n, value->bytes == NULL ? "" : value->bytes, (int)value->len,
					 SQLITE_STATIC);
		break;
	}
	assert(code == SQLITE_OK);
	(void)code;
}

struct stmt *
db_ask_values(struct db *db, enum sql id, const struct value *values, size_t count)
{
	sqlite3_stmt *stmt = prepared(db, id);

	if (stmt == NULL)
		return NULL;
	assert((size_t)sqlite3_bind_parameter_count(stmt) == count);
	assert(!sqlite3_stmt_busy(stmt));
	for (size_t i = 0; i < count; i++)
		bind(stmt, (int)i + 1, &values[i]);
	return (struct stmt *)stmt;
}

enum db_result
db_next(struct db *db, struct stmt *handle)
{
	sqlite3_stmt *stmt = (sqlite3_stmt *)handle;

	if (stmt == NULL)
		return DB_ERROR;
	int code = sqlite3_step(stmt);
	if (code == SQLITE_ROW)
		return DB_ROW;
	enum db_result result = code == SQLITE_DONE ? DB_OK : classify(db, code);
	sqlite3_reset(stmt);
	return result;
}

void
db_end(struct stmt *stmt)
{
	sqlite3_reset((sqlite3_stmt *)stmt);
}

enum db_result
db_run_values(struct db *db, enum sql id, const struct value *values, size_t count)
{
	struct stmt *stmt = db_ask_values(db, id, values, count);
	enum db_result result;

	do
		result = db_next(db, stmt);
	while (result == DB_ROW);
	return result;
}

enum db_result
db_number(struct db *db, enum sql id, struct value value, int64_t *number_r)
{
	struct stmt *stmt = db_ask_values(db, id, &value, 1);
	enum db_result result = db_next(db, stmt);

	if (result != DB_ROW)
		return result == DB_OK ? DB_CONFLICT : result;
	*number_r = col_int(stmt, 0);
	/* To its end and not only reset: an UPDATE ... RETURNING is done when its last row was taken. */
	do
		result = db_next(db, stmt);
	while (result == DB_ROW);
	return result;
}

enum db_result
db_sum_values(struct db *db, enum sql id, const struct value *values, size_t count, int64_t *sum_r)
{
	struct stmt *stmt = db_ask_values(db, id, values, count);
	enum db_result result;

	*sum_r = 0;
	while ((result = db_next(db, stmt)) == DB_ROW)
		*sum_r += col_int(stmt, 0);
	return result;
}

int64_t
col_int(struct stmt *stmt, int n)
{
	return sqlite3_column_int64((sqlite3_stmt *)stmt, n);
}

const char *
col_text(struct stmt *stmt, int n)
{
	return (const char *)sqlite3_column_text((sqlite3_stmt *)stmt, n);
}

const void *
col_blob(struct stmt *stmt, int n, size_t *len_r)
{
	const void *bytes = sqlite3_column_blob((sqlite3_stmt *)stmt, n);

	*len_r = (size_t)sqlite3_column_bytes((sqlite3_stmt *)stmt, n);
	return bytes;
}

int64_t
db_changes(struct db *db)
{
	return sqlite3_changes64(db->handle);
}

int64_t
db_last_id(struct db *db)
{
	return sqlite3_last_insert_rowid(db->handle);
}

enum db_result
db_begin(struct db *db)
{
	return db_run0(db, SQL_BEGIN);
}

enum db_result
db_commit(struct db *db)
{
	return db_run0(db, SQL_COMMIT);
}

void
db_rollback(struct db *db)
{
	db->mark = db->latest = 0;
	if (db_in_transaction(db))
		sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
}

enum db_result
db_savepoint(struct db *db)
{
	return db_run0(db, SQL_SAVEPOINT);
}

enum db_result
db_savepoint_end(struct db *db, bool keep)
{
	if (!keep) {
		db->mark = db->latest = 0;
		enum db_result result = db_run0(db, SQL_SAVEPOINT_BACK);
		if (result != DB_OK)
			return result;
	}
	return db_run0(db, SQL_SAVEPOINT_END);
}

int64_t *
db_mark(struct db *db)
{
	return &db->mark;
}

int64_t *
db_latest(struct db *db)
{
	return &db->latest;
}

bool
db_in_transaction(struct db *db)
{
	return sqlite3_get_autocommit(db->handle) == 0;
}

int64_t
db_wal_frames(const struct db *db)
{
	return db->wal_frames;
}

enum db_result
db_log_again(struct db *db)
{
	int code = relog(db->handle);

	return code == SQLITE_OK ? DB_OK : classify(db, code);
}

enum db_result
db_checkpoint(struct db *db, bool all, int64_t *copied_r)
{
	int frames = 0, copied = 0;
	int mode = all ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
	int code = sqlite3_wal_checkpoint_v2(db->handle, "main", mode, &frames, &copied);

	*copied_r = copied < 0 ? 0 : copied;
	return code == SQLITE_OK ? DB_OK : classify(db, code);
}

/* By hand and not through classify(): a copy on a bad stick is no reason to stop. */
bool
db_copy(struct db *db, const char *file, char **error_r)
{
	sqlite3_stmt *stmt = prepared(db, SQL_COPY);
	bool good = stmt != NULL && sqlite3_bind_text(stmt, 1, file, -1, SQLITE_STATIC) == SQLITE_OK &&
		    sqlite3_step(stmt) == SQLITE_DONE;

	if (!good)
		*error_r = xasprintf("%s: %s", file, sqlite3_errmsg(db->handle));
	sqlite3_reset(stmt);
	return good;
}
