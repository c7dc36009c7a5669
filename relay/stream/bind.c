/*
 * stream/bind.c -- resource binding (RFC 6120 section 7), the session no-op (RFC 3921 section 3), and stanzas on their way to
 * the owner.
 *
 * DIAGNOSTICS: a stanza before binding is not-authorized and closes (RFC 6120 7.1); a second bind is not-allowed; what is
 * not a stanza is unsupported-stanza-type, a stanza in another namespace invalid-namespace.
 */
#include "config.h"

#include "relay/stream/stream-private.h"

#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/jid.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/stanza.h"
#include "proto/xml.h"
#include "relay/tally.h"

/* An iq of type set with this child, and well formed as one. */
static struct xml *
request_of(const struct xml *iq, const char *name, const char *ns)
{
	if (stanza_kind(iq) != STANZA_IQ || !iq_valid(iq) || iq_type(iq) != IQ_SET)
		return NULL;
	return xml_find(iq, name, ns);
}

static void
refuse(struct stream *stream, struct arena *arena, const struct xml *iq, enum stanza_error error, const char *text)
{
	struct xml *answer = stanza_error(arena, iq, error, text, true);

	if (answer != NULL)
		stream_send(stream, answer);
}

/* The resource asked for, prepared; NULL text: any. False: not a resource. */
static bool
wanted_resource(struct stream *stream, struct arena *arena, const struct xml *bind, const char **resource_r)
{
	const char *text = xml_child_text(arena, bind, "resource", NS_BIND);
	struct jid full;

	*resource_r = NULL;
	if (text == NULL || *text == '\0')
		return true;
	if (!jid_make(arena, stream->node, stream->host->domain, text, &full))
		return false;
	*resource_r = full.resource;
	return true;
}

enum stanza_error
bind_session(struct stream *stream, struct arena *arena, const char *wanted)
{
	enum stanza_error error = STANZA_OK;
	const char *resource = NULL;
	struct jid full;
	void *session = stream->host->owner->bound(stream->host->arg, stream, arena, stream->node, wanted, &resource,
	    &error);

	if (stream->state != STATE_BIND) /* closed meanwhile */
		return STANZA_NOT_ALLOWED;
	if (session == NULL)
		return error;
	stream->session = session;
	full = (struct jid){ .node = stream->node, .domain = stream->host->domain, .resource = resource };
	stream_who(stream, xstrdup(jid_text(arena, &full)));
	stream_enter(stream, STATE_READY);
	return STANZA_OK;
}

/* Text to the owner, address to the client. */
static void
bind_now(struct stream *stream, struct arena *arena, const struct xml *iq, const char *wanted)
{
	enum stanza_error error = bind_session(stream, arena, wanted);
	struct xml *answer, *bind;

	if (stream->state >= STATE_CLOSING)
		return;
	if (error != STANZA_OK) {
		refuse(stream, arena, iq, error, NULL);
		return;
	}
	answer = iq_result(arena, iq);
	bind = xml_add(arena, answer, "bind", NS_BIND);
	xml_add_leaf(arena, bind, "jid", NULL, stream->who);
	stream_send(stream, answer);
}

void
bind_element(struct stream *stream, struct arena *arena, struct xml *element)
{
	struct xml *bind = request_of(element, "bind", NS_BIND);
	const char *wanted;

	if (strcmp(element->ns, NS_SM) == 0) {
		smacks_element(stream, arena, element);
		return;
	}
	if (bind == NULL && request_of(element, "session", NS_SESSION) != NULL)
		stream_send(stream, iq_result(arena, element));
	else if (bind == NULL)
		stream_close(stream, STREAM_NOT_AUTHORIZED, "Bind a resource first.");
	else if (!wanted_resource(stream, arena, bind, &wanted))
		refuse(stream, arena, element, STANZA_BAD_REQUEST, "That is not a resource.");
	else
		bind_now(stream, arena, element, wanted);
	arena_free(&arena);
}

/* RFC 6120 8.1.5: who reads it elsewhere must not have to know this stream. */
static void
stamp_lang(const struct stream *stream, struct arena *arena, struct xml *stanza)
{
	struct xml_attr *attr;

	if (stream->lang == NULL || xml_attr_ns(stanza, "lang", NS_XML) != NULL)
		return;
	attr = arena_alloc(arena, sizeof *attr);
	*attr = (struct xml_attr){
		.next = stanza->attrs,
		.ns = NS_XML,
		.name = "lang",
		.value = arena_strdup(arena, stream->lang),
	};
	stanza->attrs = attr;
}

/* Bind and session again: answered here, in their turn. */
static bool
answer_here(struct stream *stream, struct arena *arena, const struct xml *stanza)
{
	bool session = request_of(stanza, "session", NS_SESSION) != NULL;
	struct slot *slot;

	if (!session && request_of(stanza, "bind", NS_BIND) == NULL)
		return false;
	slot = fifo_add(stream->fifo);
	slot_reply(slot, session ? iq_result(arena, stanza)
	                         : stanza_error(arena, stanza, STANZA_NOT_ALLOWED, "One resource a stream.", true));
	slot_done(&slot);
	return true;
}

void
bind_stanza(struct stream *stream, struct arena *arena, struct xml *element)
{
	enum stanza_kind kind = stanza_kind(element);

	if (strcmp(element->ns, NS_SM) == 0) {
		smacks_element(stream, arena, element);
		return;
	}
	if (kind == STANZA_OTHER || strcmp(element->ns, NS_CLIENT) != 0) {
		bool foreign = kind != STANZA_OTHER;

		if (!foreign && stream->host->owner->nonza(stream->session, element)) {
			arena_free(&arena);
			return;
		}

		arena_free(&arena);
		stream_close(stream, foreign ? STREAM_INVALID_NAMESPACE : STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
		return;
	}
	if (answer_here(stream, arena, element)) {
		arena_free(&arena);
		return;
	}
	tally_add(kind == STANZA_IQ ? TALLY_IQS : kind == STANZA_MESSAGE ? TALLY_MESSAGES : TALLY_PRESENCES, 1);
	if (kind != STANZA_IQ)
		stamp_lang(stream, arena, element);
	stream->host->owner->stanza(stream->session, fifo_add(stream->fifo), arena, element);
}
