/*
 * session.c -- ratchet sessions and spent message keys: tables session, chain, read.
 */
#include "config.h"
#include "client/db/session.h"

#include <string.h>
#include "client/db/db-private.h"
#include "proto/arena.h"

const void *
session_get(struct db *db, struct arena *arena, int64_t account, const char *jid, uint32_t device,
	    size_t *len_r)
{
	const void *record = NULL;
	*len_r = 0;
	sqlite3_stmt *row =
	    db_query(db, "SELECT record FROM session WHERE account = ? AND jid = ? AND device = ?",
		     INT(account), TEXT(jid), INT(device));
	if (db_next(db, row)) {
		record = db_blob(arena, row, 0, len_r);
		db_done(row);
	}
	return record;
}

bool
session_exists(struct db *db, int64_t account, const char *jid, uint32_t device)
{
	return db_number(db, 0, "SELECT 1 FROM session WHERE account = ? AND jid = ? AND device = ?",
			 INT(account), TEXT(jid), INT(device));
}

void
session_put(struct db *db, int64_t account, const char *jid, uint32_t device, const void *record, size_t len)
{
	db_run(db,
	       "INSERT INTO session(account, jid, device, record) VALUES(?,?,?,?)"
	       " ON CONFLICT DO UPDATE SET record = excluded.record",
	       INT(account), TEXT(jid), INT(device), BLOB(record, len));
}

void
session_delete(struct db *db, int64_t account, const char *jid, uint32_t device)
{
	db_run(db, "DELETE FROM session WHERE account = ? AND jid = ? AND device = ?", INT(account),
	       TEXT(jid), INT(device));
}

void
session_delete_all(struct db *db, int64_t account, const char *jid)
{
	db_run(db, "DELETE FROM session WHERE account = ? AND jid = ?", INT(account), TEXT(jid));
}

int64_t
chain_find(struct db *db, int64_t account, const char *jid, uint32_t device,
	   const uint8_t ratchet[static RATCHET_KEY_LEN])
{
	return db_number(db, 0,
			 "SELECT id FROM chain WHERE account = ? AND jid = ? AND device = ? AND ratchet = ?",
			 INT(account), TEXT(jid), INT(device), BLOB(ratchet, RATCHET_KEY_LEN));
}

int64_t
chain_make(struct db *db, int64_t account, const char *jid, uint32_t device,
	   const uint8_t ratchet[static RATCHET_KEY_LEN])
{
	int64_t id = chain_find(db, account, jid, device, ratchet);
	if (id)
		return id;
	db_run(db, "INSERT INTO chain(account, jid, device, ratchet) VALUES(?,?,?,?)", INT(account),
	       TEXT(jid), INT(device), BLOB(ratchet, RATCHET_KEY_LEN));
	return db_error(db) ? 0 : db_last_id(db);
}

size_t
chain_newest(struct db *db, int64_t account, const char *jid, uint32_t device, size_t most,
	     struct chain_row *list_r)
{
	size_t count = 0;
	sqlite3_stmt *row = db_query(db,
				     "SELECT id, ratchet FROM chain INDEXED BY chain_newest"
				     " WHERE account = ? AND jid = ? AND device = ? ORDER BY id DESC LIMIT ?",
				     INT(account), TEXT(jid), INT(device), INT((int64_t)most));
	while (db_next(db, row)) {
		if (sqlite3_column_bytes(row, 1) != RATCHET_KEY_LEN)
			continue;
		list_r[count].id = sqlite3_column_int64(row, 0);
		memcpy(list_r[count++].ratchet, sqlite3_column_blob(row, 1), RATCHET_KEY_LEN);
	}
	return count;
}

bool
read_get(struct db *db, int64_t chain, uint32_t counter, int64_t *message_r)
{
	*message_r = db_number(db, -1, "SELECT message FROM read WHERE chain = ? AND counter = ?", INT(chain),
			       INT(counter));
	return *message_r >= 0;
}

void
read_set(struct db *db, int64_t chain, uint32_t counter, int64_t message)
{
	db_run(db, "INSERT OR REPLACE INTO read(chain, counter, message) VALUES(?,?,?)", INT(chain),
	       INT(counter), INT(message));
}

int64_t
read_highest(struct db *db, int64_t chain)
{
	return db_number(db, -1, "SELECT max(counter) FROM read WHERE chain = ?", INT(chain));
}

int64_t
read_count(struct db *db, int64_t chain)
{
	return db_number(db, 0, "SELECT count(*) FROM read WHERE chain = ?", INT(chain));
}
