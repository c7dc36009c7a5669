/*
 * feature/caps_far.c -- the clients of contacts at other relays and their capabilities (XEP-0115 1.6.0, XEP-0163 1.2.2 section 4.3): see
 * caps_far.h.
 *
 * Presence that comes from elsewhere brings a client into the list of the account that it came for, presence of its going takes it out.
 * Its capabilities are those of the same cache as our own clients' (caps.c): what is known already is not asked; else the client is
 * asked in the account's name, once, and its answer counts for others only when it hashes to what was announced.
 * Promises: nobody is kept who is no contact; at most EARS_OF_ONE an account, EARS_MOST in all; those beyond hear nothing, and may ask.
 * What a relay has missed while it was away is made good by forgetting its clients: their presence, asked for then (presence.c), brings
 * them back, and with them the last items.
 */
#include "config.h"

#include "relay/feature/caps_far.h"

#include <assert.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/jid.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/stanza.h"
#include "proto/xml.h"
#include "relay/feature/ask.h"
#include "relay/feature/caps-private.h"
#include "relay/feature/caps_announcement.h"
#include "relay/feature/feature_table.h"
#include "relay/feature/pubsub.h"
#include "relay/route/account.h"
#include "relay/route/event.h"
#include "relay/route/router.h"

struct ear {
	struct ear *next;
	char *contact, *full;
	struct caps_entry *entry; /* a reference */
};

struct hearer { /* an account, by its node */
	struct hearer *next, **back;
	char *node;
	struct ear *ears;
	size_t count;
};

struct far {
	struct router *router;
	void *tree; /* of struct hearer */
	struct hearer *hearers;
	size_t count; /* ears */
};

static struct far *
far_of(const struct router *router)
{
	return router_state(router, &feature_caps_far);
}

/* ---- the list ---- */

static int
by_node(const void *a, const void *b)
{
	const struct hearer *left = a, *right = b;

	return strcmp(left->node, right->node);
}

static struct hearer *
find_hearer(const struct far *far, const char *node)
{
	struct hearer wanted = { .node = (char *)(uintptr_t)node };
	struct hearer **found = tfind(&wanted, &far->tree, by_node);

	return found == NULL ? NULL : *found;
}

static struct hearer *
take_hearer(struct far *far, const char *node)
{
	struct hearer *hearer = find_hearer(far, node);
	const void *added;

	if (hearer != NULL)
		return hearer;
	hearer = xcalloc(1, sizeof *hearer);
	hearer->node = xstrdup(node);
	hearer->next = far->hearers;
	hearer->back = &far->hearers;
	if (hearer->next != NULL)
		hearer->next->back = &hearer->next;
	far->hearers = hearer;
	added = tsearch(hearer, &far->tree, by_node);
	assert(added != NULL);
	(void)added;
	return hearer;
}

static void
drop_ear(struct far *far, struct hearer *hearer, struct ear **at)
{
	struct ear *ear = *at;

	*at = ear->next;
	caps_cache_release(caps_cache_of(far->router), ear->entry);
	free(ear->contact);
	free(ear->full);
	free(ear);
	hearer->count--;
	far->count--;
}

static void
drop_hearer_if_empty(struct far *far, struct hearer *hearer)
{
	if (hearer->ears != NULL)
		return;
	tdelete(hearer, &far->tree, by_node);
	*hearer->back = hearer->next;
	if (hearer->next != NULL)
		hearer->next->back = hearer->back;
	free(hearer->node);
	free(hearer);
}

/* Those of this contact; full non-NULL: that one alone. */
static void
drop_ears(struct far *far, const char *node, const char *contact, const char *full)
{
	struct hearer *hearer = find_hearer(far, node);

	if (hearer == NULL)
		return;
	for (struct ear **at = &hearer->ears; *at != NULL;) {
		if (strcmp((*at)->contact, contact) == 0 && (full == NULL || strcmp((*at)->full, full) == 0))
			drop_ear(far, hearer, at);
		else
			at = &(*at)->next;
	}
	drop_hearer_if_empty(far, hearer);
}

static struct ear *
find_ear(const struct far *far, const char *node, const char *full)
{
	const struct hearer *hearer = find_hearer(far, node);
	struct ear *ear = hearer == NULL ? NULL : hearer->ears;

	while (ear != NULL && strcmp(ear->full, full) != 0)
		ear = ear->next;
	return ear;
}

