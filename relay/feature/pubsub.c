/*
 * feature/pubsub.c -- personal eventing: every account is a pubsub service of its owner (XEP-0060 1.30.0 as
 * profiled by XEP-0163 1.2.2).
 *
 * Here: the table of requests, the checks that they share, errors, discovery. The requests themselves are in
 * pubsub_*.c. Promises: one publisher a node, its owner (0163 3.2); who may read is decided in
 * pubsub_access.c alone; what is acknowledged is on disk, with its node's configuration, in one transaction;
 * nodes, items, names and answers are bounded; an error echoes the request, because clients tell by it which
 * of their requests failed (profanity's first OMEMO device list). Subscriptions are those of presence and
 * caps (XEP-0060 9.1, 9.2). Explicit ones are refused as not implemented, and not announced.
 */
#include "config.h"

#include "relay/feature/pubsub-private.h"

#include <string.h>

#include "proto/arena.h"
#include "proto/form.h"
#include "proto/ns.h"
#include "proto/stanza.h"
#include "proto/xml.h"
#include "proto/xmlin.h"
#include "relay/feature/feature_table.h"
#include "relay/route/session.h"
#include "relay/store/read.h"

enum {
	NODE_NAMED = 1,  /* bad-request, nodeid-required without a node */
	NODE_EXISTS = 2, /* and item-not-found unless it exists */
	OWNER = 4,       /* forbidden for anyone else */
	READER = 8,      /* only who may read the node */
};

struct verb {
	const char *name, *ns;
	unsigned type; /* ON_GET or ON_SET */
	unsigned needs;
	enum verdict (*fn)(struct pubsub_request *request);
};

/* The first child that is in the table decides; the others (publish-options, configure beside create) belong
 * to it. */
static const struct verb verbs[] = {
	{ "publish", NS_PUBSUB, ON_SET, OWNER | NODE_NAMED, pubsub_publish },
	{ "retract", NS_PUBSUB, ON_SET, OWNER | NODE_EXISTS, pubsub_retract },
	{ "create", NS_PUBSUB, ON_SET, OWNER, pubsub_create },
	{ "items", NS_PUBSUB, ON_GET, NODE_EXISTS | READER, pubsub_items },
	{ "subscribe", NS_PUBSUB, ON_SET, NODE_EXISTS | READER, pubsub_subscribe },
	{ "unsubscribe", NS_PUBSUB, ON_SET, NODE_EXISTS, pubsub_unsubscribe },
	{ "subscriptions", NS_PUBSUB, ON_GET, 0, pubsub_subscriptions_own },
	{ "affiliations", NS_PUBSUB, ON_GET, 0, pubsub_affiliations_own },
	{ "configure", NS_PUBSUB_OWNER, ON_GET, OWNER | NODE_EXISTS, pubsub_configure },
	{ "configure", NS_PUBSUB_OWNER, ON_SET, OWNER | NODE_EXISTS, pubsub_configure_set },
	{ "default", NS_PUBSUB_OWNER, ON_GET, 0, pubsub_default },
	{ "delete", NS_PUBSUB_OWNER, ON_SET, OWNER | NODE_EXISTS, pubsub_delete },
	{ "purge", NS_PUBSUB_OWNER, ON_SET, OWNER | NODE_EXISTS, pubsub_purge },
	{ "affiliations", NS_PUBSUB_OWNER, ON_GET, OWNER | NODE_EXISTS, pubsub_affiliations },
	{ "affiliations", NS_PUBSUB_OWNER, ON_SET, OWNER | NODE_EXISTS, pubsub_affiliations_set },
	{ "subscriptions", NS_PUBSUB_OWNER, ON_GET, OWNER | NODE_EXISTS, pubsub_subscriptions },
	{ "subscriptions", NS_PUBSUB_OWNER, ON_SET, OWNER | NODE_EXISTS, pubsub_subscriptions_set },
};

/* Refusals. */

