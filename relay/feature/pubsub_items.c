/*
 * feature/pubsub_items.c -- retrieve items (XEP-0060 6.5): all, the newest few, named ones, page by page
 * (XEP-0059 in 6.5.4).
 *
 * Newest first. One answer holds at most READ_ITEMS_BYTES of items and the one that passes them; that there
 * are more shows in the <set/> of the answer. Read behind all earlier stanzas of the stream, so a client sees
 * what it has just published.
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
	struct rsm rsm;
	size_t
	    kept; /* items that the node shows: of what was stored before it was made smaller, the newest */
	size_t most;               /* asked for */
	size_t from, until;        /* the page: places among the node's items, newest first */
	const struct xml *wanted;  /* the next <item/> to be read by its id; NULL: all of the page */
	struct xml *result, *list; /* list: where what is found goes */
	const char *first, *last;  /* ids shown */
	size_t bytes;
};

static struct arena *
arena_of(const struct retrieval *retrieval)
{
	return retrieval->request->event->arena;
}

static void
finish(struct retrieval *retrieval)
{
	event_reply(retrieval->request->event, retrieval->result);
	event_finish(retrieval->request->event, HANDLED);
}

/* The answer was not read, the node or its reader's rights have gone meanwhile, or the set names what is not
 * there. */
static void
finish_refused(struct retrieval *retrieval, enum stanza_error error)
{
	struct event *event = retrieval->request->event;

	event_finish(event, pubsub_refuse(event, error, NULL, NULL));
}

static void
show(struct retrieval *retrieval, const struct item_row *row)
{
	struct arena *arena = arena_of(retrieval);
	struct xml *payload = pubsub_payload(arena, row->body, row->len), *item;

	if (payload == NULL)
		return;
	item = xml_add(arena, retrieval->list, "item", NULL);
	xml_set(arena, item, "id", row->item);
	xml_append(item, payload);
	retrieval->bytes += row->len;
	retrieval->last = arena_strdup(arena, row->item);
	if (retrieval->first == NULL)
		retrieval->first = retrieval->last;
}

/* A page of all items. */

static void
page_read(void *arg, bool failed, const struct item_row *rows, size_t count)
{
	struct retrieval *retrieval = arg;
	size_t i = retrieval->from;

	if (failed) {
		finish_refused(retrieval, STANZA_INTERNAL_SERVER_ERROR);
		return;
	}
	while (i < count && i < retrieval->until && rows[i].body != NULL)
		show(retrieval, &rows[i++]);
	if (retrieval->rsm.present || (i < count && i < retrieval->until)) /* 6.5.4: not all of it */
		rsm_add(arena_of(retrieval), xml_first(retrieval->result), retrieval->first,
			(long)retrieval->from, retrieval->last, (long)count);
	finish(retrieval);
}

static void
read_page(struct retrieval *retrieval, size_t limit)
{
	const struct pubsub_request *request = retrieval->request;

	read_items_from(router_store(request->event->router), request->account->node, request->name,
			retrieval->from, limit, page_read, retrieval);
}

static size_t
index_of(const struct item_row *rows, size_t count, const char *id)
{
	size_t i = 0;

	while (i < count && strcmp(rows[i].item, id) != 0)
		i++;
	return i;
}

/* The page of [0, count) that the set asks for. False: it names an item that is not there (item-not-found,
 * XEP-0059 2.5). */
static bool
find_page(struct retrieval *retrieval, const struct item_row *rows, size_t count)
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
	retrieval->from = from;
	retrieval->until = until < from ? from : until;
	return true;
}

static void
names_for_page(void *arg, bool failed, const struct item_row *rows, size_t count)
{
	struct retrieval *retrieval = arg;

	if (failed)
		finish_refused(retrieval, STANZA_INTERNAL_SERVER_ERROR);
	else if (!find_page(retrieval, rows, count))
		finish_refused(retrieval, STANZA_ITEM_NOT_FOUND);
	else
		read_page(retrieval, retrieval->kept);
}

/* Items by their ids, one after the other until the answer is full. */

static void wanted_next(struct retrieval *retrieval);

