/*
 * feature/private.c -- whatever XML a user's programs want kept for them alone (XEP-0049 1.2).
 *
 * One element a name and namespace, each an item of a hidden node. Bookmarks are kept elsewhere
 * (bookmarks.c): the old document is made of the new items when it is asked for, and taken apart when it is
 * set. DIAGNOSTICS: somebody else's: forbidden; nothing asked for: bad-request; a get of more than one, an
 * element without a namespace of its own: not-acceptable; more than KEYS_MOST: resource-constraint.
 */
#include "config.h"

#include "relay/feature/private.h"

#include <string.h>
#include "proto/arena.h"
#include "proto/ns.h"
#include "proto/stanza.h"
#include "proto/xml.h"
#include "relay/feature/bookmarks.h"
#include "relay/feature/feature_table.h"
#include "relay/feature/pubsub-private.h"
#include "relay/route/account.h"
#include "relay/route/event.h"
#include "relay/route/router.h"
#include "relay/store/read.h"

enum { KEYS_MOST = 250, AT_ONCE_MOST = 20 };

const char *
private_key(struct arena *arena, const struct xml *element)
{
	return arena_printf(arena, "%s %s", element->name, element->ns);
}

bool
private_keep(struct event *event, const struct xml *element)
{
	struct pubsub_config hidden = pubsub_config_default;
	const char *key = private_key(event->arena, element);

	hidden.access = ACCESS_WHITELIST;
	hidden.send_last = SEND_LAST_NEVER;
	hidden.max_items = PUBSUB_ITEMS_MAX;
	if (element->first == NULL && element->attrs == NULL) {
		pubsub_drop(event, PRIVATE_NODE, key);
		return true;
	}
	return pubsub_put(event, PRIVATE_NODE, &hidden, key, element);
}

/* ---- get ---- */

static void
element_read(void *arg, bool failed, const struct item_row *rows, size_t count)
{
	struct event *event = arg;
	const struct xml *asked = xml_first(event->payload);
	struct xml *result = event_result(event), *found;
	struct xml *query = xml_add(event->arena, result, "query", NS_PRIVATE);

	found = count == 0 ? NULL : pubsub_payload(event->arena, rows[0].body, rows[0].len);
	if (failed || (count > 0 && found == NULL)) {
		event_finish(event, event_reject(event, STANZA_INTERNAL_SERVER_ERROR, NULL));
		return;
	}
	xml_append(query, found != NULL ? found : xml_new(event->arena, asked->name, asked->ns));
	event_reply(event, result);
	event_finish(event, HANDLED);
}

static void
look(struct event *event, void *arg)
{
	(void)arg;
	read_items(router_store(event->router), event->target->node, PRIVATE_NODE,
		   private_key(event->arena, xml_first(event->payload)), 1, element_read, event);
}

static bool
is_own(const struct event *event)
{
	return event->sender != NULL && event->target == event->sender;
}

static enum verdict
get(struct event *event, void *state)
{
	const struct xml *asked = xml_first(event->payload);

	(void)state;
	if (!is_own(event))
		return event_reject(event, STANZA_FORBIDDEN, NULL);
	if (asked == NULL)
		return event_reject(event, STANZA_BAD_REQUEST, NULL);
	if (xml_next(asked, NULL, NULL) != NULL || strcmp(asked->ns, NS_PRIVATE) == 0)
		return event_reject(event, STANZA_NOT_ACCEPTABLE, NULL);
	if (bookmarks_is_old(asked))
		return bookmarks_get_old(event);
	event_when_first(event, look, NULL);
	return LATER;
}

/* ---- set ---- */

static bool
is_known(const struct item_row *rows, size_t count, const char *key)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(rows[i].item, key) == 0)
			return true;
	return false;
}

static void
names_read(void *arg, bool failed, const struct item_row *rows, size_t count)
{
	struct event *event = arg;
	size_t fresh = 0;

	if (failed) {
		event_finish(event, event_reject(event, STANZA_INTERNAL_SERVER_ERROR, NULL));
		return;
	}
	for (const struct xml *at = xml_first(event->payload); at != NULL; at = xml_next(at, NULL, NULL))
		fresh += !is_known(rows, count, private_key(event->arena, at));
	if (count + fresh > KEYS_MOST) {
		event_finish(event,
			     event_reject(event, STANZA_RESOURCE_CONSTRAINT, "too many different elements"));
		return;
	}
	for (const struct xml *at = xml_first(event->payload); at != NULL; at = xml_next(at, NULL, NULL)) {
		if (!private_keep(event, at)) {
			event_finish(event, event_reject(event, STANZA_RESOURCE_CONSTRAINT, NULL));
			return;
		}
	}
	event_reply_result(event);
	event_finish(event, HANDLED);
}

/* Which there are: names alone. */
static void
look_for_names(struct event *event, void *arg)
{
	(void)arg;
	read_items_from(router_store(event->router), event->target->node, PRIVATE_NODE, PUBSUB_ITEMS_MAX,
			PUBSUB_ITEMS_MAX, names_read, event);
}

static enum verdict
set(struct event *event, void *state)
{
	size_t count = 0;

	(void)state;
	if (!is_own(event))
		return event_reject(event, STANZA_FORBIDDEN, NULL);
	for (const struct xml *at = xml_first(event->payload); at != NULL;
	     at = xml_next(at, NULL, NULL), count++)
		if (strcmp(at->ns, NS_PRIVATE) == 0 ||
		    strlen(at->name) + strlen(at->ns) >= PUBSUB_NODE_NAME_MAX)
			return event_reject(event, STANZA_NOT_ACCEPTABLE, NULL);
	if (count == 0 || count > AT_ONCE_MOST)
		return event_reject(event, STANZA_NOT_ACCEPTABLE, NULL);
	if (bookmarks_is_old(xml_first(event->payload)))
		return count == 1 ? bookmarks_set_old(event)
				  : event_reject(event, STANZA_NOT_ACCEPTABLE, NULL);
	event_when_first(event, look_for_names, NULL);
	return LATER;
}

static const struct iq_handler handlers[] = {
	{ "query", NS_PRIVATE, ON_GET, TO_SELF | TO_ACCOUNT, get },
	{ "query", NS_PRIVATE, ON_SET, TO_SELF | TO_ACCOUNT, set },
	{ 0 },
};

const struct feature feature_private = {
	.name = "private",
	.spec = "XEP-0049 1.2, XEP-0223 1.1.1",
	.disco = (const char *const[]){ NS_PRIVATE, NULL },
	.disco_account = (const char *const[]){ NS_PRIVATE, NULL },
	.iq = handlers,
};
