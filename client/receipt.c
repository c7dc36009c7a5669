/*
 * receipt.c -- receipts and markers (XEP-0184 1.4, XEP-0333 0.4): theirs settle our messages, ours go out by
 * the outbox, as do the empty OMEMO messages that complete a session.
 */
#include "config.h"
#include "client/outbox.h"

#include "client/db/account.h"
#include "client/db/db.h"
#include "client/db/spool.h"
#include "client/outstanza.h"
#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/digest.h"

/* The message that a receipt names: by its own origin-id or by a supplement's. 0: none of ours. */
static int64_t
receipt_message(struct db *db, struct arena *arena, int64_t account, const char *from, const char *origin_id)
{
	struct account own;
	struct spool_row row;
	if (!account_by_id(db, arena, account, &own))
		return 0;
	int64_t message = history_by_origin(db, account, from, own.jid, origin_id);
	if (message)
		return message;
	int64_t id = spool_by_origin(db, account, from, origin_id);
	return id && spool_find(db, arena, id, &row) && row.kind == OUTBOX_SUPPLEMENT ? row.message : 0;
}

/* In a transaction. Never backwards, and never what did not leave yet. Only the recipient's own word ends what the
 * outbox keeps: the relay's "delivered" does not say that the device could read it, and a supplement may be due. */
static void
move_on(struct db *db, struct arena *arena, int64_t id, enum sent state, int64_t time, bool relay)
{
	struct message message;

	if (!history_get(db, arena, id, &message) || message.sent < SENT_READY || message.sent > SENT_DISPLAYED)
		return;
	history_set_stage(db, id, state, time, relay);
	if (message.sent < state)
		history_set_sent(db, id, state, "");
	if (state == SENT_DISPLAYED || (state == SENT_DELIVERED && !relay))
		spool_delete_message(db, id);
}

static void
note(struct db *db, int64_t account, const char *peer, const char *origin_id, enum sent state, int64_t time,
     bool relay)
{
	struct arena *arena = arena_new();
	db_begin(db);
	int64_t id = receipt_message(db, arena, account, peer, origin_id);
	if (id)
		move_on(db, arena, id, state, time, relay);
	arena_free(&arena);
	db_commit(db, NULL);
}

void
outbox_receipt(struct db *db, int64_t account, const char *from, const char *origin_id, enum sent state,
	       int64_t now)
{
	note(db, account, from, origin_id, state, now, false);
}

void
outbox_told(struct db *db, int64_t account, const char *to, const char *origin_id, enum sent state, int64_t time)
{
	int64_t item = state == SENT_ACCEPTED ? outbox_by_origin(db, account, to, origin_id) : 0;

	db_begin(db);
	if (item != 0) /* the outbox has a state of its own until it is delivered */
		outbox_accepted(db, &item, 1, time);
	note(db, account, to, origin_id, state, time, true);
	db_commit(db, NULL);
}

/* A row that is ready at once and stands for no message. */
static void
add_ready(struct db *db, int64_t account, enum outbox_kind kind, const char *to, const char *id,
	  struct buf *stanza, int64_t now)
{
	const struct spool_row row = {
		.kind = (int)kind,
		.to = to,
		.origin_id = id,
		.state = SENT_READY,
		.created = now,
		.stanza = stanza->data,
		.stanza_len = stanza->len,
	};
	spool_add(db, account, &row);
	buf_free(stanza);
}

void
outbox_add_receipt(struct db *db, int64_t account, const char *to, const char *id, int64_t now)
{
	struct arena *arena = arena_new();
	struct buf stanza = { 0 };
	char own_id[ID_LEN + 1];
	random_id(own_id);
	outstanza_receipt(&stanza, arena, to, own_id, id);
	db_begin(db);
	add_ready(db, account, OUTBOX_RECEIPT, to, own_id, &stanza, now);
	db_commit(db, NULL);
	arena_free(&arena);
}

void
outbox_add_displayed(struct db *db, int64_t account, int64_t message, int64_t now)
{
	struct arena *arena = arena_new();
	struct buf stanza = { 0 };
	struct message row;
	char own_id[ID_LEN + 1];
	if (history_get(db, arena, message, &row) && row.markable && row.sent == SENT_NOT &&
	    row.origin_id[0] != '\0') {
		random_id(own_id);
		outstanza_displayed(&stanza, arena, row.peer, own_id, row.origin_id);
		db_begin(db);
		add_ready(db, account, OUTBOX_MARKER, row.peer, own_id, &stanza, now);
		db_commit(db, NULL);
	}
	arena_free(&arena);
}

enum omemo_ready
outbox_add_empty(struct db *db, struct omemo *omemo, int64_t account, const char *to, uint32_t device,
		 int64_t now)
{
	struct arena *arena = arena_new();
	struct buf stanza = { 0 };
	const struct omemo_target only = { .jid = to, .device = device };
	struct omemo_target *targets;
	struct xml *encrypted;
	size_t count;
	char own_id[ID_LEN + 1];
	random_id(own_id);
	db_begin(db);
	enum omemo_ready ready =
	    omemo_encrypt(omemo, arena, to, NULL, &only, 1, now, &encrypted, &targets, &count);
	if (ready == OMEMO_READY) {
		outstanza_empty(&stanza, arena, to, own_id, encrypted);
		add_ready(db, account, OUTBOX_EMPTY, to, own_id, &stanza, now);
		db_commit(db, NULL);
	} else {
		db_rollback(db);
	}
	arena_free(&arena);
	return ready;
}
