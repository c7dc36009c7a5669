/*
 * stream/resume.c -- a session outlives its connection (XEP-0198 1.6.3 section 5).
 *
 *   READY --connection lost--> AWAY --<resume/> on another stream--> that one is READY with the session, this one CLOSED
 *                                   --time over, or too much kept--> CLOSED
 *
 * The stream whose connection is lost stays as the place where its session is: it keeps what is sent to it (resume_kept.c). A
 * new stream of the same account that knows the id takes over its session, its order of stanzas and its numbers, once all that
 * the old one had taken is handled. An old connection that is still open is closed with conflict; of several that race, the one
 * that asked last has it. A session that was begun with another password than the present one cannot be taken up (attack M7).
 *
 * What cannot be taken up any more is answered with h, so that the client knows what it need not send again: from the old
 * stream, which takes nothing further, or from the store, where each message's place is written with it and the last one at
 * the session's end. Never: kept across a restart of the relay, but for that number.
 * DIAGNOSTICS: <failed/> with item-not-found (with h when the session was this account's), bad-request, unexpected-request;
 * handled-count-too-high.
 */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "proto/xmlin.h"
#include "relay/net/clock.h"
#include "relay/net/io.h"
#include "relay/store/read.h"
#include "relay/store/txn.h"
#include "relay/stream/smacks-private.h"
#include "relay/stream/stream-private.h"

/* ---- away ---- */

static int64_t
may_be_away(const struct stream *stream)
{
	int64_t most = stream->smacks->most;

	return most < stream->host->resume ? most : stream->host->resume;
}

bool
resume_away(struct stream *stream)
{
	const struct smacks *smacks = stream->smacks;

	if (stream->state != STATE_READY || stream->peer_closed || stream->stopping || smacks == NULL ||
	    smacks->id[0] == '\0' || !kept_complete(smacks) || may_be_away(stream) <= 0)
		return false;
	log_info(&stream->log, "away: may come back within %" PRId64 " s", may_be_away(stream));
	io_free(&stream->io);
	stream_enter(stream, STATE_AWAY);
	for (int i = 0; i < STREAM_DEADLINES; i++)
		stream->at[i] = 0;
	stream_set_deadline(stream, DEADLINE_PHASE, may_be_away(stream) * 1000);
	if (stream->on_gone != NULL)
		stream->on_gone(stream->gone_arg, stream->peer); /* the listener counts connections */
	stream->on_gone = NULL;
	if (stream->feeding)
		xmlin_stop(stream->in);
	host_connection_gone(stream->host);
	stream_later(stream);
	return true;
}

bool
stream_is_away(const struct stream *stream)
{
	return stream->state == STATE_AWAY;
}

/* ---- the number that outlives it ---- */

/* This slot is the newest: the next is only made when it is decided. */
bool
slot_counter(struct slot *slot, const char **id_r, uint32_t *h_r)
{
	const struct stream *stream = slot_stream(slot);
	const struct smacks *smacks = stream == NULL ? NULL : stream->smacks;
	size_t unhandled = stream == NULL || stream->fifo == NULL ? 0 : fifo_unhandled(stream->fifo);

	if (stream == NULL)
		return fifo_left(slot, id_r, h_r);
	if (smacks == NULL || smacks->id[0] == '\0' || smacks->before >= unhandled)
		return false;
	*id_r = smacks->id;
	*h_r = smacks->count.handled + (uint32_t)(unhandled - smacks->before);
	return true;
}

static void
write_counter(const struct stream *stream)
{
	const struct smacks *smacks = stream->smacks;
	struct txn *txn;

	/* A clean end is an end (section 7): nobody will ask. */
	if (stream->peer_closed || smacks->count.handled == 0 || fifo_unhandled(stream->fifo) > 0)
		return;
	txn = txn_new(stream->host->store);
	txn_add(txn, &(struct op){ .kind = OP_COUNTER,
	                 .account = stream->node,
	                 .item = smacks->id,
	                 .id = smacks->count.handled,
	                 .time = now_wall() });
	txn_submit(&txn, NULL, NULL);
}

