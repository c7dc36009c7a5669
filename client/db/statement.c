/*
 * statement.c -- prepared statements, values with their type, rows: what db-private.h promises.
 *
 * DIAGNOSTICS: fatal: SQL that does not fit the schema, values that do not fit the SQL, one statement used
 * twice at a time, a write outside a transaction. All of these are ours.
 */
#include "config.h"
#include "client/db/db-private.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "client/db/handle.h"
#include "proto/arena.h"

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
