/*
 * account.c -- own accounts and their named values: tables account and setting.
 */
#include "config.h"
#include "client/db/account.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "client/db/db-private.h"
#include "proto/arena.h"

#define COLUMNS "id, jid, standard, logged_in, added"

static struct account
account_row(struct arena *arena, sqlite3_stmt *row)
{
	return (struct account){
		.id = sqlite3_column_int64(row, 0),
		.jid = db_text(arena, row, 1),
		.standard = sqlite3_column_int(row, 2),
		.logged_in = sqlite3_column_int(row, 3),
		.added = sqlite3_column_int64(row, 4),
	};
}

bool
account_find(struct db *db, struct arena *arena, const char *jid, struct account *account_r)
{
	*account_r = (struct account){ 0 };
	sqlite3_stmt *row = db_query(
	    db, "SELECT " COLUMNS " FROM account WHERE jid = ?1 OR (?1 IS NULL AND standard = 1)", TEXT(jid));
	if (!db_next(db, row))
		return false;
	*account_r = account_row(arena, row);
	db_done(row);
	return true;
}

bool
account_by_id(struct db *db, struct arena *arena, int64_t id, struct account *account_r)
{
	*account_r = (struct account){ 0 };
	sqlite3_stmt *row = db_query(db, "SELECT " COLUMNS " FROM account WHERE id = ?", INT(id));
	if (!db_next(db, row))
		return false;
	*account_r = account_row(arena, row);
	db_done(row);
	return true;
}

size_t
account_list(struct db *db, struct arena *arena, struct account **list_r)
{
	size_t count = 0, room = 0;
	*list_r = NULL;
	sqlite3_stmt *row = db_query(db, "SELECT " COLUMNS " FROM account WHERE id > ? ORDER BY id", INT(0));
	while (db_next(db, row))
		*(struct account *)db_list_add(arena, list_r, &count, &room, sizeof **list_r) =
		    account_row(arena, row);
	return count;
}

int64_t
account_add(struct db *db, const char *jid, int64_t now)
{
	db_run(db,
	       "INSERT INTO account(jid, standard, added) VALUES(?1, NOT EXISTS(SELECT 1 FROM account WHERE "
	       "standard), ?2)"
	       " ON CONFLICT DO NOTHING",
	       TEXT(jid), INT(now));
	return db_number(db, 0, "SELECT id FROM account WHERE jid = ?", TEXT(jid));
}

void
account_set_standard(struct db *db, int64_t account)
{
	db_run(db, "UPDATE account SET standard = (id = ?)", INT(account));
}

void
account_set_logged_in(struct db *db, int64_t account, bool logged_in)
{
	db_run(db, "UPDATE account SET logged_in = ? WHERE id = ?", INT(logged_in), INT(account));
	if (!logged_in)
		account_forget_secrets(db, account);
}

void
account_delete(struct db *db, int64_t account)
{
	db_run(db, "DELETE FROM setting WHERE account = ?", INT(account));
	db_run(db, "DELETE FROM outbox_target WHERE message IN (SELECT id FROM message WHERE account = ?)",
	       INT(account));
	db_run(db,
	       "INSERT INTO words(words, rowid, body) SELECT 'delete', id, body FROM message WHERE account = "
	       "? AND id < ? AND body <> ''",
	       INT(account), INT(db_indexed_below(db)));
	db_run(db, "DELETE FROM message WHERE account = ?", INT(account));
	db_run(db, "DELETE FROM account WHERE id = ?", INT(account)); /* the rest goes by ON DELETE CASCADE */
	db_run(db,
	       "UPDATE account SET standard = 1 WHERE id = (SELECT min(id) FROM account)"
	       " AND ?1 > 0 AND NOT EXISTS(SELECT 1 FROM account WHERE standard)",
	       INT(account));
}

const char *
account_get(struct db *db, struct arena *arena, int64_t account, const char *name, size_t *len_r)
{
	const char *value = NULL;
	size_t len = 0;
	sqlite3_stmt *row = db_query(db, "SELECT value FROM setting WHERE account = ? AND name = ?",
				     INT(account), TEXT(name));
	if (db_next(db, row)) {
		value = db_blob(arena, row, 0, &len);
		db_done(row);
	}
	if (len_r)
		*len_r = len;
	return value;
}

int64_t
account_get_int(struct db *db, int64_t account, const char *name, int64_t otherwise)
{
	struct arena *arena = arena_new();
	const char *text = account_get(db, arena, account, name, NULL);
	int64_t value = text ? strtoll(text, NULL, 10) : otherwise;
	arena_free(&arena);
	return value;
}

void
account_set(struct db *db, int64_t account, const char *name, const void *value, size_t len)
{
	if (!value) {
		db_run(db, "DELETE FROM setting WHERE account = ? AND name = ?", INT(account), TEXT(name));
		return;
	}
	db_run(db,
	       "INSERT INTO setting(account, name, value) VALUES(?, ?, ?)"
	       " ON CONFLICT DO UPDATE SET value = excluded.value",
	       INT(account), TEXT(name), BLOB(value, len));
}

void
account_set_text(struct db *db, int64_t account, const char *name, const char *value)
{
	account_set(db, account, name, value, value ? strlen(value) : 0);
}

void
account_set_int(struct db *db, int64_t account, const char *name, int64_t value)
{
	char text[24];
	snprintf(text, sizeof text, "%lld", (long long)value);
	account_set_text(db, account, name, text);
}

void
account_forget_secrets(struct db *db, int64_t account)
{
	db_run(db, "DELETE FROM setting WHERE account = ? AND substr(name, 1, 7) = 'secret.'", INT(account));
}
