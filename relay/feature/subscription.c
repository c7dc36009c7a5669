/*
 * feature/subscription.c -- who may see whom (RFC 6121 3): requests, approvals, cancellations,
 * pre-approval.
 *
 * The rules are the cells of subscription_table.h; here the roster's flags become a state, the cell is
 * looked up, and its effects join the stanza's one transaction: both rosters of two local people change
 * together or not at all. A request that waits is kept with its words and shown at each login until it is
 * answered. At most 500 strangers' requests wait for one account; more are ignored in silence, as the asker
 * must not learn it.
 */
#include "config.h"

#include "relay/feature/subscription.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "proto/xmlin.h"
#include "proto/xmlout.h"
#include "relay/feature/feature_table.h"
#include "relay/feature/presence.h"
#include "relay/feature/roster.h"
#include "relay/feature/subscription_table.h"
#include "relay/feature/unsent.h"
#include "relay/route/account.h"
#include "relay/route/event.h"
#include "relay/route/router.h"
#include "relay/route/session.h"

enum {
	STATE_FLAGS = ROSTER_TO | ROSTER_FROM | ROSTER_PENDING_OUT | ROSTER_PENDING_IN | ROSTER_APPROVED,
	UNSEEN_FLAGS = ROSTER_PENDING_IN | UNSENT_FLAGS, /* no client is told of these */
	REQUEST_MOST = 4096, /* bytes of a request kept with its words */
};

static const unsigned flags_of[SUBSCRIPTION_STATES] = {
	[S_NONE] = 0,
	[S_NONE_OUT] = ROSTER_PENDING_OUT,
	[S_NONE_IN] = ROSTER_PENDING_IN,
	[S_NONE_OUT_IN] = ROSTER_PENDING_OUT | ROSTER_PENDING_IN,
	[S_TO] = ROSTER_TO,
	[S_TO_IN] = ROSTER_TO | ROSTER_PENDING_IN,
	[S_FROM] = ROSTER_FROM,
	[S_FROM_OUT] = ROSTER_FROM | ROSTER_PENDING_OUT,
	[S_BOTH] = ROSTER_TO | ROSTER_FROM,
	[S_NONE_OK] = ROSTER_APPROVED,
	[S_NONE_OUT_OK] = ROSTER_PENDING_OUT | ROSTER_APPROVED,
	[S_TO_OK] = ROSTER_TO | ROSTER_APPROVED,
};

/* -1: not one of the four. */
static int
type_of(const struct xml *presence)
{
	switch (presence_type(presence)) {
	case PRESENCE_SUBSCRIBE:
		return T_SUBSCRIBE;
	case PRESENCE_SUBSCRIBED:
		return T_SUBSCRIBED;
	case PRESENCE_UNSUBSCRIBE:
		return T_UNSUBSCRIBE;
	case PRESENCE_UNSUBSCRIBED:
		return T_UNSUBSCRIBED;
	case PRESENCE_BAD:
	case PRESENCE_AVAILABLE:
	case PRESENCE_UNAVAILABLE:
	case PRESENCE_PROBE:
	case PRESENCE_ERROR:
		break;
	}
	return -1;
}

static enum subscription_state
state_of(unsigned flags)
{
	for (int state = S_NONE; state < SUBSCRIPTION_STATES; state++)
		if (flags_of[state] == (flags & STATE_FLAGS))
			return (enum subscription_state)state;
	return S_NONE; /* no such state is ever written; a roster from elsewhere starts anew */
}

/* What a contact elsewhere has to hear of, in the end (unsent.h). */
static unsigned
unsent_by(const struct event *event, const char *contact, int type)
{
	if (!unsent_is_far(event, contact))
		return 0;
	return type == T_SUBSCRIBE || type == T_UNSUBSCRIBE ? ROSTER_ASK_UNSENT : ROSTER_GRANT_UNSENT;
}