void
caps_far_each(struct router *router, const char *node,
	      void (*fn)(const char *contact, const char *full, const struct caps_set *set, void *arg), void *arg)
{
	const struct hearer *hearer = find_hearer(far_of(router), node);

	for (const struct ear *ear = hearer == NULL ? NULL : hearer->ears; ear != NULL; ear = ear->next)
		fn(ear->contact, ear->full, ear->entry->set, arg);
}

size_t
caps_far_count(struct router *router, const char *node)
{
	const struct hearer *hearer = find_hearer(far_of(router), node);

	return hearer == NULL ? 0 : hearer->count;
}

bool
caps_far_wants(struct router *router, const char *node, const char *full, const char *pubsub_node)
{
	const struct ear *ear = find_ear(far_of(router), node, full);

	return ear != NULL && caps_set_has(ear->entry->set, pubsub_node);
}

void
caps_far_learned(struct router *router, const struct caps_entry *entry)
{
	for (const struct hearer *hearer = far_of(router)->hearers; hearer != NULL; hearer = hearer->next)
		for (const struct ear *ear = hearer->ears; ear != NULL; ear = ear->next)
			if (ear->entry == entry)
				pubsub_greet_far(router, hearer->node, ear->full, NULL);
}

/* ---- asking ---- */

struct question {
	char *node, *full, *key;
};

static void
question_free(struct question *question)
{
	free(question->node);
	free(question->full);
	free(question->key);
	free(question);
}

/* It did not hash to what was announced: it counts for this client alone. */
static void
learn_alone(struct far *far, struct ear *ear, const struct xml *query)
{
	struct caps_cache *cache = caps_cache_of(far->router);
	struct caps_entry *shared = ear->entry;
	char *key = xasprintf("\n%s\n%s", ear->full, shared->node_ver);

	ear->entry = caps_cache_take(cache, key, shared->node_ver);
	if (ear->entry->set == NULL)
		ear->entry->set = caps_set_new(query);
	caps_cache_release(cache, shared);
	free(key);
	caps_far_learned(far->router, ear->entry);
}

static enum verdict
on_answer(struct router *router, struct event *answer, void *arg)
{
	struct question *question = arg;
	const struct xml *query = NULL;
	struct caps_entry *entry;
	struct ear *ear;

	if (answer != NULL) { /* else the relay may be stopping */
		ear = find_ear(far_of(router), question->node, question->full);
		entry = ear == NULL || strcmp(ear->entry->key, question->key) != 0 ? NULL : ear->entry;
		if (iq_type(answer->stanza) == IQ_RESULT)
			query = xml_find(answer->stanza, "query", NS_DISCO_INFO);
		if (entry != NULL && entry->set == NULL && query != NULL) {
			if (!caps_entry_is_shared(entry) || caps_key_verified(answer->arena, entry->key, query))
				caps_entry_learn(router, entry, query);
			else
				learn_alone(far_of(router), ear, query);
		}
	}
	question_free(question);
	return HANDLED;
}

static void
ask_ear(struct router *router, const struct account *account, const struct ear *ear)
{
	struct question *question = xcalloc(1, sizeof *question);
	struct arena *arena = arena_new();
	struct xml *iq = stanza_new(arena, "iq", account->jid, ear->full, "get", NULL);

	xml_set(arena, xml_add(arena, iq, "query", NS_DISCO_INFO), "node", ear->entry->node_ver);
	question->node = xstrdup(account->node);
	question->full = xstrdup(ear->full);
	question->key = xstrdup(ear->entry->key);
	ask_send(router, arena, iq, on_answer, question);
	arena_free(&arena);
}

/* ---- presence ---- */

struct arrival { /* in the event's arena */
	const char *full;
	struct caps_set *before; /* a reference */
};

static void
arrived(struct event *event, void *arg)
{
	struct arrival *arrival = arg;
	struct ear *ear = find_ear(far_of(event->router), event->target->node, arrival->full);

	if (ear != NULL && ear->entry->set == NULL)
		ask_ear(event->router, event->target, ear);
	else if (ear != NULL)
		pubsub_greet_far(event->router, event->target->node, ear->full, arrival->before);
	caps_set_unref(&arrival->before);
}

static void
not_arrived(struct event *event, void *arg)
{
	struct arrival *arrival = arg;

	(void)event;
	caps_set_unref(&arrival->before);
}

