/*
 * feature/disco.c -- service discovery of the host and of accounts (XEP-0030 2.5.0), derived from the feature
 * table.
 *
 * Promises: nothing is announced that no feature implements; an account's info goes only to its owner and to
 * contacts who may see its presence, so that addresses cannot be harvested (section 8); its items are the
 * pubsub nodes that the asker may read; no resource is ever listed. An account that shows the asker nothing
 * and one that does not exist give the same service-unavailable.
 */
#include "config.h"

#include "relay/feature/disco.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "proto/arena.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "relay/feature/caps.h"
#include "relay/feature/feature_table.h"
#include "relay/feature/pubsub.h"
#include "relay/route/account.h"
#include "relay/route/event.h"
#include "relay/route/router.h"
#include "relay/store/txn.h"
#include "relay/version.h"

enum { FEATURES_MAX = 256 }; /* namespaces that all features together announce */

struct names {
	const char *list[FEATURES_MAX];
	size_t count;
};

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void
collect(struct names *names, const char *const *more)
{
	for (; more != NULL && *more != NULL && names->count < FEATURES_MAX; more++)
		names->list[names->count++] = *more;
}

static void
add_features(struct arena *arena, struct xml *query, struct names *names)
{
	qsort(names->list, names->count, sizeof names->list[0], by_text);
	for (size_t i = 0; i < names->count; i++) {
		if (i > 0 && strcmp(names->list[i], names->list[i - 1]) == 0)
			continue; /* XEP-0115 5.4: a feature said twice makes the whole answer ill-formed */
		xml_set(arena, xml_add(arena, query, "feature", NULL), "var", names->list[i]);
	}
}

static void
add_identity(struct arena *arena, struct xml *query, const char *category, const char *type, const char *name)
{
	struct xml *identity = xml_add(arena, query, "identity", NULL);

	xml_set(arena, identity, "category", category);
	xml_set(arena, identity, "type", type);
	xml_set(arena, identity, "name", name);
}

void
disco_host_info(struct router *router, struct arena *arena, struct xml *query)
{
	struct names names = { .count = 0 };

	add_identity(arena, query, "server", "im", LAZO_NAME);
	for (const struct feature *const *feature = router_features(router); *feature != NULL; feature++)
		collect(&names, (*feature)->disco);
	add_features(arena, query, &names);
	for (const struct feature *const *feature = router_features(router); *feature != NULL; feature++)
		if ((*feature)->disco_more != NULL)
			(*feature)->disco_more(router_state(router, *feature), arena, query);
}

static void
account_info(struct event *event, struct xml *query)
{
	struct names names = { .count = 0 };

	add_identity(event->arena, query, "account", "registered", NULL);
	add_identity(event->arena, query, "pubsub", "pep", NULL);
	for (const struct feature *const *feature = router_features(event->router); *feature != NULL;
	     feature++)
		collect(&names, (*feature)->disco_account);
	add_features(event->arena, query, &names);
}

/* The result with its query, which mirrors the node asked for (3.2). */
static struct xml *
result_query(struct event *event, struct xml *result, const char *ns)
{
	struct xml *query = xml_add(event->arena, result, "query", ns);

	xml_set(event->arena, query, "node", xml_attr(event->payload, "node"));
	return query;
}

static enum verdict
host_info(struct event *event, void *state)
{
	struct xml *result = event_result(event);
	struct xml *query = result_query(event, result, NS_DISCO_INFO);
	const char *node = xml_attr(event->payload, "node");

	(void)state;
	if (node != NULL && !caps_is_own_node(event->router, node))
		return event_reject(event, STANZA_ITEM_NOT_FOUND, NULL);
	disco_host_info(event->router, event->arena, query);
	event_reply(event, result);
	return HANDLED;
}

static enum verdict
host_items(struct event *event, void *state)
{
	struct xml *result = event_result(event);

	(void)state;
	if (xml_attr(event->payload, "node") != NULL)
		return event_reject(event, STANZA_ITEM_NOT_FOUND, NULL);
	result_query(event, result, NS_DISCO_ITEMS);
	event_reply(event, result);
	return HANDLED;
}

static bool
sees_account(const struct event *event)
{
	return event->target != NULL && (account_is_self(event->target, &event->from) ||
					 (account_flags(event->target, &event->from) & ROSTER_FROM) != 0);
}

static enum verdict
account_disco_info(struct event *event, void *state)
{
	struct xml *result, *query;
	const char *node = xml_attr(event->payload, "node");

	(void)state;
	if (event->target == NULL || (node == NULL && !sees_account(event)))
		return event_reject(event, STANZA_SERVICE_UNAVAILABLE, NULL);
	result = event_result(event);
	query = result_query(event, result, NS_DISCO_INFO);
	if (node == NULL)
		account_info(event, query);
	else if (!pubsub_disco_info(event, node, query))
		return event_reject(
		    event, sees_account(event) ? STANZA_ITEM_NOT_FOUND : STANZA_SERVICE_UNAVAILABLE, NULL);
	event_reply(event, result);
	return HANDLED;
}

static enum verdict
account_disco_items(struct event *event, void *state)
{
	struct xml *result = event_result(event);
	struct xml *query = result_query(event, result, NS_DISCO_ITEMS);
	const char *node = xml_attr(event->payload, "node");

	(void)state;
	if (event->target != NULL && node != NULL)
		return pubsub_disco_node_items(event, node, result, query);
	if (event->target != NULL)
		pubsub_disco_items(event, query);
	if (!sees_account(event) && xml_first(query) == NULL) /* as if there were no such account */
		return event_reject(event, STANZA_SERVICE_UNAVAILABLE, NULL);
	event_reply(event, result);
	return HANDLED;
}

static const char *const disco[] = { NS_DISCO_INFO, NS_DISCO_ITEMS, NULL };

static const struct iq_handler handlers[] = {
	{ .name = "query", .ns = NS_DISCO_INFO, .types = ON_GET, .scopes = TO_HOST, .fn = host_info },
	{ .name = "query", .ns = NS_DISCO_ITEMS, .types = ON_GET, .scopes = TO_HOST, .fn = host_items },
	{ .name = "query",
	  .ns = NS_DISCO_INFO,
	  .types = ON_GET,
	  .scopes = TO_SELF | TO_ACCOUNT,
	  .fn = account_disco_info },
	{ .name = "query",
	  .ns = NS_DISCO_ITEMS,
	  .types = ON_GET,
	  .scopes = TO_SELF | TO_ACCOUNT,
	  .fn = account_disco_items },
	{ .name = NULL },
};

const struct feature feature_disco = {
	.name = "disco",
	.spec = "XEP-0030 2.5.0",
	.disco = disco,
	.disco_account = disco,
	.iq = handlers,
};
