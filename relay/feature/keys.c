/*
 * feature/keys.c -- the public OMEMO items of our users' contacts at other relays, kept for when those are away (proto/spec/courier.md 11).
 *
 * Fetched in the account's name (XEP-0384 0.3.0): when a contact lets us see its presence, when it tells of another device list, and
 * otherwise at most once a day, when its presence shows that its relay is there. The list, then each bundle that it names. Given to
 * the contact's subscribers here, and to them only as what it is: a copy, with its age.
 * Promises: what is kept came from the contact's own domain; at most DEVICES_MOST bundles of PAYLOAD_MOST bytes for a contact; of the
 * one-time keys each subscriber is shown others. Never: answers a plain pubsub request from the copy.
 */
#include "config.h"

#include <assert.h>
#include <inttypes.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/jid.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/stanza.h"
#include "proto/xml.h"
#include "proto/xmlout.h"
#include "relay/feature/ask.h"
#include "relay/feature/feature_table.h"
#include "relay/feature/keys.h"
#include "relay/net/clock.h"
#include "relay/route/account.h"
#include "relay/route/event.h"
#include "relay/route/router.h"
#include "relay/store/txn.h"

enum {
	DEVICES_MOST = 20,
	PAYLOAD_MOST = 16 * 1024, /* bytes; a bundle of a hundred keys has 6 KiB */
	CONTACTS_MOST = 10000,    /* whose last fetching is remembered; beyond them those of whom no sign came for the longest are forgotten */
	SOON_MS = 60 * 1000,      /* between two fetchings that a changed list brings */
	DAY_MS = 24 * 3600 * 1000,
};

/* When a contact's items were fetched. */
struct known {
	struct known *older, *newer; /* in order of the last sign of them */
	char *contact;
	int64_t tried; /* ms, monotonic; 0: never, in vain, or out of date */
	bool busy;
	bool again; /* something changed meanwhile */
};

struct keys {
	struct router *router;
	void *tree; /* of struct known */
	size_t count;
	struct known *oldest, *newest;
};

struct fetch {
	char *contact;
	char *own; /* bare JID of the account in whose name */
	uint32_t devices[DEVICES_MOST];
	size_t count, next;
};

/* ---- who was asked when ---- */

static int
by_contact(const void *a, const void *b)
{
	const struct known *left = a, *right = b;

	return strcmp(left->contact, right->contact);
}

static struct known *
find_known(const struct keys *keys, const char *contact)
{
	struct known wanted = { .contact = (char *)(uintptr_t)contact };
	struct known **found = tfind(&wanted, &keys->tree, by_contact);

	return found == NULL ? NULL : *found;
}

static void
known_free(void *arg)
{
	struct known *known = arg;

	free(known->contact);
	free(known);
}

static void
unlink_known(struct keys *keys, struct known *known)
{
	*(known->older == NULL ? &keys->oldest : &known->older->newer) = known->newer;
	*(known->newer == NULL ? &keys->newest : &known->newer->older) = known->older;
}

static void
link_newest(struct keys *keys, struct known *known)
{
	known->older = keys->newest;
	known->newer = NULL;
	*(keys->newest == NULL ? &keys->oldest : &keys->newest->newer) = known;
	keys->newest = known;
}

/* It is only fetched again at its next sign. False: all are being fetched. */
static bool
forget_oldest(struct keys *keys)
{
	struct known *known = keys->oldest;

	while (known != NULL && known->busy)
		known = known->newer;
	if (known == NULL)
		return false;
	unlink_known(keys, known);
	(void)tdelete(known, &keys->tree, by_contact);
	known_free(known);
	keys->count--;
	return true;
}

/* NULL: so many are being fetched that this one is not. */
static struct known *
take_known(struct keys *keys, const char *contact)
{
	struct known *known = find_known(keys, contact);
	const void *added;

	if (known != NULL) {
		unlink_known(keys, known);
		link_newest(keys, known);
		return known;
	}
	if (keys->count >= CONTACTS_MOST && !forget_oldest(keys))
		return NULL;
	known = xcalloc(1, sizeof *known);
	known->contact = xstrdup(contact);
	added = tsearch(known, &keys->tree, by_contact);
	assert(added != NULL);
	(void)added;
	link_newest(keys, known);
	keys->count++;
	return known;
}

static void begin(struct router *router, struct known *known, const char *own);

static void
end_fetch(struct router *router, struct fetch *fetch, bool done)
{
	struct known *known = find_known(router_state(router, &feature_keys), fetch->contact);

	known->busy = false;
	known->tried = done ? now_mono() : 0;
	if (known->again && done)
		begin(router, known, fetch->own);
	free(fetch->contact);
	free(fetch->own);
	free(fetch);
}

