/*
 * feature/pubsub_far.c -- notifications and last items for the clients of contacts at other relays (XEP-0163 1.2.2 section 4.3).
 *
 * As pubsub_notify.c does for sessions here: heard by whoever sees the account's presence, may read the node and announced an interest
 * in it. A notification does not wait for a relay that is away; what was missed comes as last items when it is back (caps_far.c).
 */
#include "config.h"

#include "relay/feature/pubsub-private.h"

#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/jid.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/stamp.h"
#include "proto/stanza.h"
#include "proto/xml.h"
#include "relay/feature/caps.h"
#include "relay/feature/caps_far.h"
#include "relay/route/router.h"
#include "relay/store/read.h"

enum { LAST_ITEMS_AT_ONCE = 8 };

static bool
may_hear(const struct account *account, const struct pubsub_config *config, const char *contact)
{
	const struct roster_item *item = account_roster_find(account, contact);
	struct pubsub_asker asker = { .flags = item == NULL ? 0 : item->flags,
				      .groups = item == NULL ? NULL : item->groups,
				      .bare = contact };

	return (asker.flags & ROSTER_FROM) != 0 && !account_blocks_text(account, contact) &&
	       pubsub_right(config, &asker) == RIGHT_READ;
}

/* ---- a change ---- */

struct telling {
	struct event *event;
	const struct account *account;
	const struct pubsub_config *config;
	const char **row; /* full JIDs of those who may hear of it */
	size_t count, room;
};

struct told {
	const char *node, *name, *const *row;
	size_t count;
	struct xml *message;
};

static void
consider_ear(const char *contact, const char *full, const struct caps_set *set, void *arg)
{
	struct telling *telling = arg;

	(void)set;
	if (telling->count < telling->room && may_hear(telling->account, telling->config, contact))
		telling->row[telling->count++] = arena_strdup(telling->event->arena, full);
}

/* After the commit: whoever's interests become known later gets the item as the last one. */
static void
tell_now(struct event *event, void *arg)
{
	const struct told *told = arg;

	for (size_t i = 0; i < told->count; i++) {
		if (!caps_far_wants(event->router, told->node, told->row[i], told->name))
			continue;
		xml_set(event->arena, told->message, "to", told->row[i]);
		router_send(event->router, told->message);
	}
}

void
pubsub_notify_far(struct event *event, struct account *account, const char *name, const struct pubsub_config *config,
		  const struct xml *change)
{
	struct telling telling = { .event = event, .account = account, .config = config };
	struct told *told;

	telling.room = caps_far_count(event->router, account->node);
	if (telling.room == 0)
		return;
	telling.row = arena_alloc(event->arena, telling.room * sizeof *telling.row);
	caps_far_each(event->router, account->node, consider_ear, &telling);
	told = arena_alloc(event->arena, sizeof *told);
	*told = (struct told){ .node = arena_strdup(event->arena, account->node), .name = arena_strdup(event->arena, name),
			       .row = telling.row, .count = telling.count,
			       .message = pubsub_message(event->arena, account->jid, change) };
	event_after(event, tell_now, told);
}

/* ---- last items, of one account for one client ---- */

struct greeting {
	struct router *router;
	char *owner, *full;
	struct caps_set *before;
	char **names;
	size_t count, next;
};

static void
greeting_free(struct greeting *greeting)
{
	for (size_t i = 0; i < greeting->count; i++)
		free(greeting->names[i]);
	free(greeting->names);
	free(greeting->owner);
	free(greeting->full);
	caps_set_unref(&greeting->before);
	free(greeting);
}

struct wish {
	const struct greeting *greeting;
	struct account *owner;
	struct pubsub_node *node;
	bool granted;
};

/* Is it still there, and may it have this node: asked again after the wait. */
static void
consider(const char *contact, const char *full, const struct caps_set *set, void *arg)
{
	struct wish *wish = arg;
	const struct pubsub_config *config = pubsub_config_of(wish->node);
	const char *name = wish->node->name;

	if (strcmp(full, wish->greeting->full) == 0 && caps_set_has(set, name) &&
	    !caps_set_has(wish->greeting->before, name) && may_hear(wish->owner, config, contact))
		wish->granted = true;
}

static bool
greets(const struct greeting *greeting, struct account *owner, struct pubsub_node *node)
{
	const struct pubsub_config *config = pubsub_config_of(node);
	struct wish wish = { greeting, owner, node, false };

	if (config->persist && config->send_last == SEND_LAST_ON_SUB_AND_PRESENCE && !pubsub_is_hidden(node->name))
		caps_far_each(greeting->router, owner->node, consider, &wish);
	return wish.granted;
}

static void
send_item(const struct greeting *greeting, const struct account *owner, const char *node, const struct item_row *row)
{
	struct arena *arena = arena_new();
	struct xml *message = pubsub_message(arena, owner->jid, NULL);
	struct xml *items = xml_add(arena, xml_find(message, "event", NS_PUBSUB_EVENT), "items", NULL);
	struct xml *item = xml_add(arena, items, "item", NULL);
	struct xml *payload = pubsub_payload(arena, row->body, row->len);

	xml_set(arena, message, "to", greeting->full);
	xml_set(arena, items, "node", node);
	xml_set(arena, item, "id", row->item);
	if (payload != NULL)
		xml_append(item, payload);
	stamp_delay(arena, message, owner->jid, row->time);
	router_send(greeting->router, message);
	arena_free(&arena);
}

static void greeting_read(struct greeting *greeting);

static void
greeting_items(void *arg, bool failed, const struct item_row *rows, size_t count)
{
	struct greeting *greeting = arg;
	struct account *owner = account_resident(greeting->router, greeting->owner);
	struct pubsub_node *node;

	if (failed || owner == NULL) {
		greeting_free(greeting);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		node = account_node_find(owner, greeting->names[greeting->next + i]);
		if (rows[i].item != NULL && node != NULL && greets(greeting, owner, node))
			send_item(greeting, owner, node->name, &rows[i]);
	}
	greeting->next += count;
	greeting_read(greeting);
}

static void
greeting_read(struct greeting *greeting)
{
	size_t count = greeting->count - greeting->next;

	if (count == 0) {
		greeting_free(greeting);
		return;
	}
	if (count > LAST_ITEMS_AT_ONCE)
		count = LAST_ITEMS_AT_ONCE;
	read_last_items(router_store(greeting->router), greeting->owner,
			(const char *const *)greeting->names + greeting->next, count, greeting_items, greeting);
}

static void
greeting_account(void *arg, struct account *owner, bool failed)
{
	struct greeting *greeting = arg;
	size_t nodes = !failed && owner != NULL ? account_node_count(owner) : 0;
	struct pubsub_node *node;

	greeting->names = nodes > 0 ? xcalloc(nodes, sizeof greeting->names[0]) : NULL;
	for (size_t i = 0; i < nodes; i++) {
		node = account_node_at(owner, i);
		if (greets(greeting, owner, node))
			greeting->names[greeting->count++] = xstrdup(node->name);
	}
	greeting_read(greeting);
}

void
pubsub_greet_far(struct router *router, const char *node, const char *full, struct caps_set *before)
{
	struct greeting *greeting = xcalloc(1, sizeof *greeting);

	greeting->router = router;
	greeting->owner = xstrdup(node);
	greeting->full = xstrdup(full);
	greeting->before = caps_set_ref(before);
	account_with(router, node, greeting_account, greeting);
}
