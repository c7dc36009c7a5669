/*
 * waiting.c -- when keys or trust come: what waited is encrypted, and devices that the recipient added since
 * get supplements of what is not delivered yet.
 *
 * A supplement is the same text under an origin-id of its own, with <same-as/> naming the first: the receiver
 * shows it once.
 */
#include "config.h"
#include "client/outbox.h"

#include <string.h>
#include "client/db/db.h"
#include "client/db/spool.h"
#include "client/outbox-private.h"
#include "client/outstanza.h"
#include "proto/arena.h"
#include "proto/digest.h"

#define SUPPLEMENT_AGE ((int64_t)400 * 24 * 60 * 60 * 1000) /* ms; the longest custody and some */

static bool
write_waiting(struct db *db, struct omemo *omemo, struct arena *arena, int64_t account,
	      const struct spool_row *row, int64_t now)
{
	struct message message;
	enum omemo_ready ready;
	if (!history_get(db, arena, row->message, &message))
		return false;
	if (outbox_write(db, omemo, arena, account, row, message.body, now, &ready))
		return true;
	const char *reason = omemo_ready_word(ready);
	if (strcmp(reason, row->reason) != 0) {
		spool_set_state(db, row->id, SENT_WAITING, reason);
		history_set_sent(db, row->message, SENT_WAITING, reason);
	}
	return false;
}

/* The recipient's devices that could read a supplement of this message and were not written to. */
static size_t
missing_targets(struct db *db, struct arena *arena, int64_t account, const struct spool_row *row,
		struct omemo_target **targets_r)
{
	struct device *devices;
	size_t count = device_list(db, arena, account, row->to, &devices), missing = 0;
	*targets_r = arena_alloc(arena, (count + 1) * sizeof **targets_r);
	for (size_t i = 0; i < count; i++) {
		bool trusted = devices[i].trust == TRUST_BLIND || devices[i].trust == TRUST_VERIFIED;
		if (devices[i].listed && trusted && (devices[i].session || devices[i].bundle) &&
		    !target_has(db, row->message, row->to, devices[i].id))
			(*targets_r)[missing++] =
			    (struct omemo_target){ .jid = row->to, .device = devices[i].id };
	}
	return missing;
}

static bool
write_supplement(struct db *db, struct omemo *omemo, struct arena *arena, int64_t account,
		 const struct spool_row *row, int64_t now)
{
	struct buf stanza = { 0 };
	struct message message;
	struct omemo_target *missing, *targets;
	struct xml *encrypted;
	size_t count;
	char id[ID_LEN + 1];
	if (!history_get(db, arena, row->message, &message) || !message.encrypted)
		return false;
	size_t missing_count = missing_targets(db, arena, account, row, &missing);
	if (missing_count == 0 || omemo_encrypt(omemo, arena, row->to, message.body, missing, missing_count,
						now, &encrypted, &targets, &count) != OMEMO_READY)
		return false;
	random_id(id);
	outstanza_encrypted(&stanza, arena, row->to, id, encrypted, row->origin_id);
	const struct spool_row supplement = {
		.kind = OUTBOX_SUPPLEMENT,
		.message = row->message,
		.to = row->to,
		.origin_id = id,
		.state = SENT_READY,
		.created = now,
		.stanza = stanza.data,
		.stanza_len = stanza.len,
	};
	spool_add(db, account, &supplement);
	for (size_t i = 0; i < count; i++)
		target_add(db, row->message, targets[i].jid, targets[i].device);
	buf_free(&stanza);
	return true;
}

size_t
outbox_serve_waiting(struct db *db, struct omemo *omemo, int64_t account, const char *to, int64_t now)
{
	struct arena *arena = arena_new();
	struct spool_row *rows;
	size_t served = 0;
	size_t count = spool_list_state(db, arena, account, SENT_WAITING, &rows);
	for (size_t i = 0; i < count; i++) {
		if (!to || strcmp(rows[i].to, to) == 0)
			served += write_waiting(db, omemo, arena, account, &rows[i], now);
	}
	arena_free(&arena);
	return served;
}

/* Of one row that was written but is not delivered; all or nothing. */
static bool
serve_supplement(struct db *db, struct omemo *omemo, int64_t account, const struct spool_row *row,
		 int64_t now)
{
	bool underway = row->state == SENT_READY || row->state == SENT_SENT || row->state == SENT_ACCEPTED;
	if (row->kind != OUTBOX_MESSAGE || !underway || row->created < now - SUPPLEMENT_AGE)
		return false;
	struct arena *arena = arena_new();
	db_begin(db);
	bool written = write_supplement(db, omemo, arena, account, row, now);
	if (written)
		db_commit(db, NULL);
	else
		db_rollback(db);
	arena_free(&arena);
	return written;
}

size_t
outbox_keys_came(struct db *db, struct omemo *omemo, int64_t account, const char *jid, int64_t now)
{
	struct arena *arena = arena_new();
	struct spool_row *rows;
	db_begin(db);
	outbox_recheck(db, omemo, account, jid);
	size_t served = outbox_serve_waiting(db, omemo, account, jid, now);
	size_t count = spool_list(db, arena, account, jid, &rows);
	for (size_t i = 0; i < count; i++)
		served += serve_supplement(db, omemo, account, &rows[i], now);
	arena_free(&arena);
	return db_commit(db, NULL) ? served : 0;
}