static void
wanted_read(void *arg, bool failed, const struct item_row *rows, size_t count)
{
	struct retrieval *retrieval = arg;

	if (failed) {
		finish_refused(retrieval, STANZA_INTERNAL_SERVER_ERROR);
		return;
	}
	if (count > 0)
		show(retrieval, &rows[0]);
	retrieval->wanted = xml_next(retrieval->wanted, "item", NS_PUBSUB);
	wanted_next(retrieval);
}

static void
wanted_next(struct retrieval *retrieval)
{
	const struct pubsub_request *request = retrieval->request;

	while (retrieval->wanted != NULL && xml_attr(retrieval->wanted, "id") == NULL)
		retrieval->wanted = xml_next(retrieval->wanted, "item", NS_PUBSUB);
	if (retrieval->wanted == NULL || retrieval->bytes > PUBSUB_ANSWER_MAX)
		finish(retrieval);
	else
		read_items(router_store(request->event->router), request->account->node, request->name,
			   xml_attr(retrieval->wanted, "id"), 1, wanted_read, retrieval);
}

/* Begin, when all earlier stanzas of the stream are handled. */
static void
items_look(struct event *event, void *arg)
{
	struct retrieval *retrieval = arg;
	const struct pubsub_request *request = retrieval->request;
	struct xml *pubsub;

	retrieval->result = pubsub_result(event, &pubsub);
	retrieval->list = xml_add(event->arena, pubsub, "items", NULL);
	xml_set(event->arena, retrieval->list, "node", request->name);
	retrieval->wanted = xml_find(request->verb, "item", NS_PUBSUB);
	retrieval->until = retrieval->most;
	if (retrieval->wanted != NULL)
		wanted_next(retrieval);
	else if (retrieval->rsm.present)
		read_items_from(router_store(event->router), request->account->node, request->name,
				retrieval->kept, retrieval->kept, names_for_page, retrieval);
	else
		read_page(retrieval, retrieval->most);
}

/* max_items='3': the three newest (6.5.7). */
static bool
most_of(const struct xml *verb, size_t *most_r)
{
	const char *text = xml_attr(verb, "max_items");
	char *end;
	unsigned long count;

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
	retrieval->kept = (size_t)pubsub_config_of(request->node)->max_items;
	retrieval->most = retrieval->kept;
	if (!most_of(request->verb, &retrieval->most) ||
	    !rsm_parse(event->arena, event->payload, &retrieval->rsm))
		return pubsub_refuse(event, STANZA_BAD_REQUEST, NULL, NULL);
	if (!pubsub_config_of(request->node)->persist)
		return pubsub_refuse(event, STANZA_FEATURE_NOT_IMPLEMENTED, "unsupported",
				     "persistent-items");
	event_when_first(event, items_look, retrieval);
	return LATER;
}

/* disco#items of a node: its item ids as names (5.5). */

static void
names_read(void *arg, bool failed, const struct item_row *rows, size_t count)
{
	struct retrieval *retrieval = arg;
	struct arena *arena = arena_of(retrieval);

	if (failed) {
		finish_refused(retrieval, STANZA_INTERNAL_SERVER_ERROR);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		struct xml *item = xml_add(arena, retrieval->list, "item", NULL);
		xml_set(arena, item, "jid", retrieval->request->account->jid);
		xml_set(arena, item, "name", rows[i].item);
	}
	finish(retrieval);
}

static void
names_look(struct event *event, void *arg)
{
	struct retrieval *retrieval = arg;

	read_items_from(router_store(event->router), retrieval->request->account->node,
			retrieval->request->name, PUBSUB_ITEMS_MAX, PUBSUB_ITEMS_MAX, names_read, retrieval);
}

enum verdict
pubsub_disco_node_items(struct event *event, const char *name, struct xml *result, struct xml *query)
{
	struct pubsub_node *node = account_node_find(event->target, name);
	struct retrieval *retrieval;

	if (node == NULL || pubsub_is_hidden(name) || pubsub_event_right(event, node) != RIGHT_READ)
		return pubsub_refuse(event, STANZA_ITEM_NOT_FOUND, NULL, NULL);
	retrieval = arena_alloc(event->arena, sizeof *retrieval);
	retrieval->request = arena_alloc(event->arena, sizeof *retrieval->request);
	*retrieval->request =
	    (struct pubsub_request){ .event = event, .account = event->target, .name = name };
	retrieval->result = result;
	retrieval->list = query;
	event_when_first(event, names_look, retrieval);
	return LATER;
}
