/*
 * link_sm.c -- stream management of a stream: what the relay took of ours, and what we say that we took. See link_stream.h.
 *
 * Nothing is sent between <enable/> and <enabled/>, so both sides begin to count at the same stanza. What comes in between is handed out and not
 * counted: relays are free to send, as soon as a resource is bound. Counts wrap at 2^32.
 * DIAGNOSTICS: a count that is no number, or of stanzas never sent, ends the stream.
 * Spec: XEP-0198 1.6 sections 3, 4.
 */
#include "config.h"

#include "client/link_stream-private.h"

#include <stdlib.h>
#include <string.h>

#include "proto/arena.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/stanza.h"
#include "proto/xml.h"

enum { EARLY_MOST = 100 /* each bounded by the link */ };

void
stream_drop_early(struct stream *stream)
{
	while (stream->early != NULL) {
		struct early *early = stream->early;

		stream->early = early->next;
		arena_free(&early->arena);
		free(early);
	}
}

static struct xml *
expect_answer(struct stream *stream, struct arena **arena_r)
{
	struct early **last = &stream->early;
	struct xml *answer = stream_expect(stream, arena_r, NULL, NULL, "<enabled/>");

	for (size_t i = 0; i < EARLY_MOST && answer != NULL && stanza_kind(answer) != STANZA_OTHER; i++) {
		*last = xcalloc(1, sizeof **last);
		**last = (struct early){ .arena = *arena_r, .stanza = answer };
		last = &(*last)->next;
		answer = stream_expect(stream, arena_r, NULL, NULL, "<enabled/>");
	}
	return answer;
}

bool
stream_enable_sm(struct stream *stream)
{
	struct arena *arena;
	struct xml *answer;

	if (!stream->offers_sm || stream->managed || stream->config->give_back)
		return true;
	stream_send_element(stream, "enable", NS_SM, NULL);
	answer = expect_answer(stream, &arena);
	if (answer == NULL)
		return false;
	stream->managed = xml_is(answer, "enabled", NS_SM);
	if (!stream->managed && !xml_is(answer, "failed", NS_SM))
		trouble_set(stream->trouble, FAULT_PROTOCOL, "<%.40s/> instead of <enabled/>", answer->name);
	arena_free(&arena);
	return stream->trouble->fault == FAULT_NONE;
}

void
stream_want_ack(struct stream *stream)
{
	if (stream->managed)
		stream_send_element(stream, "r", NS_SM, NULL);
}

uint32_t
stream_acked(const struct stream *stream)
{
	return stream->acked;
}

uint32_t
stream_sent(const struct stream *stream)
{
	return stream->sent;
}

static void
send_a(struct stream *stream)
{
	struct arena *arena = arena_new();
	struct xml *a = xml_new(arena, "a", NS_SM);

	xml_setf(arena, a, "h", "%u", (unsigned)stream->handled);
	link_send(stream->link, a);
	stream->told = stream->handled;
	arena_free(&arena);
}

/* A decimal number below 2^32 and nothing else (attack M2). */
static bool
parse_h(const char *text, uint32_t *h_r)
{
	uint64_t value = 0;

	if (text == NULL || *text == '\0' || strlen(text) > 10)
		return false;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return false;
		value = value * 10 + (uint64_t)(*text - '0');
	}
	*h_r = (uint32_t)value;
	return value <= UINT32_MAX;
}

/* True: the count grew. */
static bool
take_a(struct stream *stream, const struct xml *a)
{
	uint32_t h, more;

	if (!parse_h(xml_attr(a, "h"), &h))
		return trouble_set(stream->trouble, FAULT_PROTOCOL, "<a/> without a count");
	more = h - stream->acked;
	if (more > stream->sent - stream->acked)
		return trouble_set(stream->trouble, FAULT_PROTOCOL, "it acknowledges %u of %u stanzas", h, stream->sent);
	stream->acked = h;
	return more > 0;
}

bool
stream_take_sm(struct stream *stream, const struct xml *element, bool *grew_r)
{
	*grew_r = false;
	if (!stream->managed)
		return false;
	if (xml_is(element, "r", NS_SM)) {
		send_a(stream);
		return true;
	}
	if (!xml_is(element, "a", NS_SM))
		return false;
	*grew_r = take_a(stream, element);
	return true;
}

uint32_t
stream_received(const struct stream *stream)
{
	return stream->received;
}

void
stream_handled(struct stream *stream, uint32_t upto, bool tell)
{
	stream->handled = upto;
	if (tell && stream->managed && stream->told != stream->handled)
		send_a(stream);
}