/* ---- fetching ---- */

static const char *
bundle_node(struct arena *arena, uint32_t device)
{
	return arena_printf(arena, NS_OMEMO_BUNDLES ":%" PRIu32, device);
}

static void
ask_items(struct router *router, struct fetch *fetch, const char *node, ask_fn *fn)
{
	struct arena *arena = arena_new();
	struct xml *iq = stanza_new(arena, "iq", fetch->own, fetch->contact, "get", NULL);
	struct xml *items = xml_add(arena, xml_add(arena, iq, "pubsub", NS_PUBSUB), "items", NULL);

	xml_set(arena, items, "node", node);
	xml_set(arena, items, "max_items", "1");
	ask_send(router, arena, iq, fn, fetch);
	arena_free(&arena);
}

/* The payload of the one item of this node in an answer; NULL: none there, or too large. */
static const struct xml *
payload_of(const struct event *answer, const char *node, const char *name, struct buf *text)
{
	const struct xml *pubsub = xml_find(answer->stanza, "pubsub", NS_PUBSUB);
	const struct xml *items = pubsub == NULL ? NULL : xml_find(pubsub, "items", NS_PUBSUB);
	const struct xml *item = items == NULL ? NULL : xml_find(items, "item", NS_PUBSUB);
	const struct xml *payload = item == NULL ? NULL : xml_find(item, name, NS_OMEMO);
	const char *of = items == NULL ? NULL : xml_attr(items, "node");

	if (iq_type(answer->stanza) != IQ_RESULT || payload == NULL || of == NULL || strcmp(of, node) != 0)
		return NULL;
	xmlout(text, payload, NULL);
	return text->len <= PAYLOAD_MOST ? payload : NULL;
}

static void
add_item(struct event *answer, const struct fetch *fetch, const char *node, const struct buf *text)
{
	event_add(answer, &(struct op){ .kind = OP_FAR_SET, .peer = fetch->contact, .node = node, .time = answer->time,
		.body = text->data, .body_len = text->len });
}

static enum verdict on_bundle(struct router *router, struct event *answer, void *arg);

static void
ask_next(struct router *router, struct fetch *fetch)
{
	struct arena *arena;

	if (fetch->next == fetch->count) {
		end_fetch(router, fetch, true);
		return;
	}
	arena = arena_new();
	ask_items(router, fetch, bundle_node(arena, fetch->devices[fetch->next]), on_bundle);
	arena_free(&arena);
}

static enum verdict
on_bundle(struct router *router, struct event *answer, void *arg)
{
	struct fetch *fetch = arg;
	struct buf text = { .data = NULL };
	const char *node;

	if (answer == NULL || !answer->foreign) {
		end_fetch(router, fetch, false);
		return HANDLED;
	}
	node = bundle_node(answer->arena, fetch->devices[fetch->next++]);
	if (payload_of(answer, node, "bundle", &text) != NULL)
		add_item(answer, fetch, node, &text);
	buf_free(&text);
	ask_next(router, fetch);
	return HANDLED;
}

static void
read_devices(struct fetch *fetch, const struct xml *list)
{
	for (const struct xml *device = xml_find(list, "device", NS_OMEMO); device != NULL && fetch->count < DEVICES_MOST;
	     device = xml_next(device, "device", NS_OMEMO)) {
		const char *id = xml_attr(device, "id");
		char *end;
		unsigned long long value = id == NULL ? 0 : strtoull(id, &end, 10);

		if (value != 0 && *end == '\0' && value <= UINT32_MAX)
			fetch->devices[fetch->count++] = (uint32_t)value;
	}
}

/* Bundles of devices that are gone go with them; who has no list any more has nothing. */
static void
keep_only(struct event *answer, const struct fetch *fetch, bool list)
{
	struct buf nodes = { .data = NULL };

	buf_adds(&nodes, "\n");
	if (list)
		buf_adds(&nodes, NS_OMEMO_DEVICES "\n");
	for (size_t i = 0; i < fetch->count; i++)
		buf_printf(&nodes, "%s\n", bundle_node(answer->arena, fetch->devices[i]));
	event_add(answer, &(struct op){ .kind = OP_FAR_KEEP, .peer = fetch->contact, .config = nodes.data });
	buf_free(&nodes);
}

