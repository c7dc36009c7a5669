/*
 * feature/pubsub_notify.c -- who hears of a change, and the last item for who just came (XEP-0163 1.2.2
 * section 4.3, XEP-0060 9.1, 9.2).
 *
 * Heard by: available sessions of the owner and of contacts who see the owner's presence, when they may read
 * the node and their capabilities name it with +notify. Sent as headlines to full JIDs, never stored: who is
 * away asks or gets the last item when back. Greetings read the store and so end in a later turn: the session
 * is then looked up again by its address.
 */
#include "config.h"

#include "relay/feature/pubsub-private.h"

#include <stdlib.h>
#include <string.h>

#include "proto/arena.h"
#include "proto/digest.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/stamp.h"
#include "proto/stanza.h"
#include "proto/xml.h"
#include "relay/feature/caps.h"
#include "relay/route/router.h"
#include "relay/route/session.h"
#include "relay/store/read.h"
#include "relay/stream/stream.h"

enum {
	ROOM_NEEDED =
	    384 * 1024, /* bytes that a session has not taken yet; SESSION_QUEUED_MOST would close it */
	LAST_ITEMS_AT_ONCE = 8, /* nodes whose last items are in memory together */
};

/* The message around a change; its `to` is set for each recipient. */
struct xml *
pubsub_message(struct arena *arena, const char *from, const struct xml *change)
{
	char id[ID_LEN + 1];
	struct xml *message, *event;

	random_id(id);
	message = stanza_new(arena, "message", from, NULL, "headline", id);
	event = xml_add(arena, message, "event", NS_PUBSUB_EVENT);
	if (change != NULL)
		xml_append(event, xml_copy(arena, change));
	return message;
}

/* The local account behind a bare JID, if somebody has it in memory (an account with a session always is). */
static struct account *
local_account(struct arena *arena, struct router *router, const char *bare)
{
	struct jid jid;

	if (!jid_parse_text(arena, bare, &jid) || jid.node == NULL ||
	    strcmp(jid.domain, router_domain(router)) != 0)
		return NULL;
	return account_resident(router, jid.node);
}

/* A notification is not worth a connection: one that is slow, or that somebody floods with large items,
 * misses it and can ask. */
static bool
has_room(const struct session *session)
{
	return session->stream != NULL && stream_queued(session->stream) < ROOM_NEEDED;
}

static void
send_to_interested(struct event *event, struct account *to, const char *node, struct xml *message)
{
	for (struct session *session = to->sessions; session != NULL; session = session->next) {
		if (!session->available || !caps_set_has(caps_of(session), node) || !has_room(session))
			continue;
		xml_set(event->arena, message, "to", session->text);
		event_send(event, session, message);
	}
}

/* XEP-0191: one of them wants nothing from the other. */
static bool
are_apart(const struct account *a, const struct account *b)
{
	return account_blocks_text(a, b->jid) || account_blocks_text(b, a->jid);
}

void
pubsub_notify(struct event *event, struct account *account, const char *name,
	      const struct pubsub_config *config, const struct xml *change)
{
	struct xml *message;

	if (pubsub_is_hidden(name))
		return;
	message = pubsub_message(event->arena, account->jid, change);
	send_to_interested(event, account, name, message);
	for (size_t i = 0; i < account_roster_count(account); i++) {
		const struct roster_item *item = account_roster_at(account, i);
		struct pubsub_asker asker = { .flags = item->flags,
					      .groups = item->groups,
					      .bare = item->contact };
		struct account *contact;
		if ((item->flags & ROSTER_FROM) == 0 || pubsub_right(config, &asker) != RIGHT_READ)
			continue;
		contact = local_account(event->arena, event->router, item->contact);
		if (contact != NULL && !are_apart(account, contact))
			send_to_interested(event, contact, name, message);
	}
	pubsub_notify_far(event, account, name, config, change);
}

/* Greetings: of one session by one account. */

struct greeting {
	struct router *router;
	char *node, *resource; /* the session's */
	char *owner;           /* node part of the account whose items are sent */
	struct caps_set *before;
	char **names; /* of the nodes asked for; owned */
	size_t count;
	size_t next; /* the first that has not been read yet */
};

static void
greeting_free(struct greeting *greeting)
{
	for (size_t i = 0; i < greeting->count; i++)
		free(greeting->names[i]);
	free(greeting->names);
	free(greeting->node);
	free(greeting->resource);
	free(greeting->owner);
	caps_set_unref(&greeting->before);
	free(greeting);
}

static struct session *
greeting_session(const struct greeting *greeting)
{
	struct account *account = account_resident(greeting->router, greeting->node);
	struct session *session = account != NULL ? session_find(account, greeting->resource) : NULL;

	return session != NULL && session->available ? session : NULL;
}

