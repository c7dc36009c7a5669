/*
 * spool.c -- rows that wait: tables outbox, outbox_target, pending_decrypt.
 */
#include "config.h"
#include "client/db/spool.h"

#include "client/db/db-private.h"
#include "proto/arena.h"
#include "proto/digest.h"

#define COLUMNS "id, kind, message, recipient, origin_id, state, reason, flags, created, last, tries"

int64_t
spool_add(struct db *db, int64_t account, const struct spool_row *row)
{
	db_run(db,
	       "INSERT INTO outbox(account, kind, message, recipient, origin_id, state, reason, flags, "
	       "created, stanza)"
	       " VALUES(?,?,?,?,?,?,?,?,?,?)",
	       INT(account), INT(row->kind), INT(row->message), TEXT(row->to), TEXT(row->origin_id),
	       INT(row->state), TEXT(row->reason ? row->reason : ""), INT(row->flags), INT(row->created),
	       BLOB(row->stanza, row->stanza_len));
	return db_error(db) ? 0 : db_last_id(db);
}

static struct spool_row
spool_row(struct arena *arena, sqlite3_stmt *row, bool stanza)
{
	struct spool_row spool = {
		.id = sqlite3_column_int64(row, 0),
		.kind = sqlite3_column_int(row, 1),
		.message = sqlite3_column_int64(row, 2),
		.to = db_text(arena, row, 3),
		.origin_id = db_text(arena, row, 4),
		.state = sqlite3_column_int(row, 5),
		.reason = db_text(arena, row, 6),
		.flags = (unsigned)sqlite3_column_int64(row, 7),
		.created = sqlite3_column_int64(row, 8),
		.last = sqlite3_column_int64(row, 9),
		.tries = sqlite3_column_int64(row, 10),
	};
	if (stanza && sqlite3_column_type(row, 11) != SQLITE_NULL)
		spool.stanza = db_blob(arena, row, 11, &spool.stanza_len);
	return spool;
}

bool
spool_get(struct db *db, struct arena *arena, int64_t account, int64_t id, struct spool_row *row_r)
{
	*row_r = (struct spool_row){ 0 };
	sqlite3_stmt *row = db_query(
	    db, "SELECT " COLUMNS ", stanza FROM outbox WHERE account = ? AND id = ?", INT(account), INT(id));
	if (!db_next(db, row))
		return false;
	*row_r = spool_row(arena, row, true);
	db_done(row);
	return true;
}

bool
spool_find(struct db *db, struct arena *arena, int64_t id, struct spool_row *row_r)
{
	*row_r = (struct spool_row){ 0 };
	sqlite3_stmt *row = db_query(db, "SELECT " COLUMNS " FROM outbox WHERE id = ?", INT(id));
	if (!db_next(db, row))
		return false;
	*row_r = spool_row(arena, row, false);
	db_done(row);
	return true;
}

bool
spool_first(struct db *db, struct arena *arena, int64_t account, int state, int64_t after,
	    struct spool_row *row_r)
{
	*row_r = (struct spool_row){ 0 };
	sqlite3_stmt *row =
	    db_query(db,
		     "SELECT " COLUMNS
		     ", stanza FROM outbox WHERE account = ? AND state = ? AND id > ? ORDER BY id LIMIT 1",
		     INT(account), INT(state), INT(after));
	if (!db_next(db, row))
		return false;
	*row_r = spool_row(arena, row, true);
	db_done(row);
	return true;
}

static size_t
spool_rows(struct db *db, struct arena *arena, sqlite3_stmt *row, struct spool_row **list_r)
{
	size_t count = 0, room = 0;
	*list_r = NULL;
	while (db_next(db, row))
		*(struct spool_row *)db_list_add(arena, list_r, &count, &room, sizeof **list_r) =
		    spool_row(arena, row, false);
	return count;
}

size_t
spool_list(struct db *db, struct arena *arena, int64_t account, const char *to, struct spool_row **list_r)
{
	return spool_rows(
	    db, arena,
	    db_query(db,
		     "SELECT " COLUMNS
		     " FROM outbox WHERE account = ?1 AND (?2 IS NULL OR recipient = ?2) ORDER BY id",
		     INT(account), TEXT(to)),
	    list_r);
}

size_t
spool_list_state(struct db *db, struct arena *arena, int64_t account, int state, struct spool_row **list_r)
{
	return spool_rows(
	    db, arena,
	    db_query(db, "SELECT " COLUMNS " FROM outbox WHERE account = ? AND state = ? ORDER BY id",
		     INT(account), INT(state)),
	    list_r);
}

int64_t
spool_by_origin(struct db *db, int64_t account, const char *to, const char *origin_id)
{
	return db_number(db, 0, "SELECT id FROM outbox WHERE account = ? AND origin_id = ? AND recipient = ?",
			 INT(account), TEXT(origin_id), TEXT(to));
}

void
spool_set_state(struct db *db, int64_t id, int state, const char *reason)
{
	db_run(db, "UPDATE outbox SET state = ?2, reason = ?3 WHERE id = ?1", INT(id), INT(state),
	       TEXT(reason));
}

void
spool_set_stanza(struct db *db, int64_t id, const char *stanza, size_t len, int state)
{
	db_run(db, "UPDATE outbox SET stanza = ?2, state = ?3, reason = '' WHERE id = ?1", INT(id),
	       BLOB(stanza, len), INT(state));
}