void
resume_lost(struct stream *stream)
{
	const struct smacks *smacks = stream->smacks;

	if (smacks == NULL || smacks->id[0] == '\0')
		return;
	for (const struct kept *kept = smacks->first; kept != NULL; kept = kept->next)
		stream->host->owner->lost(stream->session, kept->bytes, kept->len);
	if (smacks->before < fifo_unhandled(stream->fifo))
		fifo_leave_number(stream->fifo, smacks->id,
		    smacks->count.handled + (uint32_t)(fifo_unhandled(stream->fifo) - smacks->before));
	write_counter(stream);
}

/* ---- coming back ---- */

void
resume_enabled(struct stream *stream, struct arena *arena, const struct xml *enable, struct xml *enabled)
{
	struct smacks *smacks = stream->smacks;
	uint32_t wanted; /* section 3: 'max' */

	random_id(smacks->id);
	smacks->password = stream->password;
	smacks->most = stream->host->resume;
	if (smacks_parse_h(xml_attr(enable, "max"), &wanted) && wanted > 0 && wanted < smacks->most)
		smacks->most = wanted;
	xml_set(arena, enabled, "resume", "true");
	xml_set(arena, enabled, "id", smacks->id);
	xml_setf(arena, enabled, "max", "%" PRId64, smacks->most);
}

/* The same account's (attack M1): the ids of others are not even looked at. */
static struct stream *
find(const struct stream *stream, const char *id)
{
	for (struct stream *at = stream->host->streams; at != NULL; at = at->next)
		if ((at->state == STATE_READY || at->state == STATE_AWAY) && at->smacks != NULL &&
		    at->smacks->id[0] != '\0' && strcmp(at->node, stream->node) == 0 &&
		    same_secret(at->smacks->id, id, ID_LEN))
			return at;
	return NULL;
}

static void
end_old(struct stream *old)
{
	if (old->state == STATE_AWAY)
		stream_drop(old);
	else
		stream_close(old, STREAM_CONFLICT, "The session goes on elsewhere.");
}

/* Session, order and numbers move to this stream; the old one ends. */
static void
take_over(struct stream *stream, struct stream *old)
{
	fifo_leave(&stream->fifo);
	stream->fifo = old->fifo;
	old->fifo = NULL;
	fifo_move(stream->fifo, stream);
	stream->smacks = old->smacks;
	old->smacks = NULL;
	stream->session = old->session;
	old->session = NULL;
	stream->holds += old->holds;
	old->holds = 0;
	stream_who(stream, xstrdup(old->who));
	stream_enter(stream, STATE_READY);
	end_old(old);
}

static void
resumed(struct stream *stream, struct stream *old)
{
	struct arena *arena = arena_new();
	struct xml *element = xml_new(arena, "resumed", NS_SM);
	uint64_t upto;

	take_over(stream, old);
	xml_set(arena, element, "previd", stream->smacks->id);
	xml_setf(arena, element, "h", "%" PRIu32, stream->smacks->count.handled);
	smacks_tell(stream, element);
	arena_free(&arena);
	log_info(&stream->log, "resumed");
	upto = stream->smacks->count.acked;
	kept_acked(stream);
	kept_again(stream->smacks);
	stream->host->owner->resumed(stream->session, stream, upto);
}

/* It ends here: what it has handled is told, and nothing more will be. */
static void
not_resumed(struct stream *stream, struct stream *old)
{
	uint32_t h = old->smacks->count.handled;

	stream->host->owner->acked(old->session, old->smacks->count.acked);
	end_old(old);
	smacks_refuse(stream, "item-not-found", &h);
}

struct lookup {
	struct stream *stream; /* NULL: gone meanwhile */
};

