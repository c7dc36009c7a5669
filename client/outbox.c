/*
 * outbox.c -- what was written here: kept, sent, settled. States and arrows: outbox.h.
 *
 * The history row of a message mirrors its state (message_state() is the only writer of both); the outbox row
 * goes when the message is delivered, the history row never does.
 */
#include "config.h"
#include "client/outbox.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "client/db/account.h"
#include "client/db/contact.h"
#include "client/db/db.h"
#include "client/db/spool.h"
#include "client/omemo/payload.h"
#include "client/outbox-private.h"
#include "client/outstanza.h"
#include "proto/arena.h"
#include "proto/digest.h"
#include "proto/mem.h"

/* The one writer of a message's state, in both tables. */
static void
message_state(struct db *db, const struct spool_row *row, enum sent state, const char *reason)
{
	spool_set_state(db, row->id, state, reason);
	if (row->kind == OUTBOX_MESSAGE)
		history_set_sent(db, row->message, state, reason);
}

static bool
is_blank(const char *text)
{
	return text[strspn(text, " \t\r\n")] == '\0';
}

static enum outbox_result
text_check(const char *text)
{
	if (is_blank(text))
		return OUTBOX_EMPTY_TEXT;
	if (strlen(text) > OUTBOX_TEXT_MAX)
		return OUTBOX_TOO_LONG;
	return payload_is_text(text) ? OUTBOX_READY : OUTBOX_NOT_TEXT;
}

bool
outbox_write(struct db *db, struct omemo *omemo, struct arena *arena, int64_t account,
	     const struct spool_row *row, const char *text, int64_t now, enum omemo_ready *ready_r)
{
	struct buf stanza = { 0 };
	struct xml *encrypted;
	struct omemo_target *targets;
	struct device *devices;
	size_t count;
	db_begin(db);
	*ready_r = omemo_encrypt(omemo, arena, row->to, text, NULL, 0, now, &encrypted, &targets, &count);
	/* in clear: asked for, and nobody ever saw an OMEMO device of theirs (a list that was emptied does
	 * not count) */
	bool clear = *ready_r == OMEMO_NO_DEVICES && (row->flags & OUTBOX_PLAIN) &&
		     device_list(db, arena, account, row->to, &devices) == 0;
	if (clear) {
		outstanza_plain(&stanza, arena, row->to, row->origin_id, text);
	} else if (*ready_r == OMEMO_READY) {
		outstanza_encrypted(&stanza, arena, row->to, row->origin_id, encrypted, NULL);
		history_set_encrypted(db, row->message, omemo_device(omemo));
		for (size_t i = 0; i < count; i++)
			target_add(db, row->message, targets[i].jid, targets[i].device);
	} else {
		db_rollback(db);
		return false;
	}
	spool_set_stanza(db, row->id, stanza.data, stanza.len, SENT_READY);
	history_set_sent(db, row->message, SENT_READY, "");
	buf_free(&stanza);
	db_commit(db, NULL);
	return true;
}

/* History and outbox rows of a new message, waiting. */
static void
rows_add(struct db *db, struct omemo *omemo, int64_t account, struct spool_row *row, const char *text)
{
	const struct message message = {
		.account = account,
		.peer = row->to,
		.from = omemo_jid(omemo),
		.time = row->created,
		.received = row->created,
		.origin_id = row->origin_id,
		.body = text,
		.sent = SENT_WAITING,
		.reason = row->reason,
	};
	row->message = history_add(db, &message);
	row->id = spool_add(db, account, row);
}

