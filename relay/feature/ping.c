/*
 * feature/ping.c -- "are you there?" to the relay and to one's own account (XEP-0199 2.0.1).
 *
 * The answer leaves when all earlier stanzas of the stream are durable, so it is also a barrier
 * (route/event.h).
 */
#include "config.h"

#include "relay/feature/feature_table.h"

#include <stddef.h>

#include "proto/ns.h"
#include "relay/route/event.h"

static enum verdict
ping_answer(struct event *event, void *state)
{
	(void)state;
	event_reply_result(event);
	return HANDLED;
}

static const char *const disco[] = { NS_PING, NULL };

static const struct iq_handler handlers[] = {
	{ .name = "ping", .ns = NS_PING, .types = ON_GET, .scopes = TO_HOST | TO_SELF, .fn = ping_answer },
	{ .name = NULL },
};

const struct feature feature_ping = {
	.name = "ping",
	.spec = "XEP-0199 2.0.1",
	.disco = disco,
	.disco_account = disco,
	.iq = handlers,
};