enum verdict
pubsub_refuse(struct event *event, enum stanza_error error, const char *condition, const char *feature)
{
	struct xml *reply = stanza_error(event->arena, event->stanza, error, NULL, true);
	struct xml *node = xml_find(reply, "error", NULL);

	if (condition != NULL) {
		struct xml *special = xml_add(event->arena, node, condition, NS_PUBSUB_ERRORS);
		xml_set(event->arena, special, "feature", feature);
	}
	event_reply(event, reply);
	return HANDLED;
}

enum verdict
pubsub_refuse_config(struct event *event, enum config_result why, const char *var)
{
	struct xml *reply, *node;

	if (why == CONFIG_BAD_ACCESS) /* 8.1.3: also `authorize` */
		return pubsub_refuse(event, STANZA_NOT_ACCEPTABLE, "unsupported-access-model", NULL);
	reply = stanza_error(event->arena, event->stanza, STANZA_NOT_ACCEPTABLE,
			     arena_printf(event->arena, "%s: this value is not supported", var), true);
	node = xml_find(reply, "error", NULL);
	xml_add(event->arena, node, "invalid-options", NS_PUBSUB_ERRORS);
	event_reply(event, reply);
	return HANDLED;
}

static enum verdict
refuse_reader(struct event *event, enum pubsub_right right)
{
	switch (right) {
	case RIGHT_NEEDS_PRESENCE:
		return pubsub_refuse(event, STANZA_NOT_AUTHORIZED, "presence-subscription-required", NULL);
	case RIGHT_NOT_IN_GROUP:
		return pubsub_refuse(event, STANZA_NOT_AUTHORIZED, "not-in-roster-group", NULL);
	case RIGHT_CLOSED:
		return pubsub_refuse(event, STANZA_NOT_ALLOWED, "closed-node", NULL);
	case RIGHT_OUTCAST:
	case RIGHT_READ:
		break;
	}
	return pubsub_refuse(event, STANZA_FORBIDDEN, NULL, NULL);
}

/* Rights. */

bool
pubsub_is_hidden(const char *node)
{
	return node != NULL && strncmp(node, PUBSUB_HIDDEN, sizeof PUBSUB_HIDDEN - 1) == 0;
}

enum pubsub_right
pubsub_right_of(const struct account *account, struct pubsub_node *node, const char *bare, bool owner)
{
	const struct roster_item *item = owner ? NULL : account_roster_find(account, bare);
	struct pubsub_asker asker = {
		.owner = owner,
		.flags = item != NULL ? item->flags : 0,
		.groups = item != NULL ? item->groups : NULL,
		.bare = bare,
	};

	return pubsub_right(pubsub_config_of(node), &asker);
}

enum pubsub_right
pubsub_event_right(struct event *event, struct pubsub_node *node)
{
	return pubsub_right_of(event->target, node, jid_bare_text(event->arena, &event->from),
			       account_is_self(event->target, &event->from));
}

/* Dispatch. */

static const struct verb *
verb_find(struct event *event, const struct xml **element_r)
{
	unsigned type = iq_type(event->stanza) == IQ_GET ? ON_GET : ON_SET;

	for (const struct xml *child = xml_first(event->payload); child != NULL;
	     child = xml_next(child, NULL, NULL)) {
		for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
			if (xml_is(child, verbs[i].name, verbs[i].ns) && verbs[i].type == type) {
				*element_r = child;
				return &verbs[i];
			}
		}
	}
	return NULL;
}

static enum verdict
check(struct pubsub_request *request, const struct verb *verb)
{
	struct event *event = request->event;
	enum pubsub_right right;

	if ((verb->needs & OWNER) != 0 && !request->owner)
		return pubsub_refuse(event, STANZA_FORBIDDEN, NULL, NULL);
	if ((verb->needs & (NODE_NAMED | NODE_EXISTS)) != 0 && request->name == NULL)
		return pubsub_refuse(event, STANZA_BAD_REQUEST, "nodeid-required", NULL);
	if ((verb->needs & NODE_EXISTS) != 0 && request->node == NULL)
		return pubsub_refuse(event, STANZA_ITEM_NOT_FOUND, NULL, NULL);
	right = (verb->needs & READER) != 0 ? pubsub_event_right(event, request->node) : RIGHT_READ;
	return right == RIGHT_READ ? PASS : refuse_reader(event, right);
}

