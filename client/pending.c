/*
 * pending.c -- ciphertext that could not be read: kept with its reason and a deadline, and tried again when
 * keys, trust or missing messages came. Nothing is thrown away before its time.
 */
#include "config.h"
#include "client/inbox.h"

#include <string.h>
#include "client/db/db.h"
#include "client/db/spool.h"
#include "client/inbox-private.h"
#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/digest.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "proto/xmlin.h"
#include "proto/xmlout.h"

#define DAY ((int64_t)24 * 60 * 60 * 1000)

enum {
	RETRY_BATCH = 50, /* messages of up to 256 KiB in memory at a time */
	TRIES_MOST = 10,  /* then only when something of that person's came, or a gap may have been filled */
};

static void
digest_of(const struct xml *encrypted, uint8_t out[static SHA256_LEN])
{
	struct buf bytes = { 0 };
	xmlout(&bytes, encrypted, NULL);
	digest(DIGEST_SHA256, bytes.data, bytes.len, out);
	buf_free(&bytes);
}

void
pending_file(struct db *db, struct arena *arena, int64_t account, const struct letter *letter,
	     const struct xml *encrypted, const struct omemo_message *message, struct inbox_result *result_r)
{
	uint8_t hash[SHA256_LEN];
	struct buf stanza = { 0 };
	(void)arena;
	/* a key transport has nothing to show and is of no use later; a supplement for other devices repeats
	 * what we have */
	bool transport =
	    !xml_find(encrypted, "payload", NS_OMEMO) && message->unreadable != UNREADABLE_MALFORMED;
	bool supplement = letter->same_as[0] != '\0' && message->unreadable == UNREADABLE_NOT_FOR_US;
	if (transport || supplement) {
		result_r->outcome = INBOX_NOTHING;
		return;
	}
	digest_of(encrypted, hash);
	int64_t known = pending_message(db, account, letter->peer, hash);
	if (known) {
		*result_r =
		    (struct inbox_result){ INBOX_DUPLICATE, known, message->unreadable, letter->peer };
		return;
	}
	struct message row = letter_row(account, letter);
	row.markable = false; /* nobody will have seen it */
	row.encrypted = true;
	row.device = message->device;
	row.unreadable = message->unreadable;
	int64_t shown = history_add(db, &row);
	xmlout(&stanza, letter->message, NULL);
	const struct pending_row pending = {
		.peer = letter->peer,
		.device = message->device,
		.digest = hash,
		.stanza = stanza.data,
		.stanza_len = stanza.len,
		.way = (int)letter->way,
		.stanza_id = letter->stanza_id,
		.delay = letter->time,
		.reason = (int)message->unreadable,
		.message = shown,
		.received = letter->now,
		.deadline = letter->now + omemo_keep(db, account).late * DAY,
	};
	pending_add(db, account, &pending);
	buf_free(&stanza);
	*result_r = (struct inbox_result){ INBOX_UNREADABLE, shown, message->unreadable, letter->peer };
}

void
pending_settle(struct db *db, int64_t account, int64_t message)
{
	struct arena *arena = arena_new();
	struct message row;
	if (message && history_get(db, arena, message, &row) && row.account == account &&
	    row.unreadable != READABLE) {
		pending_delete_message(db, message);
		history_delete(db, message);
	}
	arena_free(&arena);
}

/* Time does not mend what was never for us, or is no OMEMO message. `asked`: there is a reason to try this
 * person's. */
static bool
worth_trying(const struct pending_row *row, bool asked)
{
	if (row->reason == UNREADABLE_NOT_FOR_US || row->reason == UNREADABLE_MALFORMED)
		return false;
	return asked || row->reason == UNREADABLE_GAP || row->tries < TRIES_MOST;
}

/* The row out of the way, take it as if it came now; still unreadable: as if nothing had been done. */
static bool
retry_one(struct db *db, struct omemo *omemo, int64_t account, const struct pending_row *row, int64_t now)
{
	struct arena *arena = arena_new();
	enum stream_error error;
	struct inbox_result result = { .outcome = INBOX_UNREADABLE };
	struct xml *message = xmlin_parse(arena, row->stanza, row->stanza_len, &xmlin_limits_stored, &error);
	const struct inbox_meta meta = {
		.way = (enum way)row->way,
		.stanza_id = row->stanza_id,
		.delay = row->delay,
		.now = now,
	};
	db_begin(db);
	if (message) {
		pending_delete(db, row->id);
		history_delete(db, row->message);
		struct inbox *inbox = inbox_begin(db, omemo, account);
		inbox_take(inbox, arena, message, &meta, &result);
		inbox_end(&inbox, NULL);
	}
	/* from someone who is blocked now it goes on waiting: a block may be lifted */
	bool readable = message && result.outcome != INBOX_UNREADABLE && result.outcome != INBOX_BLOCKED;
	if (readable)
		db_commit(db, NULL);
	else
		db_rollback(db);
	if (!readable)
		pending_tried(db, row->id, result.unreadable ? (int)result.unreadable : row->reason);
	arena_free(&arena);
	return readable;
}

size_t
inbox_retry(struct db *db, struct omemo *omemo, int64_t account, const char *jid, int64_t now)
{
	size_t readable = 0, count = RETRY_BATCH;
	int64_t after = 0;
	while (count == RETRY_BATCH) {
		struct arena *arena = arena_new();
		struct pending_row *rows;
		size_t now_readable = 0;
		db_begin(db);
		count = pending_list(db, arena, account, jid, after, RETRY_BATCH, &rows);
		for (size_t i = 0; i < count; i++) {
			after = rows[i].id;
			if (worth_trying(&rows[i], jid))
				now_readable += retry_one(db, omemo, account, &rows[i], now);
		}
		readable += db_commit(db, NULL) ? now_readable : 0;
		arena_free(&arena);
	}
	db_begin(db); /* after the last try */
	pending_expire(db, account, omemo_agreed_time(db, account, now));
	db_commit(db, NULL);
	return readable;
}
