/*
 * feature/pubsub_owner.c -- what the owner does with whole nodes: create, configure, delete, purge
 * (XEP-0060 8.1 to 8.5).
 */
#include "config.h"

#include "relay/feature/pubsub-private.h"

#include <string.h>

#include "proto/arena.h"
#include "proto/digest.h"
#include "proto/form.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "relay/feature/avatar.h"

/* Create (8.1), with configuration (8.1.3), under a name of our making when none is given. */
enum verdict
pubsub_create(struct pubsub_request *request)
{
	struct event *event = request->event;
	struct arena *arena = event->arena;
	const struct xml *configure = xml_find(event->payload, "configure", NS_PUBSUB);
	const struct xml *form = configure != NULL ? pubsub_form(configure, NS_PUBSUB_CONFIG) : NULL;
	struct pubsub_config config = pubsub_config_default;
	char instant[ID_LEN + 1] = "";
	const char *var = "";
	enum config_result why = CONFIG_OK;

	if (request->node != NULL)
		return pubsub_refuse(event, STANZA_CONFLICT, NULL, NULL);
	if (form != NULL)
		why = pubsub_config_apply(arena, &config, form, false, &var);
	if (why != CONFIG_OK)
		return pubsub_refuse_config(event, why, var);
	if (request->name == NULL)
		random_id(instant);
	else if (!pubsub_may_create(event, request->name))
		return HANDLED;
	if (request->name == NULL && !pubsub_may_create(event, instant))
		return HANDLED;
	if (!pubsub_node_write(event, request->name != NULL ? request->name : instant, &config))
		return HANDLED;
	if (request->name != NULL) {
		event_reply_result(event);
	} else {
		struct xml *pubsub, *result = pubsub_result(event, &pubsub);
		xml_set(arena, xml_add(arena, pubsub, "create", NULL), "node", instant);
		event_reply(event, result);
	}
	return HANDLED;
}

/* Configure: the form (8.2.1) and its submission (8.2.4). */
enum verdict
pubsub_configure(struct pubsub_request *request)
{
	struct arena *arena = request->event->arena;
	struct xml *pubsub, *configure, *result = pubsub_result(request->event, &pubsub);

	configure = xml_add(arena, pubsub, "configure", NULL);
	xml_set(arena, configure, "node", request->name);
	pubsub_config_form(arena, configure, pubsub_config_of(request->node), "form");
	event_reply(request->event, result);
	return HANDLED;
}

enum verdict
pubsub_configure_set(struct pubsub_request *request)
{
	struct event *event = request->event;
	struct pubsub_config config = pubsub_config_copy(event->arena, pubsub_config_of(request->node));
	const struct xml *x = xml_find(request->verb, "x", NS_FORM);
	const struct xml *form = pubsub_form(request->verb, NS_PUBSUB_CONFIG);
	const char *type = x != NULL ? xml_attr(x, "type") : NULL, *var = "";
	enum config_result why;

	if (type != NULL && strcmp(type, "cancel") == 0) {
		event_reply_result(event);
		return HANDLED;
	}
	if (form == NULL)
		return pubsub_refuse(event, STANZA_BAD_REQUEST, "invalid-options", NULL);
	why = pubsub_config_apply(event->arena, &config, form, false, &var);
	if (why != CONFIG_OK)
		return pubsub_refuse_config(event, why, var);
	if (!pubsub_node_write(event, request->name, &config))
		return HANDLED;
	if (!config.persist)
		event_add(event, &(struct op){ .kind = OP_NODE_PURGE,
					       .account = request->account->node,
					       .node = request->name });
	event_reply_result(event);
	if (config.notify_config) {
		struct xml *change = xml_new(event->arena, "configuration", NS_PUBSUB_EVENT);
		xml_set(event->arena, change, "node", request->name);
		if (config.payloads)
			pubsub_config_form(event->arena, change, &config, "result");
		pubsub_notify(event, request->account, request->name, &config, change);
	}
	return HANDLED;
}

/* The defaults of a new node (8.3). */
enum verdict
pubsub_default(struct pubsub_request *request)
{
	struct xml *pubsub, *result = pubsub_result(request->event, &pubsub);

	pubsub_config_form(request->event->arena, xml_add(request->event->arena, pubsub, "default", NULL),
			   &pubsub_config_default, "form");
	event_reply(request->event, result);
	return HANDLED;
}

static void
notify_named(struct pubsub_request *request, const struct pubsub_config *config, const char *element)
{
	struct xml *change = xml_new(request->event->arena, element, NS_PUBSUB_EVENT);

	xml_set(request->event->arena, change, "node", request->name);
	pubsub_notify(request->event, request->account, request->name, config, change);
}

/* Delete (8.4): who could read it hears of it, so the node goes last. */
enum verdict
pubsub_delete(struct pubsub_request *request)
{
	const struct pubsub_config *config = pubsub_config_of(request->node);

	event_reply_result(request->event);
	if (config->notify_delete)
		notify_named(request, config, "delete");
	account_node_del(request->account, request->event, request->name);
	avatar_published(request->event, request->name, NULL);
	return HANDLED;
}

/* Purge (8.5). */
enum verdict
pubsub_purge(struct pubsub_request *request)
{
	const struct pubsub_config *config = pubsub_config_of(request->node);

	if (!config->persist)
		return pubsub_refuse(request->event, STANZA_FEATURE_NOT_IMPLEMENTED, "unsupported",
				     "persistent-items");
	event_add(
	    request->event,
	    &(struct op){ .kind = OP_NODE_PURGE, .account = request->account->node, .node = request->name });
	event_reply_result(request->event);
	if (config->notify_retract)
		notify_named(request, config, "purge");
	avatar_published(request->event, request->name, NULL);
	return HANDLED;
}
