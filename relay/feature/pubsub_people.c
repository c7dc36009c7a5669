/*
 * feature/pubsub_people.c -- affiliations (XEP-0060 5.7, 8.9) and subscriptions (5.6, 6.1, 6.2, 8.8).
 *
 * Affiliations are the owner's lists of members (may read a whitelist node) and outcasts (may read nothing),
 * part of the node's configuration. Subscriptions are implied by presence and caps; a list of explicit ones
 * is always empty and subscribing says so.
 */
#include "config.h"

#include "relay/feature/pubsub-private.h"

#include <string.h>

#include "proto/arena.h"
#include "proto/ns.h"
#include "proto/xml.h"

static void
add_affiliation(struct arena *arena, struct xml *parent, const char *attr, const char *who,
		const char *affiliation)
{
	struct xml *node = xml_add(arena, parent, "affiliation", NULL);

	xml_set(arena, node, attr, who);
	xml_set(arena, node, "affiliation", affiliation);
}

static void
add_list(struct arena *arena, struct xml *parent, const char *list, const char *affiliation)
{
	for (const char *end; (end = strchr(list, '\n')) != NULL; list = end + 1)
		add_affiliation(arena, parent, "jid", arena_strndup(arena, list, (size_t)(end - list)),
				affiliation);
}

/* One's own affiliations with the account's nodes (5.7). Outcasts are not told of nodes that they cannot see.
 */
enum verdict
pubsub_affiliations_own(struct pubsub_request *request)
{
	struct event *event = request->event;
	struct arena *arena = event->arena;
	const char *bare = jid_bare_text(arena, &event->from);
	struct xml *pubsub, *list, *result = pubsub_result(event, &pubsub);

	list = xml_add(arena, pubsub, "affiliations", NULL);
	xml_set(arena, list, "node", request->name);
	for (size_t i = 0; i < account_node_count(request->account); i++) {
		struct pubsub_node *node = account_node_at(request->account, i);
		if (pubsub_is_hidden(node->name) || (request->name != NULL && strcmp(request->name, node->name) != 0))
			continue;
		if (request->owner)
			add_affiliation(arena, list, "node", node->name, "owner");
		else if (pubsub_list_has(pubsub_config_of(node)->members, bare))
			add_affiliation(arena, list, "node", node->name, "member");
	}
	event_reply(event, result);
	return HANDLED;
}

/* Everyone's affiliations with one node, for its owner (8.9.1). */
enum verdict
pubsub_affiliations(struct pubsub_request *request)
{
	struct arena *arena = request->event->arena;
	const struct pubsub_config *config = pubsub_config_of(request->node);
	struct xml *pubsub, *list, *result = pubsub_result(request->event, &pubsub);

	list = xml_add(arena, pubsub, "affiliations", NULL);
	xml_set(arena, list, "node", request->name);
	add_affiliation(arena, list, "jid", request->account->jid, "owner");
	add_list(arena, list, config->members, "member");
	add_list(arena, list, config->outcasts, "outcast");
	event_reply(request->event, result);
	return HANDLED;
}

/* One change. False: an address that is none, the owner's own, or an affiliation that we do not have. */
static bool
affiliate(struct arena *arena, const struct account *account, struct pubsub_config *config,
	  const struct xml *change)
{
	const char *affiliation = xml_attr(change, "affiliation"), *bare;
	struct jid jid;

	if (affiliation == NULL || !jid_parse_text(arena, xml_attr(change, "jid"), &jid))
		return false;
	bare = jid_bare_text(arena, &jid);
	if (strcmp(bare, account->jid) == 0)
		return strcmp(affiliation, "owner") == 0;
	config->members = pubsub_list_remove(arena, config->members, bare);
	config->outcasts = pubsub_list_remove(arena, config->outcasts, bare);
	if (strcmp(affiliation, "member") == 0)
		config->members = pubsub_list_add(arena, config->members, bare);
	else if (strcmp(affiliation, "outcast") == 0)
		config->outcasts = pubsub_list_add(arena, config->outcasts, bare);
	else
		return strcmp(affiliation, "none") == 0;
	return true;
}

/* Change them (8.9.2): all or nothing. */
enum verdict
pubsub_affiliations_set(struct pubsub_request *request)
{
	struct event *event = request->event;
	struct pubsub_config config = *pubsub_config_of(request->node);

	for (const struct xml *change = xml_find(request->verb, "affiliation", NS_PUBSUB_OWNER);
	     change != NULL; change = xml_next(change, "affiliation", NS_PUBSUB_OWNER))
		if (!affiliate(event->arena, request->account, &config, change))
			return pubsub_refuse(event, STANZA_NOT_ACCEPTABLE, NULL, NULL);
	if (!pubsub_node_write(event, request->name, &config))
		return HANDLED;
	event_reply_result(event);
	return HANDLED;
}

static enum verdict
no_subscriptions(struct pubsub_request *request)
{
	struct xml *pubsub, *list, *result = pubsub_result(request->event, &pubsub);

	list = xml_add(request->event->arena, pubsub, "subscriptions", NULL);
	xml_set(request->event->arena, list, "node", request->name);
	event_reply(request->event, result);
	return HANDLED;
}

enum verdict
pubsub_subscriptions_own(struct pubsub_request *request)
{
	return no_subscriptions(request);
}

enum verdict
pubsub_subscriptions(struct pubsub_request *request)
{
	return no_subscriptions(request);
}

enum verdict
pubsub_subscriptions_set(struct pubsub_request *request)
{
	return pubsub_refuse(request->event, STANZA_FEATURE_NOT_IMPLEMENTED, "unsupported",
			     "manage-subscriptions");
}

enum verdict
pubsub_subscribe(struct pubsub_request *request)
{
	return pubsub_refuse(request->event, STANZA_FEATURE_NOT_IMPLEMENTED, "unsupported", "subscribe");
}

enum verdict
pubsub_unsubscribe(struct pubsub_request *request)
{
	return pubsub_refuse(request->event, STANZA_UNEXPECTED_REQUEST, "not-subscribed", NULL);
}
