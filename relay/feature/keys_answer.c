/*
 * feature/keys_answer.c -- our own clients ask for the copy of a contact's keys: see keys.h.
 *
 * Promises: only those who see the contact's presence get it. DIAGNOSTICS: item-not-found for others, for contacts here, and for
 * those of whom nothing is kept.
 */
#include "config.h"

#include "relay/feature/keys.h"

#include <inttypes.h>
#include "proto/arena.h"
#include "proto/jid.h"
#include "proto/ns.h"
#include "proto/stamp.h"
#include "proto/xml.h"
#include "proto/xmlin.h"
#include "relay/route/account.h"
#include "relay/route/event.h"
#include "relay/route/router.h"
#include "relay/store/far.h"

enum { ANSWER_MOST = 512 * 1024 /* bytes */ };

/* Of the one-time keys those that are for this subscriber: two who write in the same silence must not take the same one. */
static void
share_out(struct xml *bundle, int64_t place, int64_t count)
{
	struct xml *prekeys = xml_find(bundle, "prekeys", NS_OMEMO), *next;
	int64_t total = 0, index = 0;

	for (struct xml *key = prekeys == NULL ? NULL : xml_first(prekeys); key != NULL; key = xml_next(key, NULL, NULL))
		total++;
	if (count < 2 || total < count)
		return;
	for (struct xml *key = xml_first(prekeys); key != NULL; key = next, index++) {
		next = xml_next(key, NULL, NULL);
		if (index % count != place)
			xml_remove(prekeys, key);
	}
}

static void
add_copy(struct event *event, struct xml *answer, const struct far_row *row, const struct far_view *view)
{
	enum stream_error error;
	struct xml *payload = xmlin_parse(event->arena, row->body, row->len, &xmlin_limits_stored, &error), *items;
	char stamp[STAMP_LEN + 1];

	if (payload == NULL)
		return;
	share_out(payload, view->place, view->subscribers);
	items = xml_add(event->arena, answer, "items", NULL);
	stamp_format(stamp, row->time);
	xml_set(event->arena, items, "node", row->node);
	xml_set(event->arena, items, "time", stamp);
	xml_setf(event->arena, items, "age", "%" PRId64, event->time > row->time ? (event->time - row->time) / 1000 : 0);
	xml_append(items, payload);
}

static void
answer_now(void *arg, bool failed, const struct far_view *view)
{
	struct event *event = arg;
	struct xml *result, *answer;
	size_t len = 0;

	if (event->router == NULL) /* the relay stops */
		return;
	if (failed || view->count == 0) {
		event_finish(event, event_reject(event, failed ? STANZA_INTERNAL_SERVER_ERROR : STANZA_ITEM_NOT_FOUND, NULL));
		return;
	}
	result = event_result(event);
	answer = xml_add(event->arena, result, "keys", NS_COURIER);
	xml_set(event->arena, answer, "jid", xml_attr(event->payload, "jid"));
	for (size_t i = 0; i < view->count; i++) {
		len += view->rows[i].len;
		if (len <= ANSWER_MOST)
			add_copy(event, answer, &view->rows[i], view);
	}
	event_reply(event, result);
	event_finish(event, HANDLED);
}

enum verdict
keys_answer(struct event *event, void *state)
{
	struct jid contact;

	(void)state;
	if (event->origin == NULL || event->target != event->sender)
		return event_reject(event, STANZA_FORBIDDEN, NULL);
	if (!jid_parse_text(event->arena, xml_attr(event->payload, "jid"), &contact) || contact.node == NULL)
		return event_reject(event, STANZA_BAD_REQUEST, NULL);
	if (router_is_local(event->router, contact.domain) || (account_flags(event->target, &contact) & ROSTER_TO) == 0)
		return event_reject(event, STANZA_ITEM_NOT_FOUND, NULL);
	read_far(router_store(event->router), event->target->node, jid_bare_text(event->arena, &contact), answer_now, event);
	return LATER;
}
