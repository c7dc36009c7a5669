/*
 * history.c -- every message, in the order this home came to know it: tables message and words (full text).
 */
#include "config.h"
#include "client/db/history.h"

#include <string.h>
#include "client/db/account.h"
#include "client/db/db-private.h"
#include "proto/arena.h"
#include "proto/buf.h"

#define COLUMNS                                                                                              \
	"id, account, peer, sender, time, received, origin_id, stanza_id, body, way, encrypted, trust, "     \
	"device,"                                                                                            \
	" unreadable, sent, reason, markable"

enum { LIST_MOST = 1000 };

const char *
unreadable_word(enum unreadable reason)
{
	static const char *const words[UNREADABLES] = {
		[READABLE] = "",
		[UNREADABLE_NOT_FOR_US] = "not-for-this-device",
		[UNREADABLE_NO_SESSION] = "no-session",
		[UNREADABLE_KEY_GONE] = "key-gone",
		[UNREADABLE_GAP] = "gap",
		[UNREADABLE_BAD] = "tampered",
		[UNREADABLE_MALFORMED] = "malformed",
		[UNREADABLE_CHANGED_KEY] = "changed-key",
		[UNREADABLE_NOT_OMEMO] = "unknown-encryption",
	};
	return reason < UNREADABLES ? words[reason] : "";
}

const char *
sent_word(enum sent state)
{
	static const char *const words[SENTS] = {
		[SENT_NOT] = "",
		[SENT_WAITING] = "waiting",
		[SENT_READY] = "ready",
		[SENT_SENT] = "sent",
		[SENT_ACCEPTED] = "accepted",
		[SENT_DELIVERED] = "delivered",
		[SENT_DISPLAYED] = "displayed",
		[SENT_REFUSED] = "refused",
		[SENT_CANCELLED] = "cancelled",
	};
	return state < SENTS ? words[state] : "";
}

const char *
way_word(enum way way)
{
	static const char *const words[] = {
		[WAY_LIVE] = "live",
		[WAY_ARCHIVE] = "archive",
		[WAY_BUNDLE] = "bundle",
		[WAY_FILE] = "file",
	};
	return way <= WAY_FILE ? words[way] : "";
}

/* An id that is not there is NULL in the table: the partial indexes leave it out. */
static const char *
text_or_null(const char *text)
{
	return text && text[0] != '\0' ? text : NULL;
}

/* Rows of a SAVEPOINT that was undone are not there any more. */
static void
index_words(struct db *db, int64_t from)
{
	db_run(db, "INSERT INTO words(rowid, body) SELECT id, body FROM message WHERE id >= ? AND body <> ''", INT(from));
}

int64_t
history_add(struct db *db, const struct message *m)
{
	db_run(db,
	       "INSERT INTO message(account, peer, sender, time, received, origin_id, stanza_id, body, way, "
	       "encrypted,"
	       " trust, device, unreadable, sent, reason, markable) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
	       INT(m->account), TEXT(m->peer), TEXT(m->from), INT(m->time), INT(m->received),
	       TEXT(text_or_null(m->origin_id)), TEXT(text_or_null(m->stanza_id)),
	       TEXT(m->body ? m->body : ""), INT(m->way), INT(m->encrypted), INT(m->trust), INT(m->device),
	       INT(m->unreadable), INT(m->sent), TEXT(m->reason ? m->reason : ""), INT(m->markable));
	int64_t id = db_error(db) ? 0 : db_last_id(db);
	if (m->body && m->body[0] != '\0')
		db_index_later(db, id, index_words);
	return id;
}

void
history_delete(struct db *db, int64_t id)
{
	/* FTS5 with external content: told what goes, by what it was (sqlite.org/fts5.html, 4.4.3) */
	if (id < db_indexed_below(db))
		db_run(db,
		       "INSERT INTO words(words, rowid, body) SELECT 'delete', id, body FROM message WHERE id = ? "
		       "AND body <> ''",
		       INT(id));
	db_run(db, "DELETE FROM message WHERE id = ?", INT(id));
}