static enum verdict
pubsub_iq(struct event *event, void *state)
{
	struct pubsub_request *request = arena_alloc(event->arena, sizeof *request);
	const struct verb *verb;
	enum verdict verdict;

	(void)state;
	if (event->target == NULL) /* RFC 6121 8.5.1: no such account */
		return event_reject(event, STANZA_SERVICE_UNAVAILABLE, NULL);
	verb = verb_find(event, &request->verb);
	if (verb == NULL || pubsub_is_hidden(xml_attr(request->verb, "node")))
		return pubsub_refuse(event, verb == NULL ? STANZA_FEATURE_NOT_IMPLEMENTED : STANZA_NOT_ALLOWED, NULL, NULL);
	request->event = event;
	request->account = event->target;
	request->owner = account_is_self(event->target, &event->from);
	request->name = xml_attr(request->verb, "node");
	if (request->name != NULL && request->name[0] == '\0')
		request->name = NULL;
	request->node = request->name != NULL ? account_node_find(event->target, request->name) : NULL;
	verdict = check(request, verb);
	return verdict == PASS ? verb->fn(request) : verdict;
}

/* Shared by the requests. */

struct xml *
pubsub_result(struct event *event, struct xml **pubsub_r)
{
	struct xml *result = event_result(event);

	*pubsub_r = xml_add(event->arena, result, "pubsub", event->payload->ns);
	return result;
}

const struct xml *
pubsub_form(const struct xml *parent, const char *form_type)
{
	const struct xml *form = form_find(parent, form_type);
	const char *type = form != NULL ? xml_attr(form, "type") : NULL;

	return type != NULL && strcmp(type, "submit") == 0 ? form : NULL;
}

bool
pubsub_may_create(struct event *event, const char *name)
{
	if (strlen(name) > PUBSUB_NODE_NAME_MAX) {
		pubsub_refuse(event, STANZA_NOT_ACCEPTABLE, NULL, NULL);
		return false;
	}
	if (account_node_count(event->target) >= PUBSUB_NODES_MAX) {
		pubsub_refuse(event, STANZA_CONFLICT, "max-nodes-exceeded", NULL);
		return false;
	}
	return true;
}

bool
pubsub_node_write(struct event *event, const char *name, const struct pubsub_config *config)
{
	const char *text = pubsub_config_text(event->arena, config);

	if (strlen(text) > PUBSUB_CONFIG_MAX) {
		pubsub_refuse(event, STANZA_NOT_ACCEPTABLE, "invalid-options", NULL);
		return false;
	}
	account_node_set(event->target, event, name, text);
	return true;
}

struct xml *
pubsub_payload(struct arena *arena, const char *body, size_t len)
{
	enum stream_error error;

	return xmlin_parse(arena, body, len, &xmlin_limits_stored, &error);
}

/* Discovery. */

bool
pubsub_disco_info(struct event *event, const char *name, struct xml *query)
{
	struct pubsub_node *node = account_node_find(event->target, name);
	const struct pubsub_config *config;
	struct xml *identity, *form;

	if (node == NULL || pubsub_is_hidden(name) || pubsub_event_right(event, node) != RIGHT_READ)
		return false;
	config = pubsub_config_of(node);
	identity = xml_add(event->arena, query, "identity", NULL);
	xml_set(event->arena, identity, "category", "pubsub");
	xml_set(event->arena, identity, "type", "leaf");
	xml_set(event->arena, xml_add(event->arena, query, "feature", NULL), "var", NS_PUBSUB);
	form = form_new(event->arena, query, "result", "http://jabber.org/protocol/pubsub#meta-data");
	form_field(event->arena, form, "pubsub#title", "text-single", NULL, config->title);
	form_field(event->arena, form, "pubsub#description", "text-single", NULL, config->description);
	form_field(event->arena, form, "pubsub#type", "text-single", NULL, config->type);
	form_field(event->arena, form, "pubsub#owner", "jid-multi", NULL, event->target->jid);
	return true;
}

