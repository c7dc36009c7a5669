/*
 * feature/pubsub_items.c -- retrieve items (XEP-0060 6.5): all, the newest few, named ones, page by page (XEP-0059 in 6.5.4).
 *
 * Newest first. One answer holds at most PUBSUB_ANSWER_MAX bytes of items (and at least one); what is left out shows in the <set/> of the answer.
 * Read behind all earlier stanzas of the stream, so a client sees what it has just published.
 */
#include "config.h"

#include "relay/feature/pubsub-private.h"

#include <stdlib.h>
#include <string.h>

#include "proto/arena.h"
#include "proto/ns.h"
#include "proto/rsm.h"
#include "proto/xml.h"
#include "relay/route/router.h"
#include "relay/store/read.h"

struct retrieval {
	struct pubsub_request *request;
	const struct xml *verb; /* its <item/> children, if any, name what is wanted; NULL: disco */
	struct rsm rsm;
	size_t most;
	struct xml *result, *query; /* disco#items: where the ids go */
};

static bool
wanted(const struct xml *verb, const char *id)
{
	const struct xml *item = xml_find(verb, "item", NS_PUBSUB);

	if (item == NULL)
		return true;
	for (; item != NULL; item = xml_next(item, "item", NS_PUBSUB)) {
		const char *name = xml_attr(item, "id");
		if (name != NULL && strcmp(name, id) == 0)
			return true;
	}
	return false;
}

static size_t
index_of(const struct item_row *rows, size_t count, const char *id)
{
	size_t i = 0;

	while (i < count && strcmp(rows[i].item, id) != 0)
		i++;
	return i;
}

/* The page of [0, count) that the set asks for. False: it names an item that is not there (item-not-found, XEP-0059 2.5). */
static bool
page(const struct retrieval *retrieval, const struct item_row *rows, size_t count, size_t *from_r, size_t *until_r)
{
	const struct rsm *rsm = &retrieval->rsm;
	size_t from = 0, until = count, max = retrieval->most;

	if (rsm->max >= 0 && (size_t)rsm->max < max)
		max = (size_t)rsm->max;
	if (rsm->after != NULL) {
		from = index_of(rows, count, rsm->after) + 1;
		if (from > count)
			return false;
	} else if (rsm->index >= 0) {
		from = (size_t)rsm->index < count ? (size_t)rsm->index : count;
	}
	if (rsm->before != NULL && rsm->before[0] != '\0') {
		until = index_of(rows, count, rsm->before);
		if (until == count)
			return false;
	}
	if (until > from && until - from > max) {
		if (rsm->before != NULL)
			from = until - max;
		else
			until = from + max;
	}
	*from_r = from;
	*until_r = until < from ? from : until;
	return true;
}

static bool
add_item(struct retrieval *retrieval, struct xml *items, const struct item_row *row)
{
	struct arena *arena = retrieval->request->event->arena;
	struct xml *payload = pubsub_payload(arena, row->body, row->len);
	struct xml *item;

	if (payload == NULL)
		return false;
	item = xml_add(arena, items, "item", NULL);
	xml_set(arena, item, "id", row->item);
	xml_append(item, payload);
	return true;
}

static void
answer(struct retrieval *retrieval, const struct item_row *rows, size_t count)
{
	struct event *event = retrieval->request->event;
	struct arena *arena = event->arena;
	struct xml *pubsub, *items, *result = pubsub_result(event, &pubsub);
	const char *first = NULL, *last = NULL;
	size_t from, until, bytes = 0, shown = 0;

	if (!page(retrieval, rows, count, &from, &until)) {
		event_finish(event, pubsub_refuse(event, STANZA_ITEM_NOT_FOUND, NULL, NULL));
		return;
	}
	items = xml_add(arena, pubsub, "items", NULL);
	xml_set(arena, items, "node", retrieval->request->name);
	for (size_t i = from; i < until; i++) {
		if (!wanted(retrieval->verb, rows[i].item))
			continue;
		bytes += rows[i].len;
		if (shown > 0 && bytes > PUBSUB_ANSWER_MAX)
			break;
		if (!add_item(retrieval, items, &rows[i]))
			continue;
		first = first != NULL ? first : rows[i].item;
		last = rows[i].item;
		shown++;
	}
	if (retrieval->rsm.present || bytes > PUBSUB_ANSWER_MAX)
		rsm_add(arena, pubsub, first, (long)from, last, (long)count);
	event_reply(event, result);
	event_finish(event, HANDLED);
}