void
history_set_sent(struct db *db, int64_t id, enum sent state, const char *reason)
{
	db_run(db, "UPDATE message SET sent = ?2, reason = ?3 WHERE id = ?1", INT(id), INT(state),
	       TEXT(reason ? reason : ""));
}

void
history_set_stage(struct db *db, int64_t id, enum sent state, int64_t time, bool sure)
{
	if (sure)
		db_run(db, "INSERT OR REPLACE INTO stage(message, state, time) VALUES(?, ?, ?)", INT(id), INT(state),
		       INT(time));
	else
		db_run(db, "INSERT OR IGNORE INTO stage(message, state, time) VALUES(?, ?, ?)", INT(id), INT(state),
		       INT(time));
}

size_t
history_stages(struct db *db, struct arena *arena, int64_t id, struct stage **list_r)
{
	sqlite3_stmt *row = db_query(db, "SELECT state, time FROM stage WHERE message = ? ORDER BY state", INT(id));
	size_t count = 0, room = 0;
	*list_r = NULL;
	while (db_next(db, row)) {
		struct stage *stage = db_list_add(arena, list_r, &count, &room, sizeof **list_r);
		stage->state = (enum sent)sqlite3_column_int(row, 0);
		stage->time = sqlite3_column_int64(row, 1);
	}
	return count;
}

void
history_set_encrypted(struct db *db, int64_t id, uint32_t device)
{
	db_run(db, "UPDATE message SET encrypted = 1, device = ?2, trust = ?3 WHERE id = ?1", INT(id),
	       INT(device), INT(TRUST_VERIFIED));
}

void
history_set_stanza_id(struct db *db, int64_t id, const char *stanza_id)
{
	db_run(db, "UPDATE message SET stanza_id = ?2 WHERE id = ?1 AND stanza_id IS NULL", INT(id),
	       TEXT(text_or_null(stanza_id)));
}

static struct message
history_row(struct arena *arena, sqlite3_stmt *row)
{
	return (struct message){
		.id = sqlite3_column_int64(row, 0),
		.account = sqlite3_column_int64(row, 1),
		.peer = db_text(arena, row, 2),
		.from = db_text(arena, row, 3),
		.time = sqlite3_column_int64(row, 4),
		.received = sqlite3_column_int64(row, 5),
		.origin_id = db_text(arena, row, 6),
		.stanza_id = db_text(arena, row, 7),
		.body = db_text(arena, row, 8),
		.way = (enum way)sqlite3_column_int(row, 9),
		.encrypted = sqlite3_column_int(row, 10),
		.trust = (enum trust)sqlite3_column_int(row, 11),
		.device = (uint32_t)sqlite3_column_int64(row, 12),
		.unreadable = (enum unreadable)sqlite3_column_int(row, 13),
		.sent = (enum sent)sqlite3_column_int(row, 14),
		.reason = db_text(arena, row, 15),
		.markable = sqlite3_column_int(row, 16),
	};
}

bool
history_get(struct db *db, struct arena *arena, int64_t id, struct message *message_r)
{
	*message_r = (struct message){ 0 };
	sqlite3_stmt *row = db_query(db, "SELECT " COLUMNS " FROM message WHERE id = ?", INT(id));
	if (!db_next(db, row))
		return false;
	*message_r = history_row(arena, row);
	db_done(row);
	return true;
}

int64_t
history_same(struct db *db, int64_t account, const char *peer, const char *from, const char *origin_id,
	     const char *stanza_id, const char *body)
{
	int64_t same = 0;
	if (text_or_null(origin_id))
		same = db_number(
		    db, 0,
		    "SELECT id FROM message WHERE account = ? AND origin_id = ? AND peer = ? AND sender = ?"
		    " AND body = ?",
		    INT(account), TEXT(origin_id), TEXT(peer), TEXT(from), TEXT(body));
	if (!same && text_or_null(stanza_id))
		same = db_number(
		    db, 0,
		    "SELECT id FROM message WHERE account = ? AND stanza_id = ? AND peer = ? AND sender = ?"
		    " AND body = ?",
		    INT(account), TEXT(stanza_id), TEXT(peer), TEXT(from), TEXT(body));
	return same;
}

