/*
 * db-private.h -- SQL for the files of this folder: statements that are prepared once, values with their
 * type.
 *
 *     db_run(db, "UPDATE t SET a = ? WHERE b = ?", INT(a), TEXT(b));
 *
 *     sqlite3_stmt *row = db_query(db, "SELECT a FROM t WHERE b = ?", TEXT(b));
 *     while (db_next(db, row))
 *             use(sqlite3_column_int64(row, 0));
 *
 * The SQL must be a string literal: its address finds the prepared statement. A query that is not read to its
 * end is closed by db_done(); the same statement may not be running twice. After a failure, and when `db` has
 * already failed, queries have no rows and db_run does nothing (db.h).
 */
#ifndef CLIENT_DB_PRIVATE_H
#define CLIENT_DB_PRIVATE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "client/db/db.h"

struct arena;

struct value {
	enum { VALUE_INT, VALUE_TEXT, VALUE_BLOB } kind;
	int64_t number;
	const void *bytes; /* NULL: SQL NULL; must live until the call returns, for a query until its end */
	size_t len;
};
#define INT(n)                                                                                               \
	{                                                                                                    \
		.kind = VALUE_INT, .number = (n)                                                             \
	}
#define TEXT(s)                                                                                              \
	{                                                                                                    \
		.kind = VALUE_TEXT, .bytes = (s)                                                             \
	}
#define BLOB(p, n)                                                                                           \
	{                                                                                                    \
		.kind = VALUE_BLOB, .bytes = (p), .len = (n)                                                 \
	}

#define VALUES(...)                                                                                          \
	(const struct value[]){ __VA_ARGS__ },                                                               \
	    sizeof(const struct value[]){ __VA_ARGS__ } / sizeof(struct value)
#define db_run(db, sql, ...)   db_run_values(db, sql, VALUES(__VA_ARGS__))
#define db_query(db, sql, ...) db_query_values(db, sql, VALUES(__VA_ARGS__))

bool db_run_values(struct db *db, const char *sql, const struct value *values, size_t count);
sqlite3_stmt *db_query_values(struct db *db, const char *sql, const struct value *values, size_t count);
bool db_next(struct db *db, sqlite3_stmt *row); /* row may be NULL; at the end the statement is reset */
void db_done(sqlite3_stmt *row);                /* NULL is fine */

/* The single number that a query finds, `otherwise` when it finds nothing. */
#define db_number(db, otherwise, sql, ...) db_number_values(db, otherwise, sql, VALUES(__VA_ARGS__))
int64_t db_number_values(struct db *db, int64_t otherwise, const char *sql, const struct value *values,
			 size_t count);

int64_t db_pragma(struct db *db,
		  const char *sql); /* the number that a statement without values finds; not kept */
bool db_script(struct db *db, const char *sql); /* several statements, not kept */

/*
 * Rows from this one on, which the present transaction adds, are given to `index` in one go before it is kept. One by one
 * they would cost most of what a message costs: FTS5 writes a segment at every SAVEPOINT, and merges them later.
 */
void db_index_later(struct db *db, int64_t row, void (*index)(struct db *db, int64_t from));
int64_t db_indexed_below(const struct db *db); /* rows from here on are not in the full text yet */

int64_t db_last_id(const struct db *db);
int64_t db_changes(const struct db *db); /* of the last db_run */

/* Columns into the arena; NULL columns are "". */
const char *db_text(struct arena *arena, sqlite3_stmt *row, int column);
const void *db_blob(struct arena *arena, sqlite3_stmt *row, int column, size_t *len_r);

/* A growing list in an arena: room for one more element; *list moves. */
void *db_list_add(struct arena *arena, void *list_r, size_t *count, size_t *room, size_t size);

/* That a row `c` of contact is someone of ours (contact.h); SQL. */
#define CONTACT_WRITTEN_TO                                                                                   \
	"EXISTS(SELECT 1 FROM message m WHERE m.account = c.account AND m.peer = c.jid AND m.sent <> 0)"
#define CONTACT_OURSELVES "EXISTS(SELECT 1 FROM account a WHERE a.id = c.account AND a.jid = c.jid)"
#define CONTACT_KNOWN                                                                                        \
	"(c.name <> '' OR c.subscription <> '' OR c.roster_due <> 0 OR c.plain OR c.strict "                 \
	"OR " CONTACT_OURSELVES " OR " CONTACT_WRITTEN_TO ")"

/* schema.c: bring the database to the present schema, inside a transaction of its own. */
bool schema_migrate(struct db *db, char **error_r);

#endif
