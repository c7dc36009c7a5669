/*
 * feature/pubsub_publish.c -- publish an item (XEP-0060 7.1) with its preconditions (7.1.5), retract one
 * (7.2).
 */
#include "config.h"

#include "relay/feature/pubsub-private.h"

#include <string.h>

#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/digest.h"
#include "proto/form.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "proto/xmlout.h"
#include "relay/conf.h"
#include "relay/feature/avatar.h"
#include "relay/route/router.h"
#include "relay/store/read.h"

/* A publish that has passed every check. */
struct publication {
	const char *id;
	const struct xml *payload; /* NULL: none */
};

/* The one item to publish. False: refused. */
static bool
item_of(struct pubsub_request *request, struct publication *publication_r)
{
	struct event *event = request->event;
	const struct xml *item = xml_find(request->verb, "item", NS_PUBSUB);
	const char *id = item != NULL ? xml_attr(item, "id") : NULL;

	if (item == NULL) {
		pubsub_refuse(event, STANZA_BAD_REQUEST, "item-required", NULL);
		return false;
	}
	if (xml_next(item, "item", NS_PUBSUB) != NULL) {
		pubsub_refuse(event, STANZA_NOT_ALLOWED, "max-items-exceeded", NULL);
		return false;
	}
	publication_r->payload = xml_first(item);
	if (publication_r->payload == NULL) {
		pubsub_refuse(event, STANZA_BAD_REQUEST, "payload-required", NULL);
		return false;
	}
	if (xml_next(publication_r->payload, NULL, NULL) != NULL ||
	    (id != NULL && strlen(id) > PUBSUB_ITEM_NAME_MAX)) {
		pubsub_refuse(event, STANZA_BAD_REQUEST, "invalid-payload", NULL);
		return false;
	}
	if (id == NULL || id[0] == '\0') {
		char *made = arena_alloc(event->arena, ID_LEN + 1);
		random_id(made);
		id = made;
	}
	publication_r->id = id;
	return true;
}

/* Apply the preconditions to `config`, which is the node's or, for a new node, the default one. False:
 * refused. */
static bool
options_hold(struct pubsub_request *request, struct pubsub_config *config)
{
	struct event *event = request->event;
	const struct xml *options = xml_find(event->payload, "publish-options", NS_PUBSUB);
	const struct xml *form = options != NULL ? pubsub_form(options, NS_PUBSUB_PUBLISH_OPTIONS) : NULL;
	struct pubsub_config wanted = *config;
	enum config_result result;
	const char *var = "";

	if (options == NULL)
		return true;
	if (form == NULL) {
		if (xml_first(options) == NULL)
			return true;
		pubsub_refuse(event, STANZA_BAD_REQUEST, "invalid-options", NULL);
		return false;
	}
	result = pubsub_config_apply(event->arena, &wanted, form, true, &var);
	if (result == CONFIG_OK && request->node == NULL) {
		*config = wanted;
		return true;
	}
	if (result == CONFIG_OK && pubsub_config_equal(config, &wanted))
		return true;
	/* Not met, or not a field that we could check (7.1.5). */
	if (result == CONFIG_BAD_ACCESS && request->node == NULL)
		pubsub_refuse_config(event, result, var);
	else
		pubsub_refuse(event, STANZA_CONFLICT, "precondition-not-met", NULL);
	return false;
}

static void
store_item(struct event *event, const char *name, const struct pubsub_config *config,
	   const struct publication *publication)
{
	struct buf body = { .data = NULL };

	xmlout(&body, publication->payload, NULL);
	event_add(event, &(struct op){
			     .kind = OP_ITEM_SET,
			     .account = event->target->node,
			     .node = name,
			     .item = publication->id,
			     .time = event->time,
			     .publisher = jid_text(event->arena, &event->from),
			     .body = body.data,
			     .body_len = body.len,
			     .max_items = config->max_items,
			     .most = router_conf(event->router)->quota_pubsub,
			 });
	buf_free(&body);
}

static void
answer(struct pubsub_request *request, const struct publication *publication)
{
	struct arena *arena = request->event->arena;
	struct xml *pubsub, *publish, *result = pubsub_result(request->event, &pubsub);

	publish = xml_add(arena, pubsub, "publish", NULL);
	xml_set(arena, publish, "node", request->name);
	xml_set(arena, xml_add(arena, publish, "item", NULL), "id", publication->id);
	event_reply(request->event, result);
}

