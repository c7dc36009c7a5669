/*
 * event_reply.c -- what an event says to its origin and to others: replies, errors, sendings. See event.h.
 *
 * All of it waits among the after-functions for the commit and its turn. Before authentication there is no
 * session to write to: such replies are trees, given to the slot. What was refused comes back with its
 * error unless it is large.
 */
#include "config.h"

#include "relay/route/event.h"

#include <string.h>
#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "proto/xmlout.h"
#include "relay/route/route-private.h"
#include "relay/stream/stream.h"

enum { ECHO_MOST = 16 * 1024 /* bytes of a refused stanza that come back in the error */ };

struct sending {
	struct session *to; /* referenced; NULL: the origin at that time */
	char *bytes;
	size_t len;
	const struct xml *tree; /* before authentication */
	const struct xml *away; /* to another relay's user */
};

static struct event_body *
body_of(struct event *event)
{
	return (struct event_body *)event;
}

static void
send_now(struct event *event, void *arg)
{
	struct sending *sending = arg;

	if (sending->tree != NULL)
		return; /* complete() has given it to the slot */
	if (sending->away != NULL) {
		router_send(event->router, sending->away);
		return;
	}
	if (sending->to != NULL)
		session_send_bytes(sending->to, sending->bytes, sending->len);
	else if (event->origin != NULL && event->origin->stream != NULL)
		/* Its own answers: bounded by how many stanzas a stream may have unhandled, and by the
		 * stream's own limit. */
		stream_send_bytes(event->origin->stream, sending->bytes, sending->len);
	session_unref(&sending->to);
}

static struct sending *
sending_new(struct event *event, struct session *to, const struct xml *stanza)
{
	struct sending *sending = arena_alloc(event->arena, sizeof *sending);
	struct buf buf = { 0 };

	if (event->foreign && to == NULL) {
		sending->away = xml_copy(event->arena, stanza);
		return sending;
	}
	if (body_of(event)->unauthenticated && to == NULL) {
		sending->tree = xml_copy(event->arena, stanza);
		return sending;
	}
	xmlout(&buf, stanza, NS_CLIENT);
	sending->to = to == NULL ? NULL : session_ref(to);
	sending->bytes = arena_strndup(event->arena, buf.data, buf.len);
	sending->len = buf.len;
	buf_free(&buf);
	return sending;
}

void
event_send(struct event *event, struct session *to, const struct xml *stanza)
{
	event_after(event, send_now, sending_new(event, to, stanza));
}

void
event_reply(struct event *event, const struct xml *stanza)
{
	event_after(event, send_now, sending_new(event, NULL, stanza));
}

struct xml *
event_result(struct event *event)
{
	return iq_result(event->arena, event->stanza);
}

void
event_reply_result(struct event *event)
{
	event_reply(event, event_result(event));
}

/* Bytes of text and values, about; stops counting above `most`. Trees are at most 64 deep (xmlin.h). */
static size_t
weight(const struct xml *node, size_t most)
{
	size_t sum = node->len;

	for (const struct xml_attr *attr = node->attrs; attr != NULL; attr = attr->next)
		sum += strlen(attr->value);
	for (const struct xml *child = node->first; child != NULL && sum <= most; child = child->next)
		sum += sizeof *child + weight(child, most - sum);
	return sum;
}

/* The error, from an address that can stand there: a `to` that is none is not given back as our `from`.
 * What was refused comes back with it (RFC 6120 8.3.1 leaves that to us) unless it is large, or refused
 * for want of room. */
static struct xml *
error_for(struct event *event, enum stanza_error error, const char *text)
{
	bool echo = error != STANZA_RESOURCE_CONSTRAINT && weight(event->stanza, ECHO_MOST) <= ECHO_MOST;
	struct xml *reply = stanza_error(event->arena, event->stanza, error, text, echo);

	if (reply != NULL && event->to.domain == NULL && xml_attr(event->stanza, "to") != NULL)
		xml_set(event->arena, reply, "from", event->router->domain);
	return reply;
}

void
event_reply_error(struct event *event, enum stanza_error error, const char *text)
{
	const struct xml *reply = error_for(event, error, text);

	if (reply != NULL)
		event_reply(event, reply);
}

enum verdict
event_reject(struct event *event, enum stanza_error error, const char *text)
{
	body_of(event)->error = error_for(event, error, text);
	return REJECTED;
}

enum verdict
event_reject_with(struct event *event, enum stanza_error error, const char *name, const char *ns,
		  const char *text)
{
	struct xml *reply = error_for(event, error, text), *box;

	if (reply != NULL && (box = xml_find(reply, "error", NULL)) != NULL)
		xml_add(event->arena, box, name, ns);
	body_of(event)->error = reply;
	return REJECTED;
}

void
event_reply_to_slot(event_after_fn *fn, void *arg, struct slot *slot)
{
	const struct sending *sending = arg;

	if (fn == send_now && sending->tree != NULL)
		slot_reply(slot, sending->tree);
}

void
event_reply_drop(event_after_fn *fn, void *arg)
{
	struct sending *sending = arg;

	if (fn == send_now)
		session_unref(&sending->to);
}
