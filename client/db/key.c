/*
 * key.c -- this device's own keys: tables own_device, prekey, signed_prekey. Deleted rows are overwritten
 * (secure_delete).
 */
#include "config.h"
#include "client/db/key.h"

#include <string.h>
#include "client/db/db-private.h"
#include "proto/arena.h"

bool
key_own_get(struct db *db, int64_t account, struct key_own *own_r)
{
	*own_r = (struct key_own){ 0 };
	sqlite3_stmt *row =
	    db_query(db, "SELECT device, registration, identity, private FROM own_device WHERE account = ?",
		     INT(account));
	if (!db_next(db, row))
		return false;
	bool whole =
	    sqlite3_column_bytes(row, 2) == IDENTITY_LEN && sqlite3_column_bytes(row, 3) == PRIVATE_LEN;
	if (whole) {
		own_r->device = (uint32_t)sqlite3_column_int64(row, 0);
		own_r->registration = (uint32_t)sqlite3_column_int64(row, 1);
		memcpy(own_r->identity, sqlite3_column_blob(row, 2), IDENTITY_LEN);
		memcpy(own_r->secret, sqlite3_column_blob(row, 3), PRIVATE_LEN);
	}
	db_done(row);
	return whole;
}

void
key_own_set(struct db *db, int64_t account, const struct key_own *own)
{
	db_run(
	    db,
	    "INSERT INTO own_device(account, device, registration, identity, private, next_prekey, "
	    "next_signed,"
	    " list_version, list_published, bundle_version, bundle_published) VALUES(?,?,?,?,?,1,1,1,0,1,0)",
	    INT(account), INT(own->device), INT(own->registration), BLOB(own->identity, IDENTITY_LEN),
	    BLOB(own->secret, PRIVATE_LEN));
}

unsigned
key_due(struct db *db, int64_t account, enum key_node node)
{
	if (node == KEY_NODE_LIST)
		return (unsigned)db_number(
		    db, 0,
		    "SELECT list_version FROM own_device WHERE account = ? AND list_version > list_published",
		    INT(account));
	return (unsigned)db_number(
	    db, 0,
	    "SELECT bundle_version FROM own_device WHERE account = ? AND bundle_version > bundle_published",
	    INT(account));
}

void
key_changed(struct db *db, int64_t account, enum key_node node)
{
	if (node == KEY_NODE_LIST)
		db_run(db, "UPDATE own_device SET list_version = list_version + 1 WHERE account = ?",
		       INT(account));
	else
		db_run(db, "UPDATE own_device SET bundle_version = bundle_version + 1 WHERE account = ?",
		       INT(account));
}

void
key_published(struct db *db, int64_t account, enum key_node node, unsigned version)
{
	if (node == KEY_NODE_LIST)
		db_run(db,
		       "UPDATE own_device SET list_published = max(list_published, ?2) WHERE account = ?1",
		       INT(account), INT(version));
	else
		db_run(
		    db,
		    "UPDATE own_device SET bundle_published = max(bundle_published, ?2) WHERE account = ?1",
		    INT(account), INT(version));
}

uint32_t
key_next_id(struct db *db, int64_t account, bool is_signed)
{
	int64_t id =
	    is_signed
		? db_number(db, 1, "SELECT next_signed FROM own_device WHERE account = ?", INT(account))
		: db_number(db, 1, "SELECT next_prekey FROM own_device WHERE account = ?", INT(account));
	int64_t next = id % KEY_ID_MAX + 1;
	if (is_signed)
		db_run(db, "UPDATE own_device SET next_signed = ?2 WHERE account = ?1", INT(account),
		       INT(next));
	else
		db_run(db, "UPDATE own_device SET next_prekey = ?2 WHERE account = ?1", INT(account),
		       INT(next));
	return (uint32_t)id;
}

const void *
key_prekey_get(struct db *db, struct arena *arena, int64_t account, uint32_t id, size_t *len_r)
{
	const void *record = NULL;
	*len_r = 0;
	sqlite3_stmt *row =
	    db_query(db, "SELECT record FROM prekey WHERE account = ? AND id = ?", INT(account), INT(id));
	if (db_next(db, row)) {
		record = db_blob(arena, row, 0, len_r);
		db_done(row);
	}
	return record;
}

