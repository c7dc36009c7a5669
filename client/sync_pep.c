/*
 * sync_pep.c -- keys over PEP (XEP-0163): our device list and bundle published with open access, those of others fetched.
 *
 * The own list is fetched before it is published (omemo.h merges), the bundle goes out before the list that names it.
 * A node with other options than we ask for answers precondition-not-met (XEP-0060 7.1.5): it is configured, and
 * published again; a node left closed would make us unreachable in silence. What the relay refuses for good is kept as the account's
 * value "keys.refused", and told.
 */
#include "config.h"

#include "client/sync-private.h"

#include <stdlib.h>
#include <string.h>

#include "client/clock.h"
#include "client/db/contact.h"
#include "client/db/db.h"
#include "proto/arena.h"
#include "proto/form.h"
#include "proto/jid.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/stanza.h"
#include "proto/xml.h"

#define KEYS_AGE_MS (INT64_C(7) * 24 * 3600 * 1000) /* lists and bundles are fetched anew after a week */

static char *
bundle_node(struct arena *arena, uint32_t device)
{
	return arena_printf(arena, "%s:%u", NS_OMEMO_BUNDLES, (unsigned)device);
}

static struct xml *
items_request(struct arena *arena, const char *to, const char *node)
{
	struct xml *iq = stanza_new(arena, "iq", NULL, to, "get", NULL);
	struct xml *items = xml_add(arena, xml_add(arena, iq, "pubsub", NS_PUBSUB), "items", NULL);

	xml_set(arena, items, "node", node);
	xml_set(arena, items, "max_items", "1");
	return iq;
}

/* The payload of the item in an answer: `current` when it is there, else the last. NULL: no item. */
static const struct xml *
payload(const struct xml *answer, const char *node, const char *name, const char *ns)
{
	const struct xml *pubsub = xml_find(answer, "pubsub", NS_PUBSUB);
	const struct xml *items = pubsub != NULL ? xml_find(pubsub, "items", NS_PUBSUB) : NULL;
	const struct xml *found = NULL;
	const char *of = items != NULL ? xml_attr(items, "node") : NULL;

	if (of == NULL || strcmp(of, node) != 0)
		return NULL;
	for (const struct xml *item = xml_find(items, "item", NS_PUBSUB); item != NULL;
	     item = xml_next(item, "item", NS_PUBSUB)) {
		const char *id = xml_attr(item, "id");

		if (xml_find(item, name, ns) != NULL)
			found = xml_find(item, name, ns);
		if (found != NULL && id != NULL && strcmp(id, "current") == 0)
			break;
	}
	return found;
}

/* The node is not there, or nobody with that address: there is nothing to fetch. Everything else may pass. */
static bool
is_absent(const struct xml *answer)
{
	switch (stanza_error_of(answer)) {
	case STANZA_ITEM_NOT_FOUND:
	case STANZA_SERVICE_UNAVAILABLE:
	case STANZA_FEATURE_NOT_IMPLEMENTED:
	case STANZA_GONE:
	case STANZA_FORBIDDEN: /* a node that is open can be seen by all: what we may not see is not for us */
	case STANZA_NOT_AUTHORIZED:
	case STANZA_SUBSCRIPTION_REQUIRED:
		return true;
	default: /* of twenty conditions these say so */
		return false;
	}
}

/* -- fetching ---------------------------------------------------------------------------------------------- */

struct want {
	uint32_t device; /* 0: the list */
	char jid[];      /* bare */
};

static struct want *
want_new(const char *jid, uint32_t device)
{
	struct want *want = xmalloc(sizeof(*want) + strlen(jid) + 1);

	want->device = device;
	memcpy(want->jid, jid, strlen(jid) + 1);
	return want;
}

static void
list_came(struct sync *sync, struct arena *arena, const struct xml *answer, const struct want *want)
{
	const struct xml *list = NULL;

	(void)arena;
	if (iq_type(answer) == IQ_RESULT)
		list = payload(answer, NS_OMEMO_DEVICES, "list", NS_OMEMO);
	if (omemo_take_list(sync->omemo, want->jid, list, now_wall()) == OMEMO_LIST_CHANGED)
		sync->pushed_keys = true;
}

static void
bundle_came(struct sync *sync, struct arena *arena, const struct xml *answer, const struct want *want)
{
	const struct xml *bundle = NULL;

	if (iq_type(answer) == IQ_RESULT)
		bundle = payload(answer, bundle_node(arena, want->device), "bundle", NS_OMEMO);
	if (bundle == NULL) {
		device_fetch_failed(sync->db, sync->account->id, want->jid, want->device, true, now_wall());
	} else if (omemo_take_bundle(sync->omemo, want->jid, want->device, bundle, now_wall()) == OMEMO_BUNDLE_MALFORMED) {
		device_fetch_failed(sync->db, sync->account->id, want->jid, want->device, false, now_wall());
	} else {
		sync->pushed_keys = true;
	}
}

