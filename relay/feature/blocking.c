/*
 * feature/blocking.c -- users want nothing from some addresses (XEP-0191 1.3), and may say why (XEP-0377
 * 0.4.1).
 *
 * Blocking is polite (section 4): subscriptions stay, the blocked see the user go and are refused as by an
 * account that is not there. Guards stand before all else: nothing of a blocked address is delivered, copied,
 * archived or answered, and nothing goes to it. Messages that were waiting when their sender was blocked are
 * dropped at release (mailbox.c); presence and pubsub ask account_blocks() themselves. What was archived
 * before stays the user's. DIAGNOSTICS: no item, or an item without an address: bad-request; no address:
 * jid-malformed; the own account or this relay: not-allowed; more than BLOCKS_MOST: resource-constraint. To a
 * blocked address: not-acceptable with <blocked/>.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/digest.h"
#include "proto/jid.h"
#include "proto/ns.h"
#include "proto/stanza.h"
#include "proto/xml.h"
#include "relay/feature/block_report.h"
#include "relay/feature/directed.h"
#include "relay/feature/feature_table.h"
#include "relay/feature/presence.h"
#include "relay/route/account.h"
#include "relay/route/event.h"
#include "relay/route/router.h"
#include "relay/route/session.h"

enum { BLOCKS_MOST = 2000 };

/* ---- guards (section 3.3) ---- */

static enum verdict
refuse_blocked(struct event *event)
{
	return event_reject_with(event, STANZA_NOT_ACCEPTABLE, "blocked", NS_BLOCKING_ERRORS, NULL);
}

static enum verdict
on_send(struct event *event, void *state)
{
	(void)state;
	return account_blocks(event->sender, &event->to) ? refuse_blocked(event) : PASS;
}

/* As RFC 6121 8.5.1 answers for an account that is not there. Errors and results: in silence. */
static enum verdict
on_message(struct event *event, void *state)
{
	(void)state;
	return account_blocks(event->target, &event->from)
		   ? event_reject(event, STANZA_SERVICE_UNAVAILABLE, NULL)
		   : PASS;
}

static enum verdict
on_presence(struct event *event, void *state)
{
	(void)state;
	return account_blocks(event->target, &event->from) ? HANDLED : PASS;
}

/* ---- pushes ---- */

static void
push_now(struct event *event, void *arg)
{
	struct session *row[SESSION_MOST];
	size_t count = session_row(event->sender, row);
	char id[ID_LEN + 1];
	struct xml *iq;

	for (size_t i = 0; i < count; i++) {
		if (row[i]->blocking) {
			random_id(id);
			iq = stanza_new(event->arena, "iq", NULL, row[i]->text, "set", id);
			xml_append(iq, xml_copy(event->arena, arg));
			session_send(row[i], iq);
		}
		session_unref(&row[i]);
	}
}

static void
push(struct event *event, const char *name, const char *const *jids, size_t count)
{
	struct xml *list = xml_new(event->arena, name, NS_BLOCKING);

	for (size_t i = 0; i < count; i++)
		xml_set(event->arena, xml_add(event->arena, list, "item", NULL), "jid", jids[i]);
	event_after(event, push_now, list);
}

/* ---- what the items say ---- */

static enum stanza_error
read_item(struct event *event, const struct xml *item, const char **jid_r)
{
	struct jid jid;

	if (xml_attr(item, "jid") == NULL)
		return STANZA_BAD_REQUEST;
	if (!jid_parse_text(event->arena, xml_attr(item, "jid"), &jid))
		return STANZA_JID_MALFORMED;
	if (account_is_self(event->sender, &jid) ||
	    (jid.node == NULL && router_is_local(event->router, jid.domain)))
		return STANZA_NOT_ALLOWED;
	*jid_r = jid_text(event->arena, &jid);
	return STANZA_OK;
}

/* A row of canonical texts, the arena's. */
static enum stanza_error
read_items_of(struct event *event, const char ***jids_r, size_t *count_r)
{
	const struct xml *item;
	enum stanza_error error = STANZA_OK;
	size_t count = 0;

	for (item = xml_find(event->payload, "item", NS_BLOCKING); item != NULL;
	     item = xml_next(item, "item", NS_BLOCKING))
		count++;
	*jids_r = arena_alloc(event->arena, (count + 1) * sizeof **jids_r);
	*count_r = 0;
	item = xml_find(event->payload, "item", NS_BLOCKING);
	for (; item != NULL && error == STANZA_OK; item = xml_next(item, "item", NS_BLOCKING))
		error = read_item(event, item, &(*jids_r)[(*count_r)++]);
	return error;
}

/* ---- list (3.2) ---- */

static enum verdict
on_list(struct event *event, void *state)
{
	struct xml *result = event_result(event);
	struct xml *list = xml_add(event->arena, result, "blocklist", NS_BLOCKING);

	(void)state;
	if (event->origin == NULL)
		return event_reject(event, STANZA_FORBIDDEN, NULL);
	event->origin->blocking = true;
	for (size_t i = 0; i < event->sender->block_count; i++)
		xml_set(event->arena, xml_add(event->arena, list, "item", NULL), "jid",
			event->sender->blocks[i]);
	event_reply(event, result);
	return HANDLED;
}

/* ---- block (3.3) ---- */

/* Whom the session showed itself to in person. */
static void
hide_from_directed(struct event *event, struct session *session)
{
	char *to;

	while ((to = directed_take_blocked(session)) != NULL) {
		router_send(event->router,
			    stanza_new(event->arena, "presence", session->text, to, "unavailable", NULL));
		free(to);
	}
}