static void
send_item(struct session *session, const struct account *owner, const char *node, const struct item_row *row)
{
	struct arena *arena = arena_new();
	struct xml *message = pubsub_message(arena, owner->jid, NULL);
	struct xml *items = xml_add(arena, xml_find(message, "event", NS_PUBSUB_EVENT), "items", NULL);
	struct xml *item = xml_add(arena, items, "item", NULL);
	struct xml *payload = pubsub_payload(arena, row->body, row->len);

	xml_set(arena, message, "to", session->text);
	xml_set(arena, items, "node", node);
	xml_set(arena, item, "id", row->item);
	if (payload != NULL)
		xml_append(item, payload);
	stamp_delay(arena, message, owner->jid, row->time);
	session_send(session, message);
	arena_free(&arena);
}

/* May the session have this node's last item: asked again after the wait, because rights may have changed in
 * it. */
static bool
greets(const struct greeting *greeting, const struct session *session, struct account *owner,
       struct pubsub_node *node)
{
	const struct pubsub_config *config = pubsub_config_of(node);
	bool self = strcmp(greeting->node, owner->node) == 0;

	if (!config->persist || config->send_last != SEND_LAST_ON_SUB_AND_PRESENCE || pubsub_is_hidden(node->name))
		return false;
	if (!caps_set_has(caps_of(session), node->name) || caps_set_has(greeting->before, node->name))
		return false;
	if (!self && ((account_flags(owner, &session->jid) & ROSTER_FROM) == 0 || are_apart(owner, session->account)))
		return false;
	return pubsub_right_of(owner, node, session->account->jid, self) == RIGHT_READ;
}

static void greeting_read(struct greeting *greeting);

static void
greeting_items(void *arg, bool failed, const struct item_row *rows, size_t count)
{
	struct greeting *greeting = arg;
	struct session *session = greeting_session(greeting);
	struct account *owner = account_resident(greeting->router, greeting->owner);

	if (failed || session == NULL || owner == NULL) {
		greeting_free(greeting);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		struct pubsub_node *node = account_node_find(owner, greeting->names[greeting->next + i]);
		if (rows[i].item != NULL && node != NULL && has_room(session) &&
		    greets(greeting, session, owner, node))
			send_item(session, owner, node->name, &rows[i]);
	}
	greeting->next += count;
	greeting_read(greeting);
}

/* The next few. */
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
			(const char *const *)greeting->names + greeting->next, count, greeting_items,
			greeting);
}

static void
greeting_account(void *arg, struct account *owner, bool failed)
{
	struct greeting *greeting = arg;
	struct session *session = greeting_session(greeting);
	size_t nodes = !failed && owner != NULL && session != NULL ? account_node_count(owner) : 0;

	greeting->names = nodes > 0 ? xcalloc(nodes, sizeof greeting->names[0]) : NULL;
	for (size_t i = 0; i < nodes; i++) {
		struct pubsub_node *node = account_node_at(owner, i);
		if (greets(greeting, session, owner, node))
			greeting->names[greeting->count++] = xstrdup(node->name);
	}
	greeting_read(greeting);
}

static void
greet_from(struct session *session, const char *owner, struct caps_set *before)
{
	struct greeting *greeting = xcalloc(1, sizeof *greeting);

	greeting->router = session->router;
	greeting->node = xstrdup(session->account->node);
	greeting->resource = xstrdup(session->jid.resource);
	greeting->owner = xstrdup(owner);
	greeting->before = caps_set_ref(before);
	account_with(session->router, owner, greeting_account, greeting);
}

/* The nodes of local contacts whose presence the account sees. Copied first: loading them may change what is
 * resident. */
static char **
seen_contacts(struct account *account, struct router *router, size_t *count_r)
{
	size_t total = account_roster_count(account), count = 0;
	char **nodes = total > 0 ? xcalloc(total, sizeof nodes[0]) : NULL;
	struct arena *arena = arena_new();

	for (size_t i = 0; i < total; i++) {
		const struct roster_item *item = account_roster_at(account, i);
		struct jid jid;
		if ((item->flags & ROSTER_TO) != 0 && jid_parse_text(arena, item->contact, &jid) &&
		    jid.node != NULL && strcmp(jid.domain, router_domain(router)) == 0)
			nodes[count++] = xstrdup(jid.node);
	}
	arena_free(&arena);
	*count_r = count;
	return nodes;
}

void
pubsub_greet(struct session *session, struct caps_set *before)
{
	struct account *account = account_ref(session->account);
	size_t count;
	char **nodes;

	if (caps_of(session) != NULL) { /* else it is greeted when they are known */
		nodes = seen_contacts(account, session->router, &count);
		greet_from(session, account->node, before);
		for (size_t i = 0; i < count; i++) {
			greet_from(session, nodes[i], before);
			free(nodes[i]);
		}
		free(nodes);
	}
	account_unref(&account);
}

void
pubsub_greet_contact(struct account *account, const char *contact)
{
	struct arena *arena = arena_new();
	struct account *other = local_account(arena, account->router, contact);
	struct session *next;

	for (struct session *session = other != NULL ? other->sessions : NULL; session != NULL;
	     session = next) {
		next = session->next;
		if (session->available && caps_of(session) != NULL)
			greet_from(session, account->node, NULL);
	}
	arena_free(&arena);
}