static void
looked_up(void *arg, bool failed, int64_t count, int64_t bytes)
{
	struct lookup *lookup = arg;
	struct stream *stream = lookup->stream;
	uint32_t h = (uint32_t)count;

	(void)bytes;
	free(lookup);
	if (stream == NULL)
		return;
	stream->lookup = NULL;
	stream->resuming[0] = '\0';
	if (stream->state == STATE_BIND)
		smacks_refuse(stream, "item-not-found", failed || count < 0 ? NULL : &h);
	stream_later(stream);
}

static void
all_is_written(void *arg, enum txn_result result)
{
	struct lookup *lookup = arg;
	const struct stream *stream = lookup->stream;

	(void)result;
	if (stream == NULL)
		free(lookup);
	else
		read_counter(stream->host->store, stream->node, stream->resuming, looked_up, lookup);
}

/* Behind all that is on its way to the disk, the session's own last messages too. */
static void
look_up(struct stream *stream)
{
	struct lookup *lookup = xcalloc(1, sizeof *lookup);
	struct txn *nothing = txn_new(stream->host->store);

	lookup->stream = stream;
	stream->lookup = lookup;
	txn_submit(&nothing, all_is_written, lookup);
}

/* h must count all that the old stream had taken: it waits until that is handled. */
static void
try_over(struct stream *stream)
{
	struct stream *old = find(stream, stream->resuming);

	if (old == NULL) {
		look_up(stream);
		return;
	}
	if (fifo_unhandled(old->fifo) > 0) {
		old->yielding = true;
		return;
	}
	stream->resuming[0] = '\0';
	old->yielding = false;
	if (!smacks_count_acked(&old->smacks->count, stream->resuming_h))
		smacks_too_high(stream, old->smacks, stream->resuming_h);
	else if (!kept_complete(old->smacks) || old->smacks->password != stream->password)
		not_resumed(stream, old);
	else
		resumed(stream, old);
	stream_later(stream);
	stream_later(old);
}

void
resume_go_on(struct stream *stream)
{
	if (stream->state == STATE_BIND && stream->resuming[0] != '\0' && stream->lookup == NULL)
		try_over(stream);
	if (!stream->yielding || (stream->fifo != NULL && fifo_unhandled(stream->fifo) > 0))
		return;
	stream->yielding = false;
	for (struct stream *at = stream->host->streams; at != NULL; at = at->next)
		if (at->resuming[0] != '\0')
			stream_later(at);
}

void
resume_leave(struct stream *stream)
{
	struct stream *old = stream->resuming[0] == '\0' ? NULL : find(stream, stream->resuming);

	stream->resuming[0] = '\0';
	if (stream->lookup != NULL)
		stream->lookup->stream = NULL;
	stream->lookup = NULL;
	if (old != NULL) {
		old->yielding = false;
		stream_later(old);
	}
	for (struct stream *at = stream->host->streams; at != NULL; at = at->next)
		if (at->resuming[0] != '\0' && at != stream)
			stream_later(at);
}

/* Who asked before and still waits has lost the race. */
static void
overtake(struct stream *stream)
{
	for (struct stream *at = stream->host->streams; at != NULL; at = at->next)
		if (at != stream && at->state == STATE_BIND && strcmp(at->node, stream->node) == 0 &&
		    strcmp(at->resuming, stream->resuming) == 0)
			stream_close(at, STREAM_CONFLICT, "The session goes on elsewhere.");
}

void
resume_element(struct stream *stream, const struct xml *element)
{
	const char *id = xml_attr(element, "previd");

	if (stream->state != STATE_BIND) {
		smacks_refuse(stream, "unexpected-request", NULL);
		return;
	}
	if (id == NULL || !smacks_parse_h(xml_attr(element, "h"), &stream->resuming_h)) {
		smacks_refuse(stream, "bad-request", NULL);
		return;
	}
	if (strlen(id) != ID_LEN) {
		smacks_refuse(stream, "item-not-found", NULL);
		return;
	}
	memcpy(stream->resuming, id, ID_LEN + 1);
	overtake(stream);
	try_over(stream);
}
