/*
 * sync_send.c -- the outbox on the wire: marked as sent before the bytes leave, settled when the relay took them.
 *
 * With stream management the relay's count settles (XEP-0198 section 4); without, the answer to a ping behind the batch, whether
 * result or error: it comes from the same relay, in order. At most SYNC_WINDOW items are on the way.
 */
#include "config.h"

#include "client/sync-private.h"

#include <stdlib.h>
#include <string.h>

#include "client/clock.h"
#include "client/db/db.h"
#include "proto/arena.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/stanza.h"
#include "proto/xml.h"
#include "proto/xmlin.h"

static void
fly(struct sync *sync, uint32_t number, const struct outbox_item *item)
{
	if (sync->flying == sync->flights_cap) {
		sync->flights_cap = sync->flights_cap == 0 ? SYNC_WINDOW : 2 * sync->flights_cap;
		sync->flights = xrealloc(sync->flights, sync->flights_cap * sizeof(*sync->flights));
	}
	sync->flights[sync->flying++] =
	    (struct sync_flight){ .number = number, .item = item->id, .message = item->kind == OUTBOX_MESSAGE };
}

/* The first `count` flights have landed. */
static void
land(struct sync *sync, size_t count)
{
	int64_t *ids;

	if (count == 0)
		return;
	ids = xmalloc(count * sizeof(*ids));
	for (size_t i = 0; i < count; i++) {
		ids[i] = sync->flights[i].item;
		sync->result->accepted += sync->flights[i].message;
	}
	if (!outbox_accepted(sync->db, ids, count, now_wall()))
		trouble_set(sync->trouble, FAULT_DISK, "the relay's acknowledgement could not be stored");
	free(ids);
	sync->flying -= count;
	memmove(sync->flights, sync->flights + count, sync->flying * sizeof(*sync->flights));
}

void
sync_acked(struct sync *sync)
{
	uint32_t acked = stream_acked(sync->stream), sent = stream_sent(sync->stream);
	size_t count = 0;

	/* Numbers wrap: a stanza has landed when no more are on the way than were sent after it. */
	while (count < sync->flying && sent - sync->flights[count].number >= sent - acked)
		count++;
	land(sync, count);
}

static void
ping_came(struct sync *sync, struct arena *arena, const struct xml *answer, void *arg)
{
	uint32_t behind = *(const uint32_t *)arg;
	size_t count = 0;

	(void)arena;
	while (answer != NULL && count < sync->flying && sync->flights[count].number <= behind)
		count++;
	land(sync, count);
}

static void
want_ack(struct sync *sync)
{
	struct arena *arena;
	struct xml *iq;
	uint32_t *behind;

	if (stream_managed(sync->stream)) {
		stream_want_ack(sync->stream);
		return;
	}
	arena = arena_new();
	iq = stanza_new(arena, "iq", NULL, strchr(sync->account->jid, '@') + 1, "get", NULL);
	xml_add(arena, iq, "ping", NS_PING);
	behind = xmalloc(sizeof(*behind));
	*behind = stream_sent(sync->stream);
	sync_ask(sync, iq, ping_came, behind);
	arena_free(&arena);
}

/* One item's stanza onto the stream. False: it is not ours to send. */
static bool
send_item(struct sync *sync, struct arena *arena, const struct outbox_item *item)
{
	static const char start[] = "<message";
	enum stream_error error;
	struct xml *stanza;
	const char *text;

	if (item->stanza == NULL || strncmp(item->stanza, start, strlen(start)) != 0)
		return false;
	/* The outbox keeps it as it stands inside a stream, where jabber:client is in force. */
	text = arena_printf(arena, "%s xmlns='" NS_CLIENT "'%s", start, item->stanza + strlen(start));
	stanza = xmlin_parse(arena, text, strlen(text), &xmlin_limits_stored, &error);
	if (stanza == NULL)
		return false;
	fly(sync, stream_send(sync->stream, stanza), item);
	return true;
}

/* Mark a window's worth as sent in one transaction, then write them. Returns the last item's id, 0: nothing is ready. */
static int64_t
send_window(struct sync *sync, int64_t after)
{
	struct arena *arena = arena_new();
	struct outbox_item items[SYNC_WINDOW];
	size_t room = SYNC_WINDOW - sync->flying, count = 0;
	char *error = NULL;

	db_begin(sync->db);
	while (count < room && outbox_next(sync->db, arena, sync->account->id, after, &items[count])) {
		after = items[count].id;
		outbox_sent(sync->db, after, now_wall());
		count++;
	}
	if (!db_commit(sync->db, &error)) {
		trouble_set(sync->trouble, FAULT_DISK, "%s", error != NULL ? error : "");
		free(error);
		count = 0;
	}
	for (size_t i = 0; i < count; i++)
		send_item(sync, arena, &items[i]);
	if (count > 0)
		want_ack(sync);
	arena_free(&arena);
	return count > 0 ? after : 0;
}

void
sync_send_outbox(struct sync *sync)
{
	int64_t after = 0, last;
	size_t before = sync->result->accepted, total = 0;

	if (sync->inbox != NULL)
		sync_commit(sync);
	while (sync_alive(sync) && (last = send_window(sync, after)) != 0) {
		after = last;
		total += sync->flying;
		while (sync->flying > SYNC_WINDOW / 2 && sync_turn(sync, now_mono() + SYNC_ANSWER_MS))
			sync_progress(sync, SYNC_SEND, sync->result->accepted - before, total);
		if (sync->inbox != NULL)
			sync_commit(sync);
	}
}

bool
sync_await_acks(struct sync *sync)
{
	int64_t deadline = now_mono() + SYNC_ANSWER_MS;

	while (sync->flying > 0 && sync_alive(sync)) {
		if (now_mono() > deadline)
			return trouble_set(sync->trouble, FAULT_TIMEOUT, "the relay acknowledges nothing");
		sync_turn(sync, deadline);
	}
	return sync_alive(sync);
}
