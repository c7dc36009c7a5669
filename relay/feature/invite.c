/*
 * feature/invite.c -- invitations to make an account (XEP-0445 0.2.0; the links are XEP-0401 0.6.0, printed
 * by lazoctl).
 *
 * Before authentication a client shows its token; it is checked, remembered for that stream and used up only
 * by the transaction that makes the account (register.c). Known tokens alone are remembered, the 256 latest;
 * a token has 128 random bits and is never logged.
 */
#include "config.h"

#include "relay/feature/invite.h"

#include <stdlib.h>
#include <string.h>

#include "proto/arena.h"
#include "proto/digest.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/stanza.h"
#include "proto/xml.h"
#include "relay/conf.h"
#include "relay/feature/feature_table.h"
#include "relay/feature/register.h"
#include "relay/net/clock.h"
#include "relay/route/event.h"
#include "relay/store/read.h"
#include "relay/stream/stream.h"

enum { TICKETS = 256, TOKEN_MAX = 128, STREAM_ID_MAX = 40 };

struct ticket {
	const struct stream *stream; /* compared with its id, never followed */
	char stream_id[STREAM_ID_MAX];
	char token[TOKEN_MAX + 1];
	char *node;
	struct invite_ticket seen; /* what invite_of gives out */
};

struct invite {
	struct router *router;
	struct ticket tickets[TICKETS];
	size_t next; /* the oldest */
};

const struct invite_ticket *
invite_of(struct router *router, const struct stream *stream)
{
	struct invite *invite = router_state(router, &feature_invite);

	for (size_t i = 0; stream != NULL && i < TICKETS; i++) {
		struct ticket *ticket = &invite->tickets[i];
		if (ticket->stream == stream && strcmp(ticket->stream_id, stream_id(stream)) == 0)
			return &ticket->seen;
	}
	return NULL;
}

static void
ticket_clear(struct ticket *ticket)
{
	free(ticket->node);
	cleanse(ticket->token, sizeof ticket->token);
	*ticket = (struct ticket){ .stream = NULL };
}

static void
remember(struct invite *invite, const struct stream *stream, const struct invite_row *row)
{
	struct ticket *ticket = &invite->tickets[invite->next];

	for (size_t i = 0; i < TICKETS; i++) /* the stream's earlier one */
		if (invite->tickets[i].stream == stream)
			ticket_clear(&invite->tickets[i]);
	invite->next = (invite->next + 1) % TICKETS;
	ticket_clear(ticket);
	ticket->stream = stream;
	strncpy(ticket->stream_id, stream_id(stream), sizeof ticket->stream_id - 1);
	strncpy(ticket->token, row->token, sizeof ticket->token - 1);
	ticket->node = row->node != NULL ? xstrdup(row->node) : NULL;
	ticket->seen =
	    (struct invite_ticket){ .token = ticket->token, .node = ticket->node, .time = now_wall() };
}

static void
token_read(void *arg, bool failed, const struct invite_row *rows, size_t count)
{
	struct event *event = arg;
	const struct stream *stream = event->slot != NULL ? slot_stream(event->slot) : NULL;
	bool good = count == 1 && !rows[0].used && (rows[0].expires == 0 || rows[0].expires > now_wall());

	if (failed || stream == NULL || event->router == NULL) {
		event_finish(event, event_reject(event, STANZA_INTERNAL_SERVER_ERROR, NULL));
		return;
	}
	if (!good) {
		event_finish(event, event_reject(event, STANZA_ITEM_NOT_FOUND,
						 "The provided token is invalid or expired"));
		return;
	}
	remember(router_state(event->router, &feature_invite), stream, &rows[0]);
	event_reply_result(event);
	event_finish(event, HANDLED);
}

static enum verdict
invite_preauth(struct event *event, void *state)
{
	struct invite *invite = state;
	const char *token;

	if (!xml_is(event->payload, "preauth", NS_PREAUTH))
		return PASS;
	if (router_conf(invite->router)->registration == REGISTRATION_CLOSED)
		return event_reject(event, STANZA_SERVICE_UNAVAILABLE, NULL);
	token = xml_attr(event->payload, "token");
	if (iq_type(event->stanza) != IQ_SET || token == NULL)
		return event_reject(event, STANZA_BAD_REQUEST, NULL);
	if (!register_may_try(invite->router, slot_stream(event->slot)))
		return event_reject(event, STANZA_RESOURCE_CONSTRAINT,
				    "Too many tries from this address; try later");
	if (token[0] == '\0' || strlen(token) > TOKEN_MAX)
		return event_reject(event, STANZA_ITEM_NOT_FOUND, "The provided token is invalid or expired");
	read_invite(router_store(invite->router), token, token_read, event);
	return LATER;
}

/* XEP-0445 section 3, and the name that XEP-0401 had for the same before 0.5, which apps in use look for. */
static void
invite_stream_features(void *state, struct arena *arena, struct xml *features, bool ready)
{
	const struct invite *invite = state;

	if (ready || router_conf(invite->router)->registration == REGISTRATION_CLOSED)
		return;
	xml_add(arena, features, "register", NS_IBR_TOKEN);
	xml_add(arena, features, "register", NS_INVITE);
}

static void *
invite_init(struct router *router)
{
	struct invite *invite = xcalloc(1, sizeof *invite);

	invite->router = router;
	return invite;
}

static void
invite_free(void *state)
{
	struct invite *invite = state;

	for (size_t i = 0; i < TICKETS; i++)
		ticket_clear(&invite->tickets[i]);
	free(invite);
}

const struct feature feature_invite = {
	.name = "invite",
	.spec = "XEP-0445 0.2.0, XEP-0401 0.6.0",
	.init = invite_init,
	.free = invite_free,
	.stream_features = invite_stream_features,
	.unauthenticated = invite_preauth,
};