static void
keys_came(struct sync *sync, struct arena *arena, const struct xml *answer, void *arg)
{
	const struct want *want = arg;

	bool away;

	if (answer == NULL && !sync_alive(sync))
		return; /* the line broke: that says nothing about them */
	away = answer == NULL || (iq_type(answer) == IQ_ERROR && !is_absent(answer));
	db_begin(sync->db);
	if (away)
		device_fetch_failed(sync->db, sync->account->id, want->jid, want->device, false, now_wall());
	else if (want->device == 0)
		list_came(sync, arena, answer, want);
	else
		bundle_came(sync, arena, answer, want);
	db_commit(sync->db, NULL);
	if (away)
		sync_ask_kept(sync, want->jid);
}

static void
ask_one(struct sync *sync, const char *jid, uint32_t device)
{
	struct arena *arena = arena_new();
	const char *node = device == 0 ? NS_OMEMO_DEVICES : bundle_node(arena, device);

	sync_ask(sync, items_request(arena, jid, node), keys_came, want_new(jid, device));
	arena_free(&arena);
}

void
sync_ask_own_list(struct sync *sync)
{
	ask_one(sync, sync->account->jid, 0);
}

/* Those whom a message waits for are asked at every sync: perhaps they have a device now. */
static void
ask_for_waiting(struct sync *sync)
{
	struct arena *arena = arena_new();
	struct outbox_item *list;
	size_t count = outbox_list(sync->db, arena, sync->account->id, &list);

	for (size_t i = 0; i < count && sync_alive(sync); i++) {
		size_t before = 0;

		while (before < i && (list[before].state != SENT_WAITING || strcmp(list[before].to, list[i].to) != 0))
			before++;
		if (before == i && list[i].state == SENT_WAITING)
			ask_one(sync, list[i].to, 0);
	}
	arena_free(&arena);
	sync_settle(sync);
}

void
sync_ask_keys(struct sync *sync)
{
	ask_for_waiting(sync);
	/* Lists first; what they name is wanted in the next round. Failures are not asked for again, so this ends. */
	for (int round = 0; round < 4 && sync_alive(sync); round++) {
		struct arena *arena = arena_new();
		struct device_want *wanted;
		size_t count = device_wanted(sync->db, arena, sync->account->id, now_wall(), KEYS_AGE_MS, &wanted);

		for (size_t i = 0; i < count && sync_alive(sync); i++) {
			sync_progress(sync, SYNC_KEYS, i, count);
			ask_one(sync, wanted[i].jid, wanted[i].device);
		}
		arena_free(&arena);
		if (count == 0 || !sync_settle(sync))
			break;
	}
	if (sync->pushed_keys && sync_alive(sync)) {
		sync->pushed_keys = false;
		outbox_keys_came(sync->db, sync->omemo, sync->account->id, NULL, now_wall());
	}
}

/*
 * A contact's device list that changed (XEP-0163 section 4): pushed because our capabilities ask for it. The relay says
 * whose node it is by `from`; a full address is somebody posing as a node (attack R6).
 */
bool
sync_key_event(struct sync *sync, struct arena *arena, const struct xml *message)
{
	const struct xml *event = xml_find(message, "event", NS_PUBSUB_EVENT);
	const struct xml *items = event != NULL ? xml_find(event, "items", NS_PUBSUB_EVENT) : NULL;
	const struct xml *item = items != NULL ? xml_find(items, "item", NS_PUBSUB_EVENT) : NULL;
	const struct xml *list = item != NULL ? xml_find(item, "list", NS_OMEMO) : NULL;
	const char *node = items != NULL ? xml_attr(items, "node") : NULL;
	struct jid from;

	if (event == NULL)
		return false;
	if (list == NULL || node == NULL || strcmp(node, NS_OMEMO_DEVICES) != 0 ||
	    !jid_parse_text(arena, xml_attr(message, "from"), &from) || !jid_is_bare(&from) || from.node == NULL)
		return true;
	/* what strangers announce is not kept: anyone may send us such a message */
	if (!contact_is_known(sync->db, sync->account->id, jid_bare_text(arena, &from)))
		return true;
	db_begin(sync->db);
	if (omemo_take_list(sync->omemo, jid_bare_text(arena, &from), list, now_wall()) == OMEMO_LIST_CHANGED)
		sync->pushed_keys = true;
	db_commit(sync->db, NULL);
	return true;
}

/* -- publishing -------------------------------------------------------------------------------------------- */

struct publication {
	bool list;       /* the device list; else the bundle */
	bool configured; /* the second time, after the node was configured */
	unsigned due;
};

static void publish(struct sync *sync, bool list, bool configured);

static void
add_options(struct arena *arena, struct xml *form)
{
	form_field(arena, form, "pubsub#persist_items", NULL, NULL, "true");
	form_field(arena, form, "pubsub#access_model", NULL, NULL, "open");
}