int64_t
history_by_origin(struct db *db, int64_t account, const char *peer, const char *from, const char *origin_id)
{
	if (!text_or_null(origin_id))
		return 0;
	return db_number(
	    db, 0, "SELECT id FROM message WHERE account = ? AND origin_id = ? AND peer = ? AND sender = ?",
	    INT(account), TEXT(origin_id), TEXT(peer), TEXT(from));
}

/* What a person typed, as an FTS5 query: each word quoted, its last letters open; no operator gets through.
 */
static const char *
words_query(struct arena *arena, const char *typed)
{
	struct buf query = { 0 };
	while (*typed) {
		size_t space = strspn(typed, " \t\r\n\"");
		size_t word = strcspn(typed + space, " \t\r\n\"");
		if (word > 0) {
			buf_adds(&query, "\"");
			buf_add(&query, typed + space, word);
			buf_adds(&query, "\"* ");
		}
		typed += space + word;
	}
	const char *text = arena_strndup(arena, query.len ? query.data : "", query.len);
	buf_free(&query);
	return text;
}

/* One conversation goes by its index, everything by id. */
#define LIST_SQL(scope, order)                                                                               \
	"SELECT " COLUMNS " FROM message WHERE " scope                                                       \
	" AND id > ?3 AND id < ?4 AND (?5 = 0 OR ?5 = 1 + (sent <> 0))"                                      \
	" AND (?6 IS NULL OR id IN (SELECT rowid FROM words WHERE words MATCH ?6)) ORDER BY id " order       \
	" LIMIT ?7"
#define SCOPE_PEER "account = ?1 AND peer = ?2"
#define SCOPE_ALL  "(?1 = 0 OR account = ?1) AND (?2 IS NULL OR peer = ?2)"

static const char *
list_sql(const struct history_query *query)
{
	static const char peer[] = LIST_SQL(SCOPE_PEER, ""), peer_newest[] = LIST_SQL(SCOPE_PEER, "DESC");
	static const char all[] = LIST_SQL(SCOPE_ALL, ""), all_newest[] = LIST_SQL(SCOPE_ALL, "DESC");
	if (query->account && query->peer)
		return query->newest ? peer_newest : peer;
	return query->newest ? all_newest : all;
}

size_t
history_list(struct db *db, struct arena *arena, const struct history_query *query, struct message **list_r)
{
	size_t count = 0, room = 0;
	const char *words = query->words ? words_query(arena, query->words) : NULL;
	*list_r = NULL;
	if (words && words[0] == '\0')
		return 0;
	sqlite3_stmt *row = db_query(db, list_sql(query), INT(query->account), TEXT(query->peer),
				     INT(query->since), INT(query->before ? query->before : INT64_MAX),
				     INT(query->sent_only       ? 2
					 : query->received_only ? 1
								: 0),
				     TEXT(words), INT(query->limit ? (int64_t)query->limit : LIST_MOST));
	while (db_next(db, row))
		*(struct message *)db_list_add(arena, list_r, &count, &room, sizeof **list_r) =
		    history_row(arena, row);
	for (size_t i = 0; query->newest && i < count / 2; i++) {
		struct message other = (*list_r)[i];
		(*list_r)[i] = (*list_r)[count - 1 - i];
		(*list_r)[count - 1 - i] = other;
	}
	return count;
}

int64_t
history_cursor(struct db *db, int64_t account)
{
	return account_get_int(db, account, "read.cursor", 0);
}

void
history_set_cursor(struct db *db, int64_t account, int64_t id)
{
	if (id > history_cursor(db, account))
		account_set_int(db, account, "read.cursor", id);
}

int64_t
history_unread(struct db *db, int64_t account)
{
	return db_number(
	    db, 0, "SELECT count(*) FROM message WHERE (?1 = 0 OR account = ?1) AND id > ?2 AND sent = 0",
	    INT(account), INT(history_cursor(db, account)));
}