static void
notify(struct event *event, const char *name, const struct pubsub_config *config, const struct publication *publication)
{
	struct arena *arena = event->arena;
	struct xml *items = xml_new(arena, "items", NS_PUBSUB_EVENT);
	struct xml *item = xml_add(arena, items, "item", NULL);

	xml_set(arena, items, "node", name);
	xml_set(arena, item, "id", publication->id);
	if (config->payloads)
		xml_append(item, xml_copy(arena, publication->payload));
	pubsub_notify(event, event->target, name, config, items);
}

/* What is checked becomes so: kept, told, and seen by who looks after this node. */
static void
publish(struct event *event, const char *name, const struct pubsub_config *config,
	const struct publication *publication)
{
	if (config->persist)
		store_item(event, name, config, publication);
	notify(event, name, config, publication);
	avatar_published(event, name, publication->payload);
}

bool
pubsub_put(struct event *event, const char *name, const struct pubsub_config *fresh, const char *item,
	   const struct xml *payload)
{
	struct pubsub_node *node = account_node_find(event->target, name);
	const struct pubsub_config *config = node == NULL ? fresh : pubsub_config_of(node);
	struct publication publication = { .id = item, .payload = payload };

	if (node == NULL && account_node_count(event->target) >= PUBSUB_NODES_MAX)
		return false;
	if (node == NULL)
		account_node_set(event->target, event, name, pubsub_config_text(event->arena, config));
	publish(event, name, config, &publication);
	return true;
}

enum verdict
pubsub_publish(struct pubsub_request *request)
{
	struct event *event = request->event;
	bool fresh = request->node == NULL;
	struct pubsub_config config = fresh ? pubsub_config_default : *pubsub_config_of(request->node);
	struct publication publication;

	if (!item_of(request, &publication) || !options_hold(request, &config))
		return HANDLED;
	if (fresh &&
	    (!pubsub_may_create(event, request->name) || !pubsub_node_write(event, request->name, &config)))
		return HANDLED;
	answer(request, &publication);
	publish(event, request->name, &config, &publication);
	return HANDLED;
}

static void
retract(struct event *event, const char *name, const char *id, bool tell)
{
	const struct pubsub_config *config = pubsub_config_of(account_node_find(event->target, name));
	struct xml *items;

	event_add(event,
		  &(struct op){ .kind = OP_ITEM_DEL, .account = event->target->node, .node = name, .item = id });
	if (config->notify_retract || tell) {
		items = xml_new(event->arena, "items", NS_PUBSUB_EVENT);
		xml_set(event->arena, items, "node", name);
		xml_set(event->arena, xml_add(event->arena, items, "retract", NULL), "id", id);
		pubsub_notify(event, event->target, name, config, items);
	}
	avatar_retracted(event, name, id);
}

void
pubsub_drop(struct event *event, const char *name, const char *item)
{
	if (account_node_find(event->target, name) != NULL)
		retract(event, name, item, true);
}

/* Retract: whether there was such an item is read first, behind all earlier stanzas of the stream. */

static void
retract_found(void *arg, bool failed, const struct item_row *rows, size_t count)
{
	struct pubsub_request *request = arg;
	struct event *event = request->event;
	struct pubsub_node *node = account_node_find(request->account, request->name);
	const char *wants = xml_attr(request->verb, "notify");
	const char *id = xml_attr(xml_find(request->verb, "item", NS_PUBSUB), "id");

	(void)rows;
	if (failed) {
		event_finish(event, event_reject(event, STANZA_INTERNAL_SERVER_ERROR, NULL));
		return;
	}
	if (count == 0 || node == NULL) {
		event_finish(event, pubsub_refuse(event, STANZA_ITEM_NOT_FOUND, NULL, NULL));
		return;
	}
	event_reply_result(event);
	retract(event, request->name, id, wants != NULL && form_bool(wants) == 1);
	event_finish(event, HANDLED);
}

static void
retract_look(struct event *event, void *arg)
{
	struct pubsub_request *request = arg;

	read_items(router_store(event->router), request->account->node, request->name,
		   xml_attr(xml_find(request->verb, "item", NS_PUBSUB), "id"), 1, retract_found, request);
}

enum verdict
pubsub_retract(struct pubsub_request *request)
{
	const struct xml *item = xml_find(request->verb, "item", NS_PUBSUB);
	const char *id = item != NULL ? xml_attr(item, "id") : NULL;

	if (id == NULL || id[0] == '\0' || xml_next(item, "item", NS_PUBSUB) != NULL)
		return pubsub_refuse(request->event, STANZA_BAD_REQUEST, "item-required", NULL);
	if (!pubsub_config_of(request->node)->persist)
		return pubsub_refuse(request->event, STANZA_FEATURE_NOT_IMPLEMENTED, "unsupported",
				     "persistent-items");
	event_when_first(request->event, retract_look, request);
	return LATER;
}
