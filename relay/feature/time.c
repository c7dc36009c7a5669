/*
 * feature/time.c -- the relay's clock (XEP-0202 2.0). Always in UTC with offset +00:00, so that it does not
 * tell where the machine stands.
 */
#include "config.h"

#include "relay/feature/feature_table.h"

#include <stddef.h>

#include "proto/ns.h"
#include "proto/stamp.h"
#include "proto/xml.h"
#include "relay/net/clock.h"
#include "relay/route/event.h"

static enum verdict
time_answer(struct event *event, void *state)
{
	struct xml *result = event_result(event);
	struct xml *time = xml_add(event->arena, result, "time", NS_TIME);
	char stamp[STAMP_LEN + 1];

	(void)state;
	stamp_format(stamp, now_wall());
	xml_add_leaf(event->arena, time, "tzo", NULL, "+00:00");
	xml_add_leaf(event->arena, time, "utc", NULL, stamp);
	event_reply(event, result);
	return HANDLED;
}

static const char *const disco[] = { NS_TIME, NULL };

static const struct iq_handler handlers[] = {
	{ .name = "time", .ns = NS_TIME, .types = ON_GET, .scopes = TO_HOST, .fn = time_answer },
	{ .name = NULL },
};

const struct feature feature_time = {
	.name = "time",
	.spec = "XEP-0202 2.0",
	.disco = disco,
	.iq = handlers,
};
