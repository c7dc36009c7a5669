/*
 * recheck.c -- what was written but has not reached the relay, held against what is known now: a device that
 * was rejected, taken off its list or whose key changed since gets no key after all (attack O11); what was
 * written in clear waits once the recipient is seen to have OMEMO; and what a home wrote that was put back from
 * an older copy of itself is written anew (attack O12).
 *
 * A key is taken out of the stanza as it stands: the ratchets of the other devices do not move, and they need no
 * second message.
 */
#include "config.h"
#include "client/outbox.h"

#include <stdlib.h>
#include <string.h>
#include "client/db/account.h"
#include "client/db/db.h"
#include "client/db/spool.h"
#include "client/outbox-private.h"
#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "proto/xmlin.h"
#include "proto/xmlout.h"

#define DAY ((int64_t)24 * 60 * 60 * 1000)

static const char start[] = "<message";

/* Kept as it stands inside a stream, where jabber:client is in force. NULL: not a stanza of ours. */
static struct xml *
stanza_tree(struct arena *arena, const struct spool_row *row)
{
	enum stream_error error;
	if (!row->stanza || strncmp(row->stanza, start, strlen(start)) != 0)
		return NULL;
	const char *text = arena_printf(arena, "%s xmlns='" NS_CLIENT "'%s", start, row->stanza + strlen(start));
	return xmlin_parse(arena, text, strlen(text), &xmlin_limits_stored, &error);
}

/* It waits as if it had just been written, to be encrypted to whom trust lets through then. */
static void
write_anew(struct db *db, const struct spool_row *row)
{
	if (row->kind != OUTBOX_MESSAGE) {
		spool_delete(db, row->id);
		return;
	}
	spool_set_stanza(db, row->id, NULL, 0, SENT_WAITING);
	history_set_sent(db, row->message, SENT_WAITING, "");
	target_clear(db, row->message);
}

static bool
may_read(struct db *db, struct arena *arena, int64_t account, const char *jid, uint32_t id)
{
	struct device device;
	return device_get(db, arena, account, jid, id, &device) && device.listed &&
	       (device.trust == TRUST_BLIND || device.trust == TRUST_VERIFIED);
}

/* Take out the keys of those who may not read it any more. How many there were; *left_r: of the recipient's. */
static size_t
take_keys_out(struct db *db, struct omemo *omemo, struct arena *arena, int64_t account,
	      const struct spool_row *row, struct xml *header, size_t *left_r)
{
	size_t out = 0;
	struct xml *next;
	*left_r = 0;
	for (struct xml *key = xml_find(header, "key", NULL); key; key = next) {
		const char *rid = xml_attr(key, "rid");
		uint32_t id = (uint32_t)strtoul(rid ? rid : "0", NULL, 10);
		next = xml_next(key, "key", NULL);
		if (may_read(db, arena, account, row->to, id)) {
			++*left_r;
		} else if (!may_read(db, arena, account, omemo_jid(omemo), id)) {
			xml_remove(header, key);
			target_remove(db, row->message, row->to, id);
			target_remove(db, row->message, omemo_jid(omemo), id);
			out++;
		}
	}
	return out;
}

static void
recheck_encrypted(struct db *db, struct omemo *omemo, struct arena *arena, int64_t account,
		  const struct spool_row *row, struct xml *message)
{
	struct xml *header = xml_find(xml_find(message, "encrypted", NS_OMEMO), "header", NULL);
	struct buf bytes = { 0 };
	size_t left = 0;
	size_t out = header ? take_keys_out(db, omemo, arena, account, row, header, &left) : 0;
	if (left == 0 || omemo_ready(omemo, row->to) == OMEMO_CHANGED) {
		write_anew(db, row);
	} else if (out > 0) {
		xmlout(&bytes, message, NS_CLIENT);
		spool_set_stanza(db, row->id, bytes.data, bytes.len, SENT_READY);
		buf_free(&bytes);
	}
}

void
outbox_recheck(struct db *db, struct omemo *omemo, int64_t account, const char *to)
{
	struct arena *arena = arena_new();
	struct spool_row *rows, row;
	struct device *devices;
	size_t count = spool_list_state(db, arena, account, SENT_READY, &rows);
	for (size_t i = 0; i < count; i++) {
		struct arena *one = arena_new();
		bool body = rows[i].kind == OUTBOX_MESSAGE || rows[i].kind == OUTBOX_SUPPLEMENT ||
			    rows[i].kind == OUTBOX_EMPTY;
		struct xml *message = NULL;
		if (body && (!to || strcmp(rows[i].to, to) == 0) && spool_get(db, one, account, rows[i].id, &row))
			message = stanza_tree(one, &row);
		if (message && xml_find(message, "encrypted", NS_OMEMO))
			recheck_encrypted(db, omemo, one, account, &row, message);
		else if (message && device_list(db, one, account, row.to, &devices) > 0)
			write_anew(db, &row); /* in clear */
		arena_free(&one);
	}
	arena_free(&arena);
}

void
outbox_set_back(struct db *db, struct omemo *omemo, int64_t account, int64_t now)
{
	struct arena *arena = arena_new();
	struct spool_row *rows;
	int64_t before = account_get_int(db, account, "set_back", 0);
	if (before > 0 && before <= now && now - before < DAY) { /* a relay that makes it up gains a session a day */
		arena_free(&arena);
		return;
	}
	account_set_int(db, account, "set_back", now);
	device_renew_all(db, account);
	omemo_publish_again(omemo);
	size_t count = spool_list(db, arena, account, NULL, &rows);
	for (size_t i = 0; i < count; i++) {
		bool ours = rows[i].kind == OUTBOX_MESSAGE || rows[i].kind == OUTBOX_SUPPLEMENT ||
			    rows[i].kind == OUTBOX_EMPTY;
		if (ours && rows[i].state == SENT_READY)
			write_anew(db, &rows[i]);
		else if (rows[i].kind == OUTBOX_MESSAGE && rows[i].state != SENT_WAITING &&
			 rows[i].last > now - DAY) /* what it was sent with was spent before: supplements follow */
			target_clear(db, rows[i].message);
	}
	arena_free(&arena);
}
