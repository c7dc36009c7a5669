/*
 * feature/version.c -- which software this is (XEP-0092 1.1). Says nothing about the machine: <os/> is
 * optional and helps attackers first.
 */
#include "config.h"

#include "relay/feature/feature_table.h"

#include <stddef.h>

#include "proto/ns.h"
#include "proto/xml.h"
#include "relay/route/event.h"
#include "relay/version.h"

static enum verdict
version_answer(struct event *event, void *state)
{
	struct xml *result = event_result(event);
	struct xml *query = xml_add(event->arena, result, "query", NS_VERSION);

	(void)state;
	xml_add_leaf(event->arena, query, "name", NULL, LAZO_NAME);
	xml_add_leaf(event->arena, query, "version", NULL, LAZO_VERSION);
	event_reply(event, result);
	return HANDLED;
}

static const char *const disco[] = { NS_VERSION, NULL };

static const struct iq_handler handlers[] = {
	{ .name = "query", .ns = NS_VERSION, .types = ON_GET, .scopes = TO_HOST, .fn = version_answer },
	{ .name = NULL },
};

const struct feature feature_version = {
	.name = "version",
	.spec = "XEP-0092 1.1",
	.disco = disco,
	.iq = handlers,
};