/* Write the item's next state. `unsent`: what its relay must hear of; `request`: the stanza to keep with PENDING_IN, NULL: what is there stays
 * while it is pending. */
static void
change(struct event *event, struct account *account, const char *contact, enum subscription_state next, unsigned unsent,
       const char *request)
{
	const struct roster_item *item = account_roster_find(account, contact);
	unsigned before = item == NULL ? 0 : item->flags;
	unsigned after = flags_of[next] | (before & (ROSTER_VISIBLE | UNSENT_FLAGS)) | unsent;
	struct roster_row row = { .contact = contact };

	/* An approved, asked or seen contact is part of the roster proper; a stranger's request is not. */
	if ((after & (ROSTER_TO | ROSTER_FROM | ROSTER_PENDING_OUT | ROSTER_APPROVED)) != 0)
		after |= ROSTER_VISIBLE;
	if ((after & ROSTER_PENDING_IN) != 0) /* they have asked anew: nothing that we said before matters */
		after &= ~(unsigned)ROSTER_GRANT_UNSENT;
	if (unsent != 0)
		unsent_after(event, account, contact);
	if (after == before)
		return;
	row.flags = after;
	row.name = item == NULL ? NULL : item->name;
	row.groups = item == NULL ? NULL : item->groups;
	row.request = (after & ROSTER_PENDING_IN) == 0 ? NULL : request != NULL ? request : item->request;
	account_roster_set(account, event, &row);
	if (((before | after) & ROSTER_VISIBLE) != 0 &&
	    (before & ~(unsigned)UNSEEN_FLAGS) != (after & ~(unsigned)UNSEEN_FLAGS))
		roster_push(event, account, contact);
}

/* ---- A.2: what a user sends ---- */

static enum verdict
on_send(struct event *event, void *state)
{
	int type = event->kind == STANZA_PRESENCE ? type_of(event->stanza) : -1;
	const struct roster_item *item;
	struct subscription_cell cell;
	const char *contact;
	unsigned before;

	(void)state;
	if (type < 0)
		return PASS;
	if (event->to.domain == NULL)
		return event_reject(event, STANZA_BAD_REQUEST, NULL);
	if (account_is_self(event->sender, &event->to) || event->scope == TO_HOST)
		return HANDLED;
	/* RFC 6121 3.1.1, 3.1.2: between bare addresses. */
	contact = jid_bare_text(event->arena, &event->to);
	xml_set(event->arena, event->stanza, "from", event->sender->jid);
	xml_set(event->arena, event->stanza, "to", contact);
	event->to.resource = NULL;
	if (event->scope == TO_RESOURCE)
		event->scope = TO_ACCOUNT;
	item = account_roster_find(event->sender, contact);
	before = item == NULL ? 0 : item->flags;
	if (item == NULL && account_roster_count(event->sender) >= ROSTER_ITEMS_MOST)
		return event_reject(event, STANZA_RESOURCE_CONSTRAINT, "the contact list is full");
	cell = subscription_cells[WAY_OUT][type][state_of(before)];
	change(event, event->sender, contact, cell.next,
	       cell.action == ACTION_PASS_ON ? unsent_by(event, contact, type) : 0, NULL);
	if ((before & ROSTER_FROM) == 0 && (flags_of[cell.next] & ROSTER_FROM) != 0)
		presence_show_after(event, event->sender, contact);
	if ((before & ROSTER_FROM) != 0 && (flags_of[cell.next] & ROSTER_FROM) == 0)
		presence_hide_after(event, event->sender, contact);
	return cell.action == ACTION_PASS_ON ? PASS : HANDLED;
}

/* ---- A.3: what comes for a user ---- */

static void
deliver(struct event *event, void *arg)
{
	struct session *row[SESSION_MOST];
	size_t count = session_row(event->target, row);
	struct buf buf = { 0 };

	(void)arg;
	xmlout(&buf, event->stanza, NS_CLIENT);
	for (size_t i = 0; i < count; i++) {
		if (row[i]->available || row[i]->interested)
			session_send_bytes(row[i], buf.data, buf.len);
		session_unref(&row[i]);
	}
	buf_free(&buf);
}

