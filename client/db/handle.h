/*
 * handle.h -- the inside of struct db, for db.c and statement.c alone.
 */
#ifndef CLIENT_DB_HANDLE_H
#define CLIENT_DB_HANDLE_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

enum {
	STATEMENTS =
	    512 /* places in the table of prepared statements; a power of two, far more than we have */
};

struct db {
	sqlite3 *handle;
	char *folder;
	int writer;  /* fd of writer.lock */
	char *error; /* NULL: all well */
	int code;    /* SQLite's, of the first failure */
	int failed_at; /* depth, when it came */
	int depth;   /* transactions open, the outermost counted */
	int doomed;  /* of them, how many were not really opened because of a failure */
	int64_t unindexed; /* db_index_later(); 0: all rows are in the full text */
	void (*index)(struct db *db, int64_t from);
	size_t prepared;
	struct {
		const char *sql; /* the literal's address */
		sqlite3_stmt *stmt;
	} statements[STATEMENTS];
};

/* Remember the first failure only: what follows is its consequence. */
void db_fail(struct db *db, int code);

#endif