/* NULL: no answer came. */
static const char *
why(const struct xml *answer)
{
	return stanza_error_name(answer == NULL ? STANZA_REMOTE_SERVER_TIMEOUT : stanza_error_of(answer));
}

static void
configured(struct sync *sync, struct arena *arena, const struct xml *answer, void *arg)
{
	const struct publication *publication = arg;

	(void)arena;
	if (answer != NULL && iq_type(answer) == IQ_RESULT)
		publish(sync, publication->list, true);
	else
		sync->unpublished = why(answer);
}

/* XEP-0060 8.2: the node is ours, with other options than we need. */
static void
configure(struct sync *sync, const struct publication *publication)
{
	struct arena *arena = arena_new();
	struct xml *iq = stanza_new(arena, "iq", NULL, NULL, "set", NULL);
	struct xml *node = xml_add(arena, xml_add(arena, iq, "pubsub", NS_PUBSUB_OWNER), "configure", NULL);
	struct publication *copy = xmalloc(sizeof(*copy));

	*copy = *publication;
	xml_set(arena, node, "node",
	    publication->list ? NS_OMEMO_DEVICES : bundle_node(arena, omemo_device(sync->omemo)));
	add_options(arena, form_new(arena, node, "submit", NS_PUBSUB_CONFIG));
	sync_ask(sync, iq, configured, copy);
	arena_free(&arena);
}

static void
published(struct sync *sync, struct arena *arena, const struct xml *answer, void *arg)
{
	const struct publication *publication = arg;
	const struct xml *error;

	(void)arena;
	if (answer == NULL || iq_type(answer) == IQ_ERROR) {
		error = answer == NULL ? NULL : xml_find(answer, "error", NULL);
		if (!publication->configured && error != NULL &&
		    xml_find(error, "precondition-not-met", NS_PUBSUB_ERRORS) != NULL)
			configure(sync, publication);
		else
			sync->unpublished = why(answer);
		return;
	}
	db_begin(sync->db);
	if (publication->list)
		omemo_list_published(sync->omemo, publication->due);
	else
		omemo_bundle_published(sync->omemo, publication->due);
	db_commit(sync->db, NULL);
}

static void
publish(struct sync *sync, bool list, bool is_configured)
{
	struct arena *arena = arena_new();
	struct xml *iq = stanza_new(arena, "iq", NULL, NULL, "set", NULL);
	struct xml *pubsub = xml_add(arena, iq, "pubsub", NS_PUBSUB);
	struct xml *node = xml_add(arena, pubsub, "publish", NULL);
	struct xml *item = xml_add(arena, node, "item", NULL);
	struct publication *publication = xcalloc(1, sizeof(*publication));

	publication->list = list;
	publication->configured = is_configured;
	publication->due = list ? omemo_list_due(sync->omemo) : omemo_bundle_due(sync->omemo);
	xml_set(arena, node, "node", list ? NS_OMEMO_DEVICES : bundle_node(arena, omemo_device(sync->omemo)));
	xml_set(arena, item, "id", "current");
	xml_append(item, list ? omemo_list_tree(sync->omemo, arena) : omemo_bundle_tree(sync->omemo, arena));
	add_options(arena,
	    form_new(arena, xml_add(arena, pubsub, "publish-options", NULL), "submit", NS_PUBSUB_PUBLISH_OPTIONS));
	sync_ask(sync, iq, published, publication);
	arena_free(&arena);
}

/* What people must be told (cmd/news.c): who has no keys of ours begins no conversation with us. "" when all is published; a line that
 * broke says nothing of that. */
static void
note_publication(struct sync *sync)
{
	bool due = omemo_list_due(sync->omemo) != 0 || omemo_bundle_due(sync->omemo) != 0;
	const char *reason = !due ? "" : sync->unpublished != NULL ? sync->unpublished : stanza_error_name(STANZA_UNDEFINED_CONDITION);
	struct arena *arena;
	const char *before;

	if (!sync_alive(sync))
		return;
	arena = arena_new();
	before = account_get(sync->db, arena, sync->account->id, "keys.refused", NULL);
	if (strcmp(before == NULL ? "" : before, reason) != 0) {
		db_begin(sync->db);
		account_set_text(sync->db, sync->account->id, "keys.refused", reason);
		db_commit(sync->db, NULL);
	}
	arena_free(&arena);
}

void
sync_publish(struct sync *sync)
{
	sync->unpublished = NULL;
	if (omemo_bundle_due(sync->omemo) != 0) {
		publish(sync, false, false);
		sync_settle(sync);
	}
	/* a list that could not be fetched would be overwritten, and our other devices with it */
	if (sync_alive(sync) && omemo_list_due(sync->omemo) != 0 &&
	    device_list_known(sync->db, sync->account->id, sync->account->jid)) {
		publish(sync, true, false);
		sync_settle(sync);
	}
	note_publication(sync);
}
