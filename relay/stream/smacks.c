/*
 * stream/smacks.c -- stream management on a client's stream (XEP-0198 1.6.3): see smacks.h for the numbers.
 *
 * h is the length of the stream's handled prefix (fifo.h): a stanza counts when it and all before it are
 * durable, so that <a/> says what a kill -9 keeps (design 3.1, attack M3). <r/> is answered when all that
 * came before it is handled, by the commit's own <a/>, one for all those that a commit satisfies; after 100
 * ms with what is handled by then, and again when it is. Our own <r/> are sent for those above who wait for
 * an acknowledgement (stream_ask).
 *
 * What was sent and not acknowledged is the mailbox's and, for sessions that may be taken up again (resume.c),
 * resume_kept.c's.
 * DIAGNOSTICS: <failed/> unexpected-request before binding; policy-violation for a second <enable/> (section 3);
 * undefined-condition with <handled-count-too-high/> (section 6); policy-violation for <a/> without a number.
 */
#include "config.h"

#include "relay/stream/smacks.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "proto/xmlout.h"
#include "relay/stream/smacks-private.h"
#include "relay/stream/stream-private.h"

enum { ANSWER_WITHIN = 100 /* ms; design 3.1 */ };

void
smacks_free(struct stream *stream)
{
	if (stream->smacks != NULL)
		kept_free(stream, stream->smacks);
	free(stream->smacks);
	stream->smacks = NULL;
}

static void
write_a(struct stream *stream)
{
	struct buf out = { .data = NULL };

	buf_printf(&out, "<a xmlns='" NS_SM "' h='%" PRIu32 "'/>", stream->smacks->count.handled);
	stream_write(stream, out.data, out.len);
	buf_free(&out);
}

/* ---- what the client sent ---- */

void
smacks_handled(struct stream *stream, bool asked)
{
	struct smacks *smacks = stream->smacks;

	if (smacks == NULL)
		return;
	if (smacks->before > 0)
		smacks->before--;
	else
		smacks->count.handled++; /* after 2^32-1 comes 0 (section 4) */
	if (asked && smacks->asked > 0) {
		smacks->asked--;
		smacks->due = true;
	}
}

void
smacks_moved(struct stream *stream)
{
	struct smacks *smacks = stream->smacks;

	if (smacks == NULL || !smacks->due)
		return;
	smacks->due = false;
	write_a(stream);
	if (smacks->asked == 0)
		stream_set_deadline(stream, DEADLINE_ACK, -1);
}

void
smacks_waited(struct stream *stream)
{
	if (stream->smacks != NULL && stream->state == STATE_READY)
		write_a(stream);
}

void
smacks_goodbye(struct stream *stream)
{
	if (stream->smacks != NULL)
		write_a(stream);
}

static void
take_r(struct stream *stream)
{
	struct smacks *smacks = stream->smacks;

	switch (fifo_ask(stream->fifo)) {
	case FIFO_NOTHING:
		write_a(stream);
		return;
	case FIFO_ASKED_AGAIN:
		break;
	case FIFO_ASKED:
		smacks->asked++;
		break;
	}
	if (stream->at[DEADLINE_ACK] == 0)
		stream_set_deadline(stream, DEADLINE_ACK, ANSWER_WITHIN);
}

/* ---- what we sent ---- */

void
smacks_sent(struct stream *stream)
{
	if (stream->smacks != NULL && stream->state == STATE_READY)
		stream->smacks->count.sent++;
}

void
smacks_too_high(struct stream *stream, const struct smacks *smacks, uint32_t h)
{
	struct buf more = { .data = NULL };

	buf_printf(&more, "<handled-count-too-high xmlns='" NS_SM "' h='%" PRIu32 "' send-count='%" PRIu32 "'/>", h,
	    (uint32_t)smacks->count.sent);
	stream_close_with(stream, STREAM_UNDEFINED_CONDITION, more.data, "That many stanzas were not sent.");
	buf_free(&more);
}

static void
take_a(struct stream *stream, const struct xml *a)
{
	struct smacks *smacks = stream->smacks;
	uint32_t h;

	if (!smacks_parse_h(xml_attr(a, "h"), &h)) {
		stream_close(stream, STREAM_POLICY_VIOLATION, "h is a number below 2^32.");
	} else if (!smacks_count_acked(&smacks->count, h)) {
		smacks_too_high(stream, smacks, h);
	} else {
		kept_acked(stream);
		stream->host->owner->acked(stream->session, smacks->count.acked);
	}
}

bool
stream_is_managed(const struct stream *stream)
{
	return stream->smacks != NULL;
}

uint64_t
stream_sent(const struct stream *stream)
{
	return stream->smacks == NULL ? 0 : stream->smacks->count.sent;
}

void
stream_ask(struct stream *stream)
{
	if (stream->smacks != NULL)
		stream_writes(stream, "<r xmlns='" NS_SM "'/>");
}

/* ---- the beginning ---- */

void
smacks_tell(struct stream *stream, const struct xml *element)
{
	struct buf out = { .data = NULL };

	if (stream->sasl != NULL) { /* asked for inside of a login: told with its success */
		bind2_resume_told(stream, element);
		return;
	}
	xmlout(&out, element, NS_CLIENT);
	stream_write(stream, out.data, out.len);
	buf_free(&out);
}

void
smacks_refuse(struct stream *stream, const char *condition, const uint32_t *h)
{
	struct arena *arena = arena_new();
	struct xml *failed = xml_new(arena, "failed", NS_SM);

	if (h != NULL)
		xml_setf(arena, failed, "h", "%" PRIu32, *h);
	xml_add(arena, failed, condition, NS_STANZA_ERRORS);
	smacks_tell(stream, failed);
	arena_free(&arena);
}

struct xml *
smacks_enable(struct stream *stream, struct arena *arena, const struct xml *enable)
{
	const char *resume = xml_attr(enable, "resume");
	struct xml *enabled = xml_new(arena, "enabled", NS_SM);

	stream->smacks = xcalloc(1, sizeof *stream->smacks);
	stream->smacks->last = &stream->smacks->first;
	stream->smacks->before = fifo_unhandled(stream->fifo);
	if (stream->host->resume > 0 && resume != NULL && (strcmp(resume, "true") == 0 || strcmp(resume, "1") == 0))
		resume_enabled(stream, arena, enable, enabled);
	return enabled;
}

void
smacks_element(struct stream *stream, struct arena *arena, struct xml *element)
{
	bool managed = stream->smacks != NULL;

	if (strcmp(element->name, "resume") == 0)
		resume_element(stream, element);
	else if (strcmp(element->name, "enable") == 0 && managed)
		stream_close(stream, STREAM_POLICY_VIOLATION, "Stream management is enabled already.");
	else if (strcmp(element->name, "enable") == 0 && stream->state == STATE_BIND)
		smacks_refuse(stream, "unexpected-request", NULL);
	else if (strcmp(element->name, "enable") == 0)
		smacks_tell(stream, smacks_enable(stream, arena, element));
	else if (managed && strcmp(element->name, "r") == 0)
		take_r(stream);
	else if (managed && strcmp(element->name, "a") == 0)
		take_a(stream, element);
	else
		stream_close(stream, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
	arena_free(&arena);
}