void
key_prekey_put(struct db *db, int64_t account, uint32_t id, enum prekey_state state, const void *record,
	       size_t len, int64_t now)
{
	db_run(db, "INSERT OR REPLACE INTO prekey(account, id, state, record, changed) VALUES(?,?,?,?,?)",
	       INT(account), INT(id), INT(state), BLOB(record, len), INT(now));
}

bool
key_prekey_use(struct db *db, int64_t account, uint32_t id, int64_t now)
{
	int64_t state = db_number(db, PREKEY_USED, "SELECT state FROM prekey WHERE account = ? AND id = ?",
				  INT(account), INT(id));
	if (state == PREKEY_USED)
		return false;
	key_prekey_set(db, account, id, PREKEY_USED, now);
	return state == PREKEY_PUBLISHED;
}

void
key_prekey_set(struct db *db, int64_t account, uint32_t id, enum prekey_state state, int64_t now)
{
	db_run(db, "UPDATE prekey SET state = ?3, changed = ?4 WHERE account = ?1 AND id = ?2", INT(account),
	       INT(id), INT(state), INT(now));
}

size_t
key_prekey_list(struct db *db, struct arena *arena, int64_t account, enum prekey_state state, size_t most,
		uint32_t **ids_r)
{
	size_t count = 0, room = 0;
	*ids_r = NULL;
	sqlite3_stmt *row =
	    db_query(db, "SELECT id FROM prekey WHERE account = ? AND state = ? ORDER BY id LIMIT ?",
		     INT(account), INT(state), INT((int64_t)most));
	while (db_next(db, row)) {
		uint32_t *id = db_list_add(arena, ids_r, &count, &room, sizeof **ids_r);
		*id = (uint32_t)sqlite3_column_int64(row, 0);
	}
	return count;
}

int64_t
key_prekey_count(struct db *db, int64_t account, enum prekey_state state)
{
	return db_number(db, 0, "SELECT count(*) FROM prekey WHERE account = ? AND state = ?", INT(account),
			 INT(state));
}

void
key_prekey_forget(struct db *db, int64_t account, int64_t used_before)
{
	db_run(db, "DELETE FROM prekey WHERE account = ? AND state = ? AND changed < ?", INT(account),
	       INT(PREKEY_USED), INT(used_before));
}

const void *
key_signed_get(struct db *db, struct arena *arena, int64_t account, uint32_t id, size_t *len_r)
{
	const void *record = NULL;
	*len_r = 0;
	sqlite3_stmt *row = db_query(db, "SELECT record FROM signed_prekey WHERE account = ? AND id = ?",
				     INT(account), INT(id));
	if (db_next(db, row)) {
		record = db_blob(arena, row, 0, len_r);
		db_done(row);
	}
	return record;
}

void
key_signed_put(struct db *db, int64_t account, uint32_t id, const void *record, size_t len, int64_t now)
{
	db_run(db, "INSERT OR REPLACE INTO signed_prekey(account, id, record, created) VALUES(?,?,?,?)",
	       INT(account), INT(id), BLOB(record, len), INT(now));
}

uint32_t
key_signed_newest(struct db *db, int64_t account, int64_t *created_r)
{
	uint32_t id = 0;
	*created_r = 0;
	sqlite3_stmt *row = db_query(
	    db,
	    "SELECT id, created FROM signed_prekey WHERE account = ? ORDER BY created DESC, id DESC LIMIT 1",
	    INT(account));
	if (db_next(db, row)) {
		id = (uint32_t)sqlite3_column_int64(row, 0);
		*created_r = sqlite3_column_int64(row, 1);
		db_done(row);
	}
	return id;
}

void
key_signed_forget(struct db *db, int64_t account, int64_t replaced_before)
{
	db_run(db,
	       "DELETE FROM signed_prekey WHERE account = ?1 AND EXISTS(SELECT 1 FROM signed_prekey s"
	       " WHERE s.account = ?1 AND s.created < ?2"
	       " AND (s.created, s.id) > (signed_prekey.created, signed_prekey.id))",
	       INT(account), INT(replaced_before));
}