/* In a transaction; the result when all goes well. */
static enum outbox_result
send_message(struct db *db, struct omemo *omemo, struct arena *arena, int64_t account, const char *to,
	     const char *text, unsigned flags, int64_t now, struct outbox_sent *sent_r)
{
	struct contact contact;
	char id[ID_LEN + 1];
	enum omemo_ready ready;
	contact_know(db, account, to, now);
	contact_get(db, arena, account, to, &contact);
	if (contact.blocked)
		return OUTBOX_BLOCKED;
	if (contact.plain)
		flags |= OUTBOX_PLAIN;
	outbox_serve_waiting(db, omemo, account, to, now); /* what waits for them goes before */
	ready = omemo_ready(omemo, to);
	sent_r->reason = omemo_ready_word(ready);
	if ((ready == OMEMO_CHANGED || ready == OMEMO_NO_TRUSTED) && !(flags & OUTBOX_WAIT))
		return OUTBOX_NOT_TRUSTED;
	random_id(id);
	struct spool_row row = {
		.kind = OUTBOX_MESSAGE,
		.to = to,
		.origin_id = arena_strdup(arena, id),
		.state = SENT_WAITING,
		.reason = sent_r->reason,
		.flags = flags,
		.created = now,
	};
	rows_add(db, omemo, account, &row, text);
	bool written = outbox_write(db, omemo, arena, account, &row, text, now, &ready);
	if (!written) {
		sent_r->reason = omemo_ready_word(ready);
		message_state(db, &row, SENT_WAITING, sent_r->reason);
	}
	sent_r->id = row.id;
	sent_r->message = row.message;
	sent_r->origin_id = row.origin_id;
	return written ? OUTBOX_READY : OUTBOX_WAITING;
}

void
outbox_send(struct db *db, struct omemo *omemo, struct arena *arena, int64_t account, const char *to,
	    const char *text, unsigned flags, int64_t now, struct outbox_sent *sent_r)
{
	char *error = NULL;
	*sent_r = (struct outbox_sent){ .origin_id = "", .reason = "" };
	sent_r->result = text_check(text);
	if (sent_r->result != OUTBOX_READY)
		return;
	db_begin(db);
	sent_r->result = send_message(db, omemo, arena, account, to, text, flags, now, sent_r);
	if (!db_commit(db, &error)) {
		*sent_r = (struct outbox_sent){ .result = OUTBOX_FAILED, .origin_id = "", .reason = "" };
		sent_r->error = error ? arena_strdup(arena, error) : "the transaction around failed";
		free(error);
	}
}

static struct outbox_item
item_of(struct db *db, struct arena *arena, const struct spool_row *row)
{
	struct message message;
	bool has_body = row->kind == OUTBOX_MESSAGE && history_get(db, arena, row->message, &message);
	return (struct outbox_item){
		.id = row->id,
		.kind = (enum outbox_kind)row->kind,
		.message = row->kind == OUTBOX_MESSAGE ? row->message : 0,
		.to = row->to,
		.origin_id = row->origin_id,
		.state = (enum sent)row->state,
		.reason = row->reason,
		.created = row->created,
		.last = row->last,
		.tries = row->tries,
		.body = has_body ? message.body : "",
		.stanza = row->stanza,
		.stanza_len = row->stanza_len,
	};
}

bool
outbox_next(struct db *db, struct arena *arena, int64_t account, int64_t after, struct outbox_item *item_r)
{
	struct spool_row row;
	*item_r = (struct outbox_item){ 0 };
	if (!spool_first(db, arena, account, SENT_READY, after, &row))
		return false;
	*item_r = item_of(db, arena, &row);
	return true;
}

bool
outbox_sent(struct db *db, int64_t id, int64_t now)
{
	struct arena *arena = arena_new();
	struct spool_row row;
	db_begin(db);
	if (spool_find(db, arena, id, &row) && row.state == SENT_READY) {
		message_state(db, &row, SENT_SENT, "");
		spool_tried(db, id, SENT_SENT, now);
	}
	arena_free(&arena);
	return db_commit(db, NULL);
}

static void
accept_one(struct db *db, const struct spool_row *row, int64_t now)
{
	switch ((enum outbox_kind)row->kind) {
	case OUTBOX_MESSAGE:
	case OUTBOX_SUPPLEMENT: /* stay until delivered: new devices, and receipts that name a supplement */
		message_state(db, row, SENT_ACCEPTED, "");
		if (row->kind == OUTBOX_MESSAGE)
			history_set_stage(db, row->message, SENT_ACCEPTED, now, false);
		return;
	case OUTBOX_EMPTY:
	case OUTBOX_RECEIPT:
	case OUTBOX_MARKER:
		spool_delete(db, row->id);
		return;
	}
}