void
spool_tried(struct db *db, int64_t id, int state, int64_t now)
{
	db_run(db, "UPDATE outbox SET state = ?2, last = ?3, tries = tries + 1 WHERE id = ?1", INT(id),
	       INT(state), INT(now));
}

void
spool_move(struct db *db, int64_t account, int from, int to)
{
	db_run(db, "UPDATE outbox SET state = ?3 WHERE account = ?1 AND state = ?2", INT(account), INT(from),
	       INT(to));
}

void
spool_delete(struct db *db, int64_t id)
{
	db_run(db, "DELETE FROM outbox WHERE id = ?", INT(id));
}

void
spool_delete_message(struct db *db, int64_t message)
{
	db_run(db, "DELETE FROM outbox WHERE message = ? AND message <> 0", INT(message));
	target_clear(db, message);
}

void
target_add(struct db *db, int64_t message, const char *jid, uint32_t device)
{
	db_run(db, "INSERT INTO outbox_target(message, jid, device) VALUES(?,?,?) ON CONFLICT DO NOTHING",
	       INT(message), TEXT(jid), INT(device));
}

void
target_remove(struct db *db, int64_t message, const char *jid, uint32_t device)
{
	db_run(db, "DELETE FROM outbox_target WHERE message = ? AND jid = ? AND device = ?", INT(message),
	       TEXT(jid), INT(device));
}

void
target_clear(struct db *db, int64_t message)
{
	db_run(db, "DELETE FROM outbox_target WHERE message = ?", INT(message));
}

bool
target_has(struct db *db, int64_t message, const char *jid, uint32_t device)
{
	return db_number(db, 0, "SELECT 1 FROM outbox_target WHERE message = ? AND jid = ? AND device = ?",
			 INT(message), TEXT(jid), INT(device));
}

bool
pending_add(struct db *db, int64_t account, const struct pending_row *row)
{
	db_run(db,
	       "INSERT INTO pending_decrypt(account, peer, device, digest, stanza, way, stanza_id, delay, "
	       "reason, message,"
	       " received, deadline) VALUES(?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING",
	       INT(account), TEXT(row->peer), INT(row->device), BLOB(row->digest, SHA256_LEN),
	       BLOB(row->stanza, row->stanza_len), INT(row->way), TEXT(row->stanza_id), INT(row->delay),
	       INT(row->reason), INT(row->message), INT(row->received), INT(row->deadline));
	return db_changes(db) > 0;
}

int64_t
pending_message(struct db *db, int64_t account, const char *peer, const void *digest)
{
	return db_number(db, 0,
			 "SELECT message FROM pending_decrypt WHERE account = ? AND peer = ? AND digest = ?",
			 INT(account), TEXT(peer), BLOB(digest, SHA256_LEN));
}

size_t
pending_list(struct db *db, struct arena *arena, int64_t account, const char *peer, int64_t after,
	     size_t most, struct pending_row **list_r)
{
	size_t count = 0, room = 0;
	*list_r = NULL;
	sqlite3_stmt *row = db_query(db,
				     "SELECT id, peer, device, digest, stanza, way, stanza_id, delay, "
				     "reason, message, received, deadline, tries"
				     " FROM pending_decrypt WHERE account = ?1 AND (?2 IS NULL OR peer = ?2) "
				     "AND id > ?3 ORDER BY id LIMIT ?4",
				     INT(account), TEXT(peer), INT(after), INT((int64_t)most));
	while (db_next(db, row)) {
		struct pending_row *pending = db_list_add(arena, list_r, &count, &room, sizeof **list_r);
		size_t digest_bytes;
		*pending = (struct pending_row){
			.id = sqlite3_column_int64(row, 0),
			.peer = db_text(arena, row, 1),
			.device = (uint32_t)sqlite3_column_int64(row, 2),
			.digest = db_blob(arena, row, 3, &digest_bytes),
			.way = sqlite3_column_int(row, 5),
			.stanza_id = db_text(arena, row, 6),
			.delay = sqlite3_column_int64(row, 7),
			.reason = sqlite3_column_int(row, 8),
			.message = sqlite3_column_int64(row, 9),
			.received = sqlite3_column_int64(row, 10),
			.deadline = sqlite3_column_int64(row, 11),
			.tries = sqlite3_column_int64(row, 12),
		};
		pending->stanza = db_blob(arena, row, 4, &pending->stanza_len);
	}
	return count;
}

void
pending_tried(struct db *db, int64_t id, int reason)
{
	db_run(db, "UPDATE pending_decrypt SET tries = tries + 1, reason = ?2 WHERE id = ?1", INT(id),
	       INT(reason));
}

void
pending_delete(struct db *db, int64_t id)
{
	db_run(db, "DELETE FROM pending_decrypt WHERE id = ?", INT(id));
}

void
pending_delete_message(struct db *db, int64_t message)
{
	db_run(db, "DELETE FROM pending_decrypt WHERE message = ?", INT(message));
}

void
pending_expire(struct db *db, int64_t account, int64_t now)
{
	db_run(db, "DELETE FROM pending_decrypt WHERE account = ? AND deadline < ?", INT(account), INT(now));
}