static void
take_ear(struct far *far, struct event *event, const struct caps_announcement *said)
{
	struct hearer *hearer = take_hearer(far, event->target->node);
	const char *full = jid_text(event->arena, &event->from);
	struct ear *ear = find_ear(far, event->target->node, full);
	struct arrival *arrival;
	struct caps_entry *entry;

	if (ear != NULL && (strcmp(ear->entry->key, said->key) == 0 || strcmp(ear->entry->key, said->own) == 0))
		return;
	if (ear == NULL && (hearer->count >= EARS_OF_ONE || far->count >= EARS_MOST)) {
		drop_hearer_if_empty(far, hearer);
		return;
	}
	entry = caps_cache_take(caps_cache_of(far->router), said->key, said->node_ver);
	arrival = arena_alloc(event->arena, sizeof *arrival);
	*arrival = (struct arrival){ .full = full };
	if (ear == NULL) {
		ear = xcalloc(1, sizeof *ear);
		ear->contact = xstrdup(jid_bare_text(event->arena, &event->from));
		ear->full = xstrdup(full);
		ear->next = hearer->ears;
		hearer->ears = ear;
		hearer->count++;
		far->count++;
	} else {
		arrival->before = caps_set_ref(ear->entry->set);
		caps_cache_release(caps_cache_of(far->router), ear->entry);
	}
	ear->entry = entry;
	event_after(event, arrived, arrival);
	event_undo(event, not_arrived, arrival);
}

static enum verdict
on_presence(struct event *event, void *state)
{
	struct far *far = state;
	struct caps_announcement said;
	const struct xml *c;

	if (!event->foreign || event->from.node == NULL)
		return PASS;
	if (presence_type(event->stanza) == PRESENCE_UNAVAILABLE || presence_type(event->stanza) == PRESENCE_ERROR)
		drop_ears(far, event->target->node, jid_bare_text(event->arena, &event->from),
			  event->from.resource == NULL ? NULL : jid_text(event->arena, &event->from));
	if (presence_type(event->stanza) != PRESENCE_AVAILABLE || event->from.resource == NULL ||
	    (account_flags(event->target, &event->from) & (ROSTER_TO | ROSTER_FROM)) == 0)
		return PASS;
	c = xml_find(event->stanza, "c", NS_CAPS);
	if (c != NULL && caps_announcement_read(event->arena, jid_text(event->arena, &event->from), c, &said))
		take_ear(far, event, &said);
	return PASS;
}

static void
on_roster_changed(void *state, struct account *account, const char *contact, unsigned before, unsigned after)
{
	struct far *far = state;
	const struct hearer *hearer = find_hearer(far, account->node);

	if ((after & (ROSTER_TO | ROSTER_FROM)) == 0) {
		drop_ears(far, account->node, contact, NULL);
		return;
	}
	if ((before & ROSTER_FROM) != 0 || (after & ROSTER_FROM) == 0)
		return;
	for (const struct ear *ear = hearer == NULL ? NULL : hearer->ears; ear != NULL; ear = ear->next)
		if (strcmp(ear->contact, contact) == 0 && ear->entry->set != NULL)
			pubsub_greet_far(far->router, account->node, ear->full, NULL);
}

static bool
is_of(const struct ear *ear, const char *domain)
{
	const char *at = strchr(ear->contact, '@');

	return at != NULL && strcmp(at + 1, domain) == 0;
}

static void
on_peer_up(void *state, const char *domain, bool missed)
{
	struct far *far = state;
	struct hearer *next;

	for (struct hearer *hearer = missed ? far->hearers : NULL; hearer != NULL; hearer = next) {
		next = hearer->next;
		for (struct ear **at = &hearer->ears; *at != NULL;) {
			if (is_of(*at, domain))
				drop_ear(far, hearer, at);
			else
				at = &(*at)->next;
		}
		drop_hearer_if_empty(far, hearer);
	}
}

/* ---- life ---- */

static void *
init(struct router *router)
{
	struct far *far = xcalloc(1, sizeof *far);

	far->router = router;
	return far;
}

static void
far_free(void *state)
{
	struct far *far = state;
	struct hearer *hearer;

	while ((hearer = far->hearers) != NULL) {
		while (hearer->ears != NULL)
			drop_ear(far, hearer, &hearer->ears);
		drop_hearer_if_empty(far, hearer);
	}
	free(far);
}

static const struct hook hooks[] = {
	{ POINT_PRESENCE, ORDER_COPY, on_presence },
	{ 0 },
};

const struct feature feature_caps_far = {
	.name = "caps_far",
	.spec = "XEP-0115 1.6.0, XEP-0163 1.2.2",
	.hooks = hooks,
	.init = init,
	.free = far_free,
	.roster_changed = on_roster_changed,
	.peer_up = on_peer_up,
};
