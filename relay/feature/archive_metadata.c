/*
 * feature/archive_metadata.c -- where the archive of an account begins and ends (XEP-0313 section 5): asked for, or told with a new
 * session (XEP-0386 3.2).
 */
#include "config.h"

#include "relay/feature/archive.h"

#include <stdlib.h>
#include "proto/arena.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/stamp.h"
#include "proto/xml.h"
#include "relay/route/account.h"
#include "relay/route/event.h"
#include "relay/route/router.h"
#include "relay/store/archive.h"
#include "relay/store/store.h"

static void
add_end(struct store *store, struct arena *arena, struct xml *metadata, const char *name, int64_t id, int64_t time)
{
	struct xml *end = xml_add(arena, metadata, name, NULL);
	char stamp[STAMP_LEN + 1], text[33];

	store_stanza_id(store, id, text);
	stamp_format(stamp, time);
	xml_set(arena, end, "id", text);
	xml_set(arena, end, "timestamp", stamp);
}

static void
add_metadata(struct store *store, struct arena *arena, struct xml *parent, const struct archive_ends *ends)
{
	struct xml *metadata = xml_add(arena, parent, "metadata", NS_MAM);

	if (ends->first == 0)
		return;
	add_end(store, arena, metadata, "start", ends->first, ends->first_time);
	add_end(store, arena, metadata, "end", ends->last, ends->last_time);
}

/* ---- asked ---- */

static void
ends_read(void *arg, bool failed, const struct archive_ends *ends)
{
	struct event *event = arg;
	struct xml *result;

	if (failed) {
		event_finish(event, event_reject(event, STANZA_INTERNAL_SERVER_ERROR, NULL));
		return;
	}
	result = event_result(event);
	add_metadata(router_store(event->router), event->arena, result, ends);
	event_reply(event, result);
	event_finish(event, HANDLED);
}

static void
ask_ends(struct event *event, void *arg)
{
	(void)arg;
	read_archive_ends(router_store(event->router), event->target->node, ends_read, event);
}

enum verdict
archive_on_metadata(struct event *event, void *state)
{
	(void)state;
	event_when_first(event, ask_ends, NULL);
	return LATER;
}

/* ---- with a new session ---- */

struct telling {
	struct store *store;
	struct arena *arena;
	struct xml *bound;
	void (*then)(void *then_arg);
	void *then_arg;
};

/* One that cannot be read is not told of: the client can still ask. */
static void
told(void *arg, bool failed, const struct archive_ends *ends)
{
	struct telling telling = *(struct telling *)arg;

	free(arg);
	if (!failed)
		add_metadata(telling.store, telling.arena, telling.bound, ends);
	telling.then(telling.then_arg);
}

void
archive_bind_ahead(struct router *router, const char *node, struct arena *arena, struct xml *bound,
    void (*then)(void *then_arg), void *then_arg)
{
	struct telling *telling = xcalloc(1, sizeof *telling);

	*telling = (struct telling){ router_store(router), arena, bound, then, then_arg };
	read_archive_ends(telling->store, node, told, telling);
}