bool
outbox_accepted(struct db *db, const int64_t *ids, size_t count, int64_t now)
{
	struct arena *arena = arena_new();
	struct spool_row row;
	db_begin(db);
	for (size_t i = 0; i < count; i++) {
		if (spool_find(db, arena, ids[i], &row) &&
		    (row.state == SENT_SENT || row.state == SENT_READY))
			accept_one(db, &row, now);
	}
	arena_free(&arena);
	return db_commit(db, NULL);
}

bool
outbox_unsent(struct db *db, int64_t account)
{
	struct arena *arena = arena_new();
	struct spool_row *rows;
	db_begin(db);
	size_t count = spool_list_state(db, arena, account, SENT_SENT, &rows);
	for (size_t i = 0; i < count; i++)
		message_state(db, &rows[i], SENT_READY, "");
	arena_free(&arena);
	return db_commit(db, NULL);
}

bool
outbox_refused(struct db *db, int64_t account, const char *from, const char *origin_id, const char *condition,
	       int64_t now)
{
	struct arena *arena = arena_new();
	struct spool_row row;
	bool ours = false;
	db_begin(db);
	int64_t id = spool_by_origin(db, account, from, origin_id);
	if (id && spool_find(db, arena, id, &row)) {
		ours = true;
		if (row.kind == OUTBOX_MESSAGE) {
			message_state(db, &row, SENT_REFUSED, condition);
			history_set_stage(db, row.message, SENT_REFUSED, now, false);
		} else {
			spool_delete(db, id);
		}
	}
	arena_free(&arena);
	db_commit(db, NULL);
	return ours;
}

bool
outbox_get(struct db *db, struct arena *arena, int64_t account, int64_t id, struct outbox_item *item_r)
{
	struct spool_row row;
	*item_r = (struct outbox_item){ 0 };
	if (!spool_get(db, arena, account, id, &row))
		return false;
	*item_r = item_of(db, arena, &row);
	return true;
}

int64_t
outbox_by_origin(struct db *db, int64_t account, const char *to, const char *origin_id)
{
	return spool_by_origin(db, account, to, origin_id);
}

size_t
outbox_list(struct db *db, struct arena *arena, int64_t account, struct outbox_item **list_r)
{
	struct spool_row *rows;
	size_t count = spool_list(db, arena, account, NULL, &rows), kept = 0;
	*list_r = arena_alloc(arena, (count + 1) * sizeof **list_r);
	for (size_t i = 0; i < count; i++) {
		struct message message;
		if (rows[i].kind == OUTBOX_MESSAGE && history_get(db, arena, rows[i].message, &message) &&
		    (message.sent < SENT_DELIVERED || message.sent > SENT_DISPLAYED))
			(*list_r)[kept++] = item_of(db, arena, &rows[i]);
	}
	return kept;
}

bool
outbox_cancel(struct db *db, int64_t account, int64_t id, int64_t now)
{
	struct arena *arena = arena_new();
	struct spool_row row;
	db_begin(db);
	bool may = spool_get(db, arena, account, id, &row) && row.kind == OUTBOX_MESSAGE &&
		   (row.state == SENT_WAITING || row.state == SENT_READY || row.state == SENT_REFUSED);
	if (may) {
		message_state(db, &row, SENT_CANCELLED, "");
		history_set_stage(db, row.message, SENT_CANCELLED, now, false);
		spool_delete_message(db, row.message);
	}
	arena_free(&arena);
	return db_commit(db, NULL) && may;
}

static bool
retry_one(struct db *db, const struct spool_row *row)
{
	if (row->state != SENT_REFUSED && row->state != SENT_SENT)
		return false;
	message_state(db, row, SENT_READY, "");
	return true;
}

bool
outbox_retry(struct db *db, int64_t account, int64_t id, int64_t now)
{
	struct arena *arena = arena_new();
	struct spool_row *rows;
	bool any = false;
	(void)now;
	db_begin(db);
	size_t count = spool_list(db, arena, account, NULL, &rows);
	for (size_t i = 0; i < count; i++) {
		if (id == 0 || rows[i].id == id)
			any = retry_one(db, &rows[i]) || any;
	}
	arena_free(&arena);
	return db_commit(db, NULL) && any;
}