void
pubsub_disco_items(struct event *event, struct xml *query)
{
	for (size_t i = 0; i < account_node_count(event->target); i++) {
		struct pubsub_node *node = account_node_at(event->target, i);
		struct xml *item;
		if (pubsub_is_hidden(node->name) || pubsub_event_right(event, node) != RIGHT_READ)
			continue;
		item = xml_add(event->arena, query, "item", NULL);
		xml_set(event->arena, item, "jid", event->target->jid);
		xml_set(event->arena, item, "node", node->name);
		if (pubsub_config_of(node)->title[0] != '\0')
			xml_set(event->arena, item, "name", pubsub_config_of(node)->title);
	}
}

/* Hooks. */

static enum verdict
pubsub_available(struct event *event, void *state)
{
	(void)state;
	if (event->origin != NULL)
		pubsub_greet(event->origin, NULL);
	return PASS;
}

static void
pubsub_roster_changed(void *state, struct account *account, const char *contact, unsigned before,
		      unsigned after)
{
	(void)state;
	if ((before & ROSTER_FROM) == 0 && (after & ROSTER_FROM) != 0)
		pubsub_greet_contact(account, contact);
}

#define PUBSUB_FEATURE(name) NS_PUBSUB "#" name
static const char *const disco_account[] = {
	NS_PUBSUB,
	NS_PUBSUB_OWNER,
	PUBSUB_FEATURE("access-open"),
	PUBSUB_FEATURE("access-presence"),
	PUBSUB_FEATURE("access-roster"),
	PUBSUB_FEATURE("access-whitelist"),
	PUBSUB_FEATURE("auto-create"),
	PUBSUB_FEATURE("auto-subscribe"),
	PUBSUB_FEATURE("config-node"),
	PUBSUB_FEATURE("config-node-max"),
	PUBSUB_FEATURE("create-and-configure"),
	PUBSUB_FEATURE("create-nodes"),
	PUBSUB_FEATURE("delete-items"),
	PUBSUB_FEATURE("delete-nodes"),
	PUBSUB_FEATURE("filtered-notifications"),
	PUBSUB_FEATURE("instant-nodes"),
	PUBSUB_FEATURE("item-ids"),
	PUBSUB_FEATURE("last-published"),
	PUBSUB_FEATURE("member-affiliation"),
	PUBSUB_FEATURE("meta-data"),
	PUBSUB_FEATURE("modify-affiliations"),
	PUBSUB_FEATURE("multi-items"),
	PUBSUB_FEATURE("outcast-affiliation"),
	PUBSUB_FEATURE("persistent-items"),
	PUBSUB_FEATURE("presence-notifications"),
	PUBSUB_FEATURE("publish"),
	PUBSUB_FEATURE("publish-options"),
	PUBSUB_FEATURE("purge-nodes"),
	PUBSUB_FEATURE("retract-items"),
	PUBSUB_FEATURE("retrieve-affiliations"),
	PUBSUB_FEATURE("retrieve-default"),
	PUBSUB_FEATURE("retrieve-items"),
	NS_RSM,
	NULL,
};

/* Of the host too: profanity looks here before it asks for open nodes, and without them nobody could fetch
 * its OMEMO keys. */
static const char *const disco[] = { PUBSUB_FEATURE("publish"), PUBSUB_FEATURE("publish-options"), NULL };

static const struct iq_handler handlers[] = {
	{ .name = "pubsub",
	  .ns = NS_PUBSUB,
	  .types = ON_GET | ON_SET,
	  .scopes = TO_SELF | TO_ACCOUNT,
	  .fn = pubsub_iq },
	{ .name = "pubsub",
	  .ns = NS_PUBSUB_OWNER,
	  .types = ON_GET | ON_SET,
	  .scopes = TO_SELF | TO_ACCOUNT,
	  .fn = pubsub_iq },
	{ .name = NULL },
};

static const struct hook hooks[] = {
	{ .point = POINT_AVAILABLE, .order = ORDER_DELIVER, .fn = pubsub_available },
	{ .point = POINT_NONE },
};

const struct feature feature_pubsub = {
	.name = "pubsub",
	.spec = "XEP-0060 1.30.0, XEP-0163 1.2.2",
	.disco = disco,
	.disco_account = disco_account,
	.iq = handlers,
	.hooks = hooks,
	.roster_changed = pubsub_roster_changed,
};