static void
items_read(void *arg, bool failed, const struct item_row *rows, size_t count)
{
	struct retrieval *retrieval = arg;
	struct event *event = retrieval->request->event;

	if (failed)
		event_finish(event, event_reject(event, STANZA_INTERNAL_SERVER_ERROR, NULL));
	else
		answer(retrieval, rows, count);
}

static void
items_look(struct event *event, void *arg)
{
	struct retrieval *retrieval = arg;
	const struct xml *item = xml_find(retrieval->verb, "item", NS_PUBSUB);
	const char *only = item != NULL && xml_next(item, "item", NS_PUBSUB) == NULL ? xml_attr(item, "id") : NULL;
	/* Without paging only the newest are read; naming one reads one. */
	size_t limit = item != NULL || retrieval->rsm.present ? PUBSUB_ITEMS_MAX : retrieval->most;

	read_items(router_store(event->router), retrieval->request->account->node, retrieval->request->name, only,
	    only != NULL ? 1 : limit, items_read, retrieval);
}

/* max_items='3': the three newest (6.5.7). */
static bool
most_of(const struct xml *verb, size_t *most_r)
{
	const char *text = xml_attr(verb, "max_items");
	char *end;
	unsigned long count;

	*most_r = PUBSUB_ITEMS_MAX;
	if (text == NULL || strcmp(text, "max") == 0)
		return true;
	count = strtoul(text, &end, 10);
	if (end == text || *end != '\0' || text[0] == '-')
		return false;
	if (count < *most_r)
		*most_r = count;
	return true;
}

enum verdict
pubsub_items(struct pubsub_request *request)
{
	struct event *event = request->event;
	struct retrieval *retrieval = arena_alloc(event->arena, sizeof *retrieval);

	retrieval->request = request;
	retrieval->verb = request->verb;
	if (!most_of(request->verb, &retrieval->most) || !rsm_parse(event->arena, event->payload, &retrieval->rsm))
		return pubsub_refuse(event, STANZA_BAD_REQUEST, NULL, NULL);
	if (!pubsub_config_of(request->node)->persist)
		return pubsub_refuse(event, STANZA_FEATURE_NOT_IMPLEMENTED, "unsupported", "persistent-items");
	event_when_first(event, items_look, retrieval);
	return LATER;
}

/* disco#items of a node: its item ids as names (5.5). */

static void
names_read(void *arg, bool failed, const struct item_row *rows, size_t count)
{
	struct retrieval *retrieval = arg;
	struct event *event = retrieval->request->event;

	if (failed) {
		event_finish(event, event_reject(event, STANZA_INTERNAL_SERVER_ERROR, NULL));
		return;
	}
	for (size_t i = 0; i < count; i++) {
		struct xml *item = xml_add(event->arena, retrieval->query, "item", NULL);
		xml_set(event->arena, item, "jid", retrieval->request->account->jid);
		xml_set(event->arena, item, "name", rows[i].item);
	}
	event_reply(event, retrieval->result);
	event_finish(event, HANDLED);
}

static void
names_look(struct event *event, void *arg)
{
	struct retrieval *retrieval = arg;

	read_items(router_store(event->router), retrieval->request->account->node, retrieval->request->name, NULL,
	    PUBSUB_ITEMS_MAX, names_read, retrieval);
}

enum verdict
pubsub_disco_node_items(struct event *event, const char *name, struct xml *result, struct xml *query)
{
	struct pubsub_node *node = account_node_find(event->target, name);
	struct retrieval *retrieval;

	if (node == NULL || pubsub_event_right(event, node) != RIGHT_READ)
		return pubsub_refuse(event, STANZA_ITEM_NOT_FOUND, NULL, NULL);
	retrieval = arena_alloc(event->arena, sizeof *retrieval);
	retrieval->request = arena_alloc(event->arena, sizeof *retrieval->request);
	*retrieval->request = (struct pubsub_request){ .event = event, .account = event->target, .name = name };
	retrieval->result = result;
	retrieval->query = query;
	event_when_first(event, names_look, retrieval);
	return LATER;
}