static void
hide_now(struct event *event, void *arg)
{
	struct session *row[SESSION_MOST];
	size_t count = session_row(event->sender, row);

	(void)arg;
	for (size_t i = 0; i < count; i++) {
		hide_from_directed(event, row[i]);
		session_unref(&row[i]);
	}
}

static enum stanza_error
check_block(struct event *event, const char ***jids_r, size_t *count_r)
{
	enum stanza_error error = read_items_of(event, jids_r, count_r);

	if (error != STANZA_OK)
		return error;
	if (*count_r == 0)
		return STANZA_BAD_REQUEST;
	if (event->sender->block_count + *count_r > BLOCKS_MOST)
		return STANZA_RESOURCE_CONSTRAINT;
	for (const struct xml *item = xml_find(event->payload, "item", NS_BLOCKING); item != NULL;
	     item = xml_next(item, "item", NS_BLOCKING))
		if (!block_report_valid(item))
			return STANZA_BAD_REQUEST;
	return STANZA_OK;
}

/* Contacts that see our presence and are blocked by now see us go; `was`: those that were before know
 * already. */
static void
hide_from_contacts(struct event *event, const bool *was)
{
	const struct account *account = event->sender;
	const struct roster_item *item;

	for (size_t i = 0; i < account_roster_count(account); i++) {
		item = account_roster_at(account, i);
		if ((item->flags & ROSTER_FROM) != 0 && !was[i] &&
		    account_blocks_text(account, item->contact))
			presence_hide_after(event, event->sender, item->contact);
	}
}

/* For each contact: is it blocked now? */
static bool *
blocked_contacts(struct event *event)
{
	const struct account *account = event->sender;
	size_t count = account_roster_count(account);
	bool *blocked = arena_alloc(event->arena, (count + 1) * sizeof *blocked);

	for (size_t i = 0; i < count && account->block_count > 0; i++)
		blocked[i] = account_blocks_text(account, account_roster_at(account, i)->contact);
	return blocked;
}

static enum verdict
on_block(struct event *event, void *state)
{
	const struct xml *item = xml_find(event->payload, "item", NS_BLOCKING);
	const char **jids;
	size_t count;
	enum stanza_error error;
	bool *was;

	(void)state;
	if (event->origin == NULL)
		return event_reject(event, STANZA_FORBIDDEN, NULL);
	error = check_block(event, &jids, &count);
	if (error != STANZA_OK)
		return event_reject(event, error, NULL);
	was = blocked_contacts(event);
	for (size_t i = 0; i < count; i++, item = xml_next(item, "item", NS_BLOCKING)) {
		if (!account_block_has(event->sender, jids[i]))
			account_block_add(event->sender, event, jids[i]);
		block_report_keep(event, item, jids[i]);
	}
	event_reply_result(event);
	push(event, "block", jids, count);
	hide_from_contacts(event, was);
	event_after(event, hide_now, NULL);
	return HANDLED;
}

/* ---- unblock (3.4, 3.5) ---- */

static void
hear_now(struct event *event, void *arg)
{
	presence_hear_now(event->sender, event->arena, arg);
}

static void
show_to_contacts(struct event *event, const bool *was)
{
	const struct account *account = event->sender;
	const struct roster_item *item;

	for (size_t i = 0; i < account_roster_count(account); i++) {
		item = account_roster_at(account, i);
		if (!was[i] || account_blocks_text(account, item->contact))
			continue;
		if ((item->flags & ROSTER_FROM) != 0)
			presence_show_after(event, event->sender, item->contact);
		if ((item->flags & ROSTER_TO) != 0)
			event_after(event, hear_now, arena_strdup(event->arena, item->contact));
	}
}

static enum verdict
on_unblock(struct event *event, void *state)
{
	struct account *account = event->sender;
	const char **jids;
	size_t count;
	enum stanza_error error;
	bool *was;

	(void)state;
	if (event->origin == NULL)
		return event_reject(event, STANZA_FORBIDDEN, NULL);
	error = read_items_of(event, &jids, &count);
	if (error != STANZA_OK)
		return event_reject(event, error, NULL);
	was = blocked_contacts(event);
	for (size_t i = 0; i < count; i++)
		account_block_del(account, event, jids[i]);
	while (count == 0 && account->block_count > 0)
		account_block_del(account, event, account->blocks[account->block_count - 1]);
	event_reply_result(event);
	push(event, "unblock", jids, count);
	show_to_contacts(event, was);
	return HANDLED;
}

static const struct iq_handler handlers[] = {
	{ "blocklist", NS_BLOCKING, ON_GET, TO_SELF, on_list },
	{ "block", NS_BLOCKING, ON_SET, TO_SELF, on_block },
	{ "unblock", NS_BLOCKING, ON_SET, TO_SELF, on_unblock },
	{ 0 },
};
static const struct hook hooks[] = {
	{ POINT_SEND, ORDER_GUARD, on_send },
	{ POINT_MESSAGE, ORDER_GUARD, on_message },
	{ POINT_PRESENCE, ORDER_GUARD, on_presence },
	{ POINT_IQ_IN, ORDER_GUARD, on_message },
	{ 0 },
};

const struct feature feature_blocking = {
	.name = "blocking",
	.spec = "XEP-0191 1.3, XEP-0377 0.4.1",
	.disco = (const char *const[]){ NS_BLOCKING, NS_REPORTING, NULL },
	.iq = handlers,
	.hooks = hooks,
};
