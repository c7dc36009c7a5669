/*
 * stream/resume.c -- a session outlives its connection (XEP-0198 1.6.3 section 5).
 *
 *   READY --connection lost--> AWAY --<resume/> on another stream--> that one is READY with the session, this one CLOSED
 *                                   --time over, or too much kept--> CLOSED
 *
 * The stream whose connection is lost stays as the place where its session is: it counts and keeps what is sent to it. A new
 * stream of the same account that knows the id takes over its session, its order of stanzas and its numbers. An old connection
 * that is still open is closed with conflict; of two that race, the later one has it.
 *
 * Kept are the stanzas that are not mailbox rows, until they are acknowledged: at most 256 KiB a session and 64 MiB in all. Beyond
 * that the session cannot be taken up until the client has acknowledged what is missing; its messages are in the mailbox in any
 * case. Never: kept across a restart of the relay.
 * DIAGNOSTICS: <failed/> with item-not-found (with h when the session is known), bad-request, unexpected-request;
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
#include "relay/net/io.h"
#include "relay/stream/smacks-private.h"
#include "relay/stream/stream-private.h"

enum {
	KEPT_MOST = 256 * 1024, /* bytes; design 3.2 */
	KEPT_ALL_MOST = 64 * 1024 * 1024,
	ASK_BYTES = 16 * 1024, /* kept behind the last <r/> */
	ASK_AFTER = 5 * 1000,  /* ms */
};

struct kept {
	struct kept *next;
	uint64_t number;
	size_t len;
	char bytes[];
};

/* ---- keeping ---- */

static void
drop_first(struct stream *stream, struct smacks *smacks)
{
	struct kept *kept = smacks->first;
	size_t size = sizeof *kept + kept->len;

	smacks->first = kept->next;
	if (smacks->first == NULL)
		smacks->last = &smacks->first;
	smacks->bytes -= size;
	stream_shared(stream->host)->kept -= size;
	free(kept);
}

void
resume_forget(struct stream *stream, struct smacks *smacks)
{
	while (smacks->first != NULL)
		drop_first(stream, smacks);
	smacks->unasked = 0;
}

void
resume_acked(struct stream *stream)
{
	struct smacks *smacks = stream->smacks;

	while (smacks->first != NULL && smacks->first->number <= smacks->count.acked)
		drop_first(stream, smacks);
	if (smacks->first == NULL)
		stream_set_deadline(stream, DEADLINE_ASK, -1);
	else if (stream->state == STATE_READY && stream->at[DEADLINE_ASK] == 0)
		stream_set_deadline(stream, DEADLINE_ASK, ASK_AFTER);
}

static void
give_up(struct stream *stream)
{
	struct smacks *smacks = stream->smacks;

	resume_forget(stream, smacks);
	smacks->lost = smacks->count.sent;
	if (stream->state != STATE_AWAY)
		return;
	log_info(&stream->log, "closed: too much to keep for when it comes back");
	stream_drop(stream);
}

static void
ask(struct stream *stream)
{
	stream->smacks->unasked = 0;
	stream_set_deadline(stream, DEADLINE_ASK, -1);
	stream_ask(stream);
}

void
resume_keep(struct stream *stream, const char *bytes, size_t len)
{
	struct smacks *smacks = stream->smacks;
	size_t *all = &stream_shared(stream->host)->kept, size = sizeof(struct kept) + len;
	struct kept *kept;

	if (smacks == NULL || smacks->id[0] == '\0' || (stream->state != STATE_READY && stream->state != STATE_AWAY))
		return;
	if (smacks->bytes + size > KEPT_MOST || *all + size > KEPT_ALL_MOST) {
		give_up(stream);
		return;
	}
	kept = xmalloc(size);
	kept->next = NULL;
	kept->number = smacks->count.sent;
	kept->len = len;
	memcpy(kept->bytes, bytes, len);
	*smacks->last = kept;
	smacks->last = &kept->next;
	smacks->bytes += size;
	smacks->unasked += size;
	*all += size;
	if (stream->state == STATE_AWAY)
		return;
	if (smacks->unasked >= ASK_BYTES)
		stream->want_ask = true; /* behind it, not ahead */
	else if (stream->at[DEADLINE_ASK] == 0)
		stream_set_deadline(stream, DEADLINE_ASK, ASK_AFTER);
}

