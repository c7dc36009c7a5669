/*
 * feature/bookmarks.c -- bookmarks are items of one node (XEP-0402 1.2.0); the old document in private
 * storage (XEP-0048 in XEP-0049) is another view of them (5.3, as the account announces with #compat).
 *
 * Asked for, the document is made of the items. Set, it is taken apart: what is new or different is
 * published, what is missing is retracted, what is the same is left alone; what an old client cannot know
 * (extensions) stays. What is no bookmark of a room (URLs, rooms without a valid address) is kept in private
 * storage as it is, so that nothing a user wrote is lost. Promises: the node is for its owner alone from then
 * on (XEP-0411 5). DIAGNOSTICS: more bookmarks than one answer takes: resource-constraint, and nothing is
 * changed.
 */
#include "config.h"

#include "relay/feature/bookmarks.h"

#include <string.h>
#include "proto/arena.h"
#include "proto/ns.h"
#include "proto/stanza.h"
#include "proto/xml.h"
#include "relay/feature/bookmark.h"
#include "relay/feature/feature_table.h"
#include "relay/feature/private.h"
#include "relay/feature/pubsub-private.h"
#include "relay/route/account.h"
#include "relay/route/event.h"
#include "relay/route/router.h"
#include "relay/store/read.h"

struct reading {
	struct event *event;
	void (*then)(struct reading *reading);
	struct bookmark *items; /* those of the node that are bookmarks of rooms */
	size_t count;
	struct xml *rest; /* what private storage holds of the document; NULL: nothing */
};

bool
bookmarks_is_old(const struct xml *element)
{
	return xml_is(element, "storage", NS_BOOKMARKS_OLD);
}

/* ---- what there is ---- */

static void
refuse(struct event *event, enum stanza_error error)
{
	event_finish(event, event_reject(event, error, NULL));
}

static void
rest_read(void *arg, bool failed, const struct item_row *rows, size_t count)
{
	struct reading *reading = arg;

	if (failed) {
		refuse(reading->event, STANZA_INTERNAL_SERVER_ERROR);
		return;
	}
	if (count > 0)
		reading->rest = pubsub_payload(reading->event->arena, rows[0].body, rows[0].len);
	reading->then(reading);
}

/* False: some are too many to be read at once, and a document without them would, when it is set again,
 * delete them. */
static bool
take_items(struct reading *reading, const struct item_row *rows, size_t count)
{
	struct arena *arena = reading->event->arena;

	reading->items = arena_alloc(arena, (count + 1) * sizeof *reading->items);
	for (size_t i = count; i-- > 0;) { /* oldest first */
		struct xml *payload;
		if (rows[i].body == NULL)
			return false;
		payload = pubsub_payload(arena, rows[i].body, rows[i].len);
		if (payload != NULL &&
		    bookmark_read_item(arena, rows[i].item, payload, &reading->items[reading->count]))
			reading->count++;
	}
	return true;
}

static void
items_read(void *arg, bool failed, const struct item_row *rows, size_t count)
{
	struct reading *reading = arg;
	struct event *event = reading->event;
	const struct xml *storage = xml_new(event->arena, "storage", NS_BOOKMARKS_OLD);

	if (failed || !take_items(reading, rows, count)) {
		refuse(event, failed ? STANZA_INTERNAL_SERVER_ERROR : STANZA_RESOURCE_CONSTRAINT);
		return;
	}
	read_items(router_store(event->router), event->target->node, PRIVATE_NODE,
		   private_key(event->arena, storage), 1, rest_read, reading);
}

static void
read_all(struct event *event, void *arg)
{
	read_items(router_store(event->router), event->target->node, NS_BOOKMARKS, NULL, PUBSUB_ITEMS_MAX,
		   items_read, arg);
}

static enum verdict
begin(struct event *event, void (*then)(struct reading *reading))
{
	struct reading *reading = arena_alloc(event->arena, sizeof *reading);

	reading->event = event;
	reading->then = then;
	event_when_first(event, read_all, reading);
	return LATER;
}

/* ---- get ---- */

static void
show(struct reading *reading)
{
	struct event *event = reading->event;
	struct arena *arena = event->arena;
	struct xml *result = event_result(event);
	struct xml *storage =
	    xml_add(arena, xml_add(arena, result, "query", NS_PRIVATE), "storage", NS_BOOKMARKS_OLD);

	for (size_t i = 0; i < reading->count; i++)
		bookmark_add_old(arena, storage, &reading->items[i]);
	for (const struct xml *child = reading->rest == NULL ? NULL : xml_first(reading->rest); child != NULL;
	     child = xml_next(child, NULL, NULL))
		xml_append(storage, xml_copy(arena, child));
	event_reply(event, result);
	event_finish(event, HANDLED);
}