static bool
has_room_for_stranger(const struct account *account)
{
	size_t strangers = 0;

	if (account_roster_count(account) < ROSTER_REQUESTS_MOST)
		return true;
	for (size_t i = 0; i < account_roster_count(account); i++)
		strangers += (account_roster_at(account, i)->flags & (ROSTER_VISIBLE | ROSTER_PENDING_IN)) == ROSTER_PENDING_IN;
	return strangers < ROSTER_REQUESTS_MOST;
}

/* The request as it will be shown again; without its words when they are many. */
static const char *
request_text(struct event *event)
{
	struct buf buf = { 0 };
	struct xml *bare = event->stanza;
	const char *text;

	xmlout(&buf, bare, NULL);
	if (buf.len > REQUEST_MOST) {
		buf_clear(&buf);
		bare = stanza_new(event->arena, "presence", xml_attr(event->stanza, "from"),
				  xml_attr(event->stanza, "to"), "subscribe", NULL);
		xmlout(&buf, bare, NULL);
	}
	text = arena_strndup(event->arena, buf.data, buf.len);
	buf_free(&buf);
	return text;
}

static enum verdict
on_presence(struct event *event, void *state)
{
	int type = type_of(event->stanza);
	const struct roster_item *item;
	struct subscription_cell cell;
	const char *contact, *request = NULL;
	unsigned before;

	(void)state;
	if (type < 0)
		return PASS;
	if (event->from.domain == NULL || account_is_self(event->target, &event->from))
		return HANDLED;
	contact = jid_bare_text(event->arena, &event->from);
	item = account_roster_find(event->target, contact);
	before = item == NULL ? 0 : item->flags;
	cell = subscription_cells[WAY_IN][type][state_of(before)];
	if (type == T_SUBSCRIBE && cell.action == ACTION_PASS_ON) {
		if (item == NULL && !has_room_for_stranger(event->target))
			return HANDLED;
		request = request_text(event);
	}
	change(event, event->target, contact, cell.next,
	       cell.action == ACTION_AUTO ? unsent_by(event, contact, T_SUBSCRIBED) : 0, request);
	if (cell.action == ACTION_PASS_ON)
		event_after(event, deliver, NULL);
	if (cell.action == ACTION_AUTO) {
		router_send_with(event, stanza_new(event->arena, "presence", event->target->jid, contact,
						   "subscribed", NULL));
		presence_show_after(event, event->target, contact);
	}
	if ((before & ROSTER_FROM) != 0 && (flags_of[cell.next] & ROSTER_FROM) == 0)
		presence_hide_after(event, event->target, contact);
	return HANDLED;
}

void
subscription_show_requests(struct session *session, struct arena *arena)
{
	const struct account *account = session->account;
	const struct roster_item *item;
	enum stream_error error;
	struct xml *request;

	for (size_t i = 0; i < account_roster_count(account) && !session->gone; i++) {
		item = account_roster_at(account, i);
		if ((item->flags & ROSTER_PENDING_IN) == 0 || account_blocks_text(account, item->contact))
			continue;
		request = item->request == NULL ? NULL
						: xmlin_parse(arena, item->request, strlen(item->request),
							      &xmlin_limits_stored, &error);
		if (request == NULL)
			request =
			    stanza_new(arena, "presence", item->contact, account->jid, "subscribe", NULL);
		session_send(session, request);
	}
}

static const struct hook hooks[] = {
	{ POINT_SEND, ORDER_DELIVER, on_send },
	{ POINT_PRESENCE, ORDER_DELIVER, on_presence },
	{ 0 },
};

const struct feature feature_subscription = {
	.name = "subscription",
	.spec = "RFC 6121 3, A",
	.hooks = hooks,
};