static enum verdict
on_list(struct router *router, struct event *answer, void *arg)
{
	struct fetch *fetch = arg;
	struct buf text = { .data = NULL };
	const struct xml *list;

	if (answer == NULL || !answer->foreign) {
		end_fetch(router, fetch, false);
		return HANDLED;
	}
	list = payload_of(answer, NS_OMEMO_DEVICES, "list", &text);
	if (list != NULL) {
		read_devices(fetch, list);
		add_item(answer, fetch, NS_OMEMO_DEVICES, &text);
	}
	if (list != NULL || stanza_error_of(answer->stanza) == STANZA_ITEM_NOT_FOUND)
		keep_only(answer, fetch, list != NULL);
	buf_free(&text);
	ask_next(router, fetch);
	return HANDLED;
}

static void
begin(struct router *router, struct known *known, const char *own)
{
	struct fetch *fetch = xcalloc(1, sizeof *fetch);

	known->busy = true;
	known->again = false;
	fetch->contact = xstrdup(known->contact);
	fetch->own = xstrdup(own);
	ask_items(router, fetch, NS_OMEMO_DEVICES, on_list);
}

static void
fetch_for(struct keys *keys, const struct account *account, const char *contact, int64_t pause)
{
	struct known *known = take_known(keys, contact);

	if (known == NULL)
		return;
	if (known->busy)
		known->again = known->again || pause < DAY_MS;
	else if (known->tried == 0 || now_mono() - known->tried >= pause)
		begin(keys->router, known, account->jid);
	else if (pause < DAY_MS)
		known->tried = 0; /* with the next sign of them */
}

/* ---- when ---- */

static bool
is_far_contact(const struct event *event)
{
	return event->foreign && event->from.node != NULL && (account_flags(event->target, &event->from) & ROSTER_TO) != 0;
}

static void
fetch_daily(struct event *event, void *arg)
{
	fetch_for(arg, event->target, jid_bare_text(event->arena, &event->from), DAY_MS);
}

static void
fetch_soon(struct event *event, void *arg)
{
	fetch_for(arg, event->target, jid_bare_text(event->arena, &event->from), SOON_MS);
}

static enum verdict
on_presence(struct event *event, void *state)
{
	if (presence_type(event->stanza) == PRESENCE_AVAILABLE && is_far_contact(event))
		event_after(event, fetch_daily, state);
	return PASS;
}

static enum verdict
on_message(struct event *event, void *state)
{
	const struct xml *change = xml_find(event->stanza, "event", NS_PUBSUB_EVENT);
	const struct xml *items = change == NULL ? NULL : xml_find(change, "items", NS_PUBSUB_EVENT);
	const char *node = items == NULL ? NULL : xml_attr(items, "node");

	if (node != NULL && strcmp(node, NS_OMEMO_DEVICES) == 0 && event->from.resource == NULL && is_far_contact(event))
		event_after(event, fetch_soon, state);
	return PASS;
}

static void
on_roster_changed(void *state, struct account *account, const char *contact, unsigned before, unsigned after)
{
	struct keys *keys = state;
	const char *at = strchr(contact, '@');
	struct txn *txn;

	if (at == NULL || router_is_local(keys->router, at + 1) || ((before ^ after) & ROSTER_TO) == 0)
		return;
	if ((after & ROSTER_TO) != 0) {
		fetch_for(keys, account, contact, 0);
		return;
	}
	txn = txn_new(router_store(keys->router));
	txn_add(txn, &(struct op){ .kind = OP_FAR_TIDY, .peer = contact });
	txn_submit(&txn, NULL, NULL);
}

/* ---- life ---- */

static void *
init(struct router *router)
{
	struct keys *keys = xcalloc(1, sizeof *keys);
	struct txn *txn = txn_new(router_store(router));

	keys->router = router;
	txn_add(txn, &(struct op){ .kind = OP_FAR_TIDY }); /* of those whose subscribers are gone */
	txn_submit(&txn, NULL, NULL);
	return keys;
}

static void
keys_free(void *state)
{
	struct keys *keys = state;

	tdestroy(keys->tree, known_free);
	free(keys);
}

static const struct iq_handler handlers[] = {
	{ "keys", NS_COURIER, ON_GET, TO_SELF, keys_answer },
	{ 0 },
};
static const struct hook hooks[] = {
	{ POINT_PRESENCE, ORDER_COPY, on_presence },
	{ POINT_MESSAGE, ORDER_COPY, on_message },
	{ 0 },
};

const struct feature feature_keys = {
	.name = "keys",
	.spec = "XEP-0384 0.3.0",
	.disco_account = (const char *const[]){ NS_COURIER "#keys", NULL },
	.iq = handlers,
	.hooks = hooks,
	.init = init,
	.free = keys_free,
	.roster_changed = on_roster_changed,
};