enum verdict
bookmarks_get_old(struct event *event)
{
	return begin(event, show);
}

/* ---- set ---- */

static const struct bookmark *
find(const struct bookmark *row, size_t count, const char *room)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(row[i].room, room) == 0)
			return &row[i];
	return NULL;
}

/* The document's bookmarks, the first of each room; the rest goes where it is kept. More than there may be are not compared. */
static size_t
take_document(struct reading *reading, const struct xml *storage, struct bookmark *row, struct xml *rest)
{
	struct arena *arena = reading->event->arena;
	size_t count = 0;

	for (const struct xml *child = xml_first(storage); child != NULL && count <= PUBSUB_ITEMS_MAX;
	     child = xml_next(child, NULL, NULL)) {
		if (!bookmark_read_old(arena, child, &row[count]))
			xml_append(rest, xml_copy(arena, child));
		else if (find(row, count, row[count].room) == NULL)
			count++;
	}
	return count;
}

/* Its owner's alone, and large enough. */
static void
close_node(struct event *event)
{
	struct pubsub_node *node = account_node_find(event->target, NS_BOOKMARKS);
	struct pubsub_config config;

	if (node == NULL)
		return;
	config = pubsub_config_copy(event->arena, pubsub_config_of(node));
	if (config.access == ACCESS_WHITELIST && config.members[0] == '\0' && config.persist &&
	    config.max_items == PUBSUB_ITEMS_MAX)
		return;
	config.access = ACCESS_WHITELIST;
	config.members = "";
	config.persist = 1;
	config.max_items = PUBSUB_ITEMS_MAX;
	account_node_set(event->target, event, NS_BOOKMARKS, pubsub_config_text(event->arena, &config));
}

static bool
publish(struct event *event, const struct bookmark *bookmark, const struct bookmark *before)
{
	struct pubsub_config config = pubsub_config_default;
	struct bookmark next = *bookmark;

	config.access = ACCESS_WHITELIST;
	config.send_last = SEND_LAST_NEVER;
	config.max_items = PUBSUB_ITEMS_MAX;
	if (before != NULL && bookmark_same(event->arena, before, bookmark))
		return true;
	if (before != NULL)
		next.id = before->id;
	if (next.extra == NULL && before != NULL)
		next.extra = before->extra;
	return pubsub_put(event, NS_BOOKMARKS, &config, next.id, bookmark_item(event->arena, &next));
}

static void
take_apart(struct reading *reading)
{
	struct event *event = reading->event;
	struct arena *arena = event->arena;
	const struct xml *storage = xml_first(event->payload);
	struct xml *rest = xml_new(arena, "storage", NS_BOOKMARKS_OLD);
	size_t children = 0, count;
	struct bookmark *row;
	bool room = true;

	for (const struct xml *child = xml_first(storage); child != NULL; child = xml_next(child, NULL, NULL))
		children++;
	row = arena_alloc(arena, (children + 1) * sizeof *row);
	count = take_document(reading, storage, row, rest);
	if (count > PUBSUB_ITEMS_MAX) {
		refuse(event, STANZA_RESOURCE_CONSTRAINT);
		return;
	}
	close_node(event);
	for (size_t i = 0; i < reading->count; i++)
		if (find(row, count, reading->items[i].room) == NULL)
			pubsub_drop(event, NS_BOOKMARKS, reading->items[i].id);
	for (size_t i = 0; i < count && room; i++)
		room = publish(event, &row[i], find(reading->items, reading->count, row[i].room));
	if (room && (rest->first != NULL || reading->rest != NULL))
		room = private_keep(event, rest);
	if (!room) {
		refuse(event, STANZA_RESOURCE_CONSTRAINT);
		return;
	}
	event_reply_result(event);
	event_finish(event, HANDLED);
}

enum verdict
bookmarks_set_old(struct event *event)
{
	return begin(event, take_apart);
}

const struct feature feature_bookmarks = {
	.name = "bookmarks",
	.spec = "XEP-0402 1.2.0",
	.disco_account = (const char *const[]){ NS_BOOKMARKS "#compat", NULL },
};