void
resume_sent(struct stream *stream)
{
	if (!stream->want_ask)
		return;
	stream->want_ask = false;
	if (stream->state == STATE_READY)
		ask(stream);
}

void
resume_waited(struct stream *stream)
{
	if (stream->state == STATE_READY && stream->smacks != NULL && stream->smacks->first != NULL)
		ask(stream);
}

/* ---- away ---- */

static bool
is_resumable(const struct stream *stream)
{
	const struct smacks *smacks = stream->smacks;

	return smacks != NULL && smacks->id[0] != '\0' && smacks->count.acked >= smacks->lost;
}

bool
resume_away(struct stream *stream)
{
	if (stream->state != STATE_READY || stream->peer_closed || stream->stopping || !is_resumable(stream) ||
	    stream->host->resume <= 0)
		return false;
	log_info(&stream->log, "away: may come back within %" PRId64 " s", stream->host->resume);
	io_free(&stream->io);
	stream_enter(stream, STATE_AWAY);
	for (int i = 0; i < STREAM_DEADLINES; i++)
		stream->at[i] = 0;
	stream_set_deadline(stream, DEADLINE_PHASE, stream->host->resume * 1000);
	if (stream->on_gone != NULL)
		stream->on_gone(stream->gone_arg, stream->peer); /* the listener counts connections */
	stream->on_gone = NULL;
	if (stream->feeding)
		xmlin_stop(stream->in);
	stream_later(stream);
	return true;
}

bool
stream_is_away(const struct stream *stream)
{
	return stream->state == STATE_AWAY;
}

/* ---- coming back ---- */

void
resume_enabled(struct stream *stream, struct arena *arena, struct xml *enabled)
{
	struct smacks *smacks = stream->smacks;

	random_id(smacks->id);
	xml_set(arena, enabled, "resume", "true");
	xml_set(arena, enabled, "id", smacks->id);
	xml_setf(arena, enabled, "max", "%" PRId64, stream->host->resume);
}

/* The same account's (attack M1). */
static struct stream *
find(const struct stream *stream, const char *id)
{
	for (struct stream *at = stream->host->streams; at != NULL; at = at->next)
		if ((at->state == STATE_READY || at->state == STATE_AWAY) && at->smacks != NULL &&
		    at->smacks->id[0] != '\0' && same_secret(at->smacks->id, id, ID_LEN) &&
		    strcmp(at->node, stream->node) == 0)
			return at;
	return NULL;
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
	if (old->state == STATE_AWAY)
		stream_drop(old);
	else
		stream_close(old, STREAM_CONFLICT, "The session goes on elsewhere.");
}

/* What the client lacks gets numbers behind what it has: the mailbox's rows among them come anew, by themselves. */
static void
send_again(struct stream *stream)
{
	struct smacks *smacks = stream->smacks;
	struct kept *kept;

	smacks->count.sent = smacks->count.acked;
	for (kept = smacks->first; kept != NULL; kept = kept->next) {
		kept->number = ++smacks->count.sent;
		stream_write(stream, kept->bytes, kept->len);
	}
	smacks->lost = 0;
	if (smacks->first != NULL)
		ask(stream);
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
	resume_acked(stream);
	send_again(stream);
	stream->host->owner->resumed(stream->session, stream, upto);
}

/* h must count all that the old stream had taken: it waits until that is handled. */
static void
try_over(struct stream *stream)
{
	struct stream *old = find(stream, stream->resuming);

	if (old != NULL && fifo_unhandled(old->fifo) > 0 && is_resumable(old)) {
		old->yielding = true;
		return;
	}
	stream->resuming[0] = '\0';
	if (old == NULL) {
		smacks_refuse(stream, "item-not-found", NULL);
		return;
	}
	old->yielding = false;
	if (!smacks_count_acked(&old->smacks->count, stream->resuming_h))
		smacks_too_high(stream, old->smacks, stream->resuming_h);
	else if (!is_resumable(old))
		smacks_refuse(stream, "item-not-found", old->smacks);
	else
		resumed(stream, old);
	stream_later(stream);
	stream_later(old);
}

void
resume_go_on(struct stream *stream)
{
	if (stream->state == STATE_BIND && stream->resuming[0] != '\0')
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
	if (old != NULL) {
		old->yielding = false;
		stream_later(old);
	}
	for (struct stream *at = stream->host->streams; at != NULL; at = at->next)
		if (at->resuming[0] != '\0' && at != stream)
			stream_later(at);
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
	try_over(stream);
}
