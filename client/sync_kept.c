/*
 * sync_kept.c -- keys of people whose relay is away, from the copy that our own relay keeps (proto/spec/courier.md 11).
 *
 * Asked once a sync for each person whose own relay did not answer. It helps where nothing could be written otherwise: devices that
 * are not known yet, bundles of devices that there is neither bundle nor session for. What was fetched from them themselves stays.
 * Promises: the copy counts as of the day it was made; they themselves are asked again when their relay may be back.
 */
#include "config.h"

#include "client/sync-private.h"

#include <stdlib.h>
#include <string.h>

#include "client/clock.h"
#include "client/db/db.h"
#include "client/db/device.h"
#include "client/omemo/element.h"
#include "proto/arena.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/stanza.h"
#include "proto/xml.h"

/* When it was given to our relay, by our clock. */
static int64_t
time_of(const struct xml *items)
{
	const char *age = xml_attr(items, "age");
	long long seconds = age != NULL ? strtoll(age, NULL, 10) : 0;
	int64_t now = now_wall();

	return seconds <= 0 ? now : seconds > now / 1000 ? 0 : now - seconds * 1000;
}

static const struct xml *
find_items(const struct xml *keys, const char *node)
{
	const struct xml *items = xml_find(keys, "items", NS_COURIER);

	while (items != NULL && (xml_attr(items, "node") == NULL || strcmp(xml_attr(items, "node"), node) != 0))
		items = xml_next(items, "items", NS_COURIER);
	return items;
}

/* Devices that come with it; nothing that we know goes. */
static void
take_list(struct sync *sync, const char *jid, const struct xml *items, struct arena *arena)
{
	const struct xml *list = items != NULL ? xml_find(items, "list", NS_OMEMO) : NULL;
	uint32_t ids[ELEMENT_DEVICES];
	struct device device;
	int count;

	if (list == NULL)
		return;
	if (!device_list_known(sync->db, sync->account->id, jid)) {
		(void)omemo_take_list(sync->omemo, jid, list, time_of(items));
	} else {
		count = element_read_list(list, ids);
		for (int i = 0; i < count; i++) {
			if (device_get(sync->db, arena, sync->account->id, jid, ids[i], &device))
				continue;
			device_know(sync->db, sync->account->id, jid, ids[i], now_wall());
			device_assume_listed(sync->db, sync->account->id, jid, ids[i]);
		}
	}
	device_list_want(sync->db, sync->account->id, jid);
	device_fetch_failed(sync->db, sync->account->id, jid, 0, false, now_wall());
}

static void
take_bundle(struct sync *sync, const char *jid, const struct xml *items, struct arena *arena)
{
	static const char prefix[] = NS_OMEMO_BUNDLES ":";
	const char *node = xml_attr(items, "node");
	const struct xml *bundle = xml_find(items, "bundle", NS_OMEMO);
	struct device device;
	unsigned long long id;

	if (node == NULL || bundle == NULL || strncmp(node, prefix, sizeof(prefix) - 1) != 0)
		return;
	id = strtoull(node + sizeof(prefix) - 1, NULL, 10);
	if (id == 0 || id > UINT32_MAX ||
	    !device_get(sync->db, arena, sync->account->id, jid, (uint32_t)id, &device) || !device.listed ||
	    device.bundle || device.session)
		return;
	if (omemo_take_bundle(sync->omemo, jid, (uint32_t)id, bundle, time_of(items)) != OMEMO_BUNDLE_MALFORMED)
		sync->pushed_keys = true;
}

static void
kept_came(struct sync *sync, struct arena *arena, const struct xml *answer, void *arg)
{
	const char *jid = arg, *of;
	const struct xml *keys = answer != NULL && iq_type(answer) == IQ_RESULT ? xml_find(answer, "keys", NS_COURIER) : NULL;

	of = keys != NULL ? xml_attr(keys, "jid") : NULL;
	if (of == NULL || strcmp(of, jid) != 0)
		return;
	db_begin(sync->db);
	take_list(sync, jid, find_items(keys, NS_OMEMO_DEVICES), arena);
	for (const struct xml *items = xml_find(keys, "items", NS_COURIER); items != NULL;
	     items = xml_next(items, "items", NS_COURIER))
		take_bundle(sync, jid, items, arena);
	db_commit(sync->db, NULL);
}

void
sync_ask_kept(struct sync *sync, const char *jid)
{
	struct arena *arena;
	struct xml *iq, *keys;

	if (strcmp(jid, sync->account->jid) == 0)
		return;
	for (size_t i = 0; i < sync->kept_count; i++)
		if (strcmp(sync->kept[i], jid) == 0)
			return;
	sync->kept = xrealloc(sync->kept, (sync->kept_count + 1) * sizeof(*sync->kept));
	sync->kept[sync->kept_count++] = xstrdup(jid);
	arena = arena_new();
	iq = stanza_new(arena, "iq", NULL, NULL, "get", NULL);
	keys = xml_add(arena, iq, "keys", NS_COURIER);
	xml_set(arena, keys, "jid", jid);
	sync_ask(sync, iq, kept_came, xstrdup(jid));
	arena_free(&arena);
}

void
sync_kept_close(struct sync *sync)
{
	for (size_t i = 0; i < sync->kept_count; i++)
		free(sync->kept[i]);
	free(sync->kept);
}
