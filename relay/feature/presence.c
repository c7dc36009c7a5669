/*
 * feature/presence.c -- who is there (RFC 6121 4): initial and later presence to those who may see it,
 * answers to probes, directed presence, going.
 *
 * Presence is not kept on disk: it is decided when its turn in the stream's order comes and broadcast from
 * there. Contacts of this relay that have no session are not looked up: they have nobody to tell, and
 * nothing to answer a probe with. Whom a session sent directed presence is remembered (at most 200) and
 * told when it goes.
 * DIAGNOSTICS: the 201st address of directed presence: resource-constraint; a probe from who may not see:
 * unsubscribed (4.3.2).
 */
#include "config.h"

#include "relay/feature/presence.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/ns.h"
#include "proto/stamp.h"
#include "proto/xml.h"
#include "proto/xmlin.h"
#include "proto/xmlout.h"
#include "relay/feature/avatar.h"
#include "relay/feature/directed.h"
#include "relay/feature/feature_table.h"
#include "relay/feature/subscription.h"
#include "relay/route/account.h"
#include "relay/route/event.h"
#include "relay/route/quiet.h"
#include "relay/route/router.h"
#include "relay/route/session.h"

struct showing {
	struct account *account;
	const char *contact;
	bool stay; /* shown, else hidden */
};

/* ---- sending ---- */

/* Nobody of this relay who is not here needs to be told. */
static bool
has_ear(struct router *router, struct arena *arena, const char *contact)
{
	const char *node = router_local_node(router, arena, contact);
	const struct account *account = node == NULL ? NULL : account_resident(router, node);

	return node == NULL || (account != NULL && account->sessions != NULL);
}

static void
send_to(struct router *router, struct arena *arena, struct xml *presence, const char *to)
{
	if (!has_ear(router, arena, to))
		return;
	xml_set(arena, presence, "to", to);
	router_send(router, presence);
}

/* The last presence of a session as a tree; NULL: not available. */
static struct xml *
last_of(struct arena *arena, const struct session *session)
{
	enum stream_error error;
	struct xml *presence;

	if (!session->available || session->presence == NULL)
		return NULL;
	presence = xmlin_parse(arena, session->presence, strlen(session->presence), &xmlin_limits_stored, &error);
	if (presence != NULL)
		avatar_stamp(arena, presence, session->account->avatar);
	return presence;
}

/* To all who have a subscription to us, and to our own resources (RFC 6121 4.2.2, 4.4.2, 4.5.2). */
static void
broadcast(struct session *session, struct arena *arena, struct xml *presence)
{
	struct account *account = session->account;
	const struct roster_item *item;

	for (size_t i = 0; i < account_roster_count(account); i++) {
		item = account_roster_at(account, i);
		if ((item->flags & ROSTER_FROM) != 0 && !account_blocks_text(account, item->contact))
			send_to(session->router, arena, presence, arena_strdup(arena, item->contact));
	}
	send_to(session->router, arena, presence, account->jid);
	xml_set(arena, presence, "to", NULL);
}

/* What was said earlier is shown with the time when it was said (XEP-0203 1). */
static void
show_session(struct session *of, struct arena *arena, const char *to)
{
	struct xml *presence = last_of(arena, of);

	if (presence == NULL)
		return;
	xml_set(arena, presence, "to", to);
	stamp_delay(arena, presence, router_domain(of->router), of->presence_time);
	router_send(of->router, presence);
}

void
presence_say_again(struct account *account, struct arena *arena)
{
	struct session *row[SESSION_MOST];
	size_t count = session_row(account, row);
	struct xml *presence;

	for (size_t i = 0; i < count; i++) {
		presence = last_of(arena, row[i]);
		if (presence != NULL)
			broadcast(row[i], arena, presence);
		session_unref(&row[i]);
	}
}

/* ---- becoming visible or not to one contact ---- */

static void
show_now(struct event *event, void *arg)
{
	const struct showing *showing = arg;
	struct session *row[SESSION_MOST];
	struct arena *arena = event->arena;
	size_t count;

	if (!has_ear(event->router, arena, showing->contact))
		return;
	count = session_row(showing->account, row);
	for (size_t i = 0; i < count; i++) {
		if (row[i]->available && showing->stay)
			show_session(row[i], arena, showing->contact);
		else if (row[i]->available)
			router_send(event->router, stanza_new(arena, "presence", row[i]->text,
							      showing->contact, "unavailable", NULL));
		session_unref(&row[i]);
	}
}

void
presence_show_now(struct account *account, struct arena *arena, const char *contact)
{
	struct session *row[SESSION_MOST];
	size_t count = session_row(account, row);

	for (size_t i = 0; i < count; i++) {
		show_session(row[i], arena, contact);
		session_unref(&row[i]);
	}
}

/* Runs among the after-functions; what it adds comes behind all of them: subscribed is said before
 * presence is shown. */
static void
show_last(struct event *event, void *arg)
{
	event_after(event, show_now, arg);
}

static void
show_after(struct event *event, struct account *account, const char *contact, bool stay)
{
	struct showing *showing = arena_alloc(event->arena, sizeof *showing);

	*showing = (struct showing){ .account = account,
				     .contact = arena_strdup(event->arena, contact),
				     .stay = stay };
	event_after(event, show_last, showing);
}

void
presence_show_after(struct event *event, struct account *account, const char *contact)
{
	show_after(event, account, contact, true);
}

void
presence_hide_after(struct event *event, struct account *account, const char *contact)
{
	show_after(event, account, contact, false);
}

/* ---- probes ---- */

static bool
may_see(const struct account *account, const struct jid *who)
{
	return account_is_self(account, who) ||
	       ((account_flags(account, who) & ROSTER_FROM) != 0 && !account_blocks(account, who));
}

/* RFC 6121 4.3.2. */
static void
answer_probe(struct event *event, void *arg)
{
	struct account *account = event->target;
	const char *asker = xml_attr(event->stanza, "from"), *resource = event->to.resource;
	struct session *row[SESSION_MOST];
	size_t count = session_row(account, row);
	bool any = false;

	(void)arg;
	for (size_t i = 0; i < count; i++) {
		if (row[i]->available && (resource == NULL || strcmp(resource, row[i]->jid.resource) == 0)) {
			any = true;
			show_session(row[i], event->arena, asker);
		}
		session_unref(&row[i]);
	}
	if (!any)
		router_send(event->router,
			    stanza_new(event->arena, "presence", account->jid, asker, "unavailable", NULL));
}

static enum verdict
probe(struct event *event)
{
	if (may_see(event->target, &event->from))
		event_after(event, answer_probe, NULL);
	else
		router_send_with(event,
				 stanza_new(event->arena, "presence", event->target->jid,
					    jid_bare_text(event->arena, &event->from), "unsubscribed", NULL));
	return HANDLED;
}

/* A new resource hears who is there: our probes of local contacts, answered at once (RFC 6121 4.2.2, 4.3). */
static void
show_contact_to(struct session *session, struct arena *arena, const char *contact)
{
	const char *node = router_local_node(session->router, arena, contact);
	struct account *account = node == NULL ? NULL : account_resident(session->router, node);
	struct session *row[SESSION_MOST];
	size_t count;

	if (node == NULL)
		router_send(session->router,
			    stanza_new(arena, "presence", session->text, contact, "probe", NULL));
	if (account == NULL || account->sessions == NULL || !may_see(account, &session->jid))
		return;
	count = session_row(account, row);
	for (size_t i = 0; i < count; i++) {
		if (row[i] != session && row[i]->available)
			show_session(row[i], arena, session->text);
		session_unref(&row[i]);
	}
}

static void
show_contacts_to(struct session *session, struct arena *arena)
{
	const struct account *account = session->account;
	const struct roster_item *item;

	for (size_t i = 0; i < account_roster_count(account); i++) {
		item = account_roster_at(account, i);
		if (item->flags & ROSTER_TO)
			show_contact_to(session, arena, arena_strdup(arena, item->contact));
	}
	show_contact_to(session, arena, account->jid);
}

void
presence_hear_now(struct account *account, struct arena *arena, const char *contact)
{
	struct session *row[SESSION_MOST];
	size_t count = session_row(account, row);

	for (size_t i = 0; i < count; i++) {
		if (row[i]->available)
			show_contact_to(row[i], arena, contact);
		session_unref(&row[i]);
	}
}

/* ---- a session's own presence ---- */

/* No client dates anything in the relay's name. */
static void
strip_delay(struct event *event)
{
	struct xml *next;

	for (struct xml *child = xml_first(event->stanza); child != NULL; child = next) {
		const char *from = xml_is(child, "delay", NS_DELAY) ? xml_attr(child, "from") : NULL;
		struct jid jid;

		next = xml_next(child, NULL, NULL);
		if (from != NULL && jid_parse_text(event->arena, from, &jid) &&
		    router_is_local(event->router, jid.domain))
			xml_remove(event->stanza, child);
	}
}

static void
now_available(struct event *event, void *arg)
{
	struct session *session = event->origin;
	struct buf buf = { 0 };
	bool initial, risen;
	int priority;

	(void)arg;
	if (session == NULL)
		return;
	priority = presence_priority(event->arena, event->stanza);
	initial = !session->available;
	risen = initial || (session->priority < 0 && priority >= 0);
	xmlout(&buf, event->stanza, NULL);
	free(session->presence);
	session->presence = buf_take(&buf);
	session->presence_time = event->time;
	session->priority = priority;
	session->available = true;
	session_ref(session);
	avatar_stamp(event->arena, event->stanza, session->account->avatar); /* kept without: it may change */
	broadcast(session, event->arena, event->stanza);
	if (initial && !session->gone) {
		show_contacts_to(session, event->arena);
		subscription_show_requests(session, event->arena);
	}
	if (risen && !session->gone)
		(void)router_run_hooks(event, POINT_AVAILABLE);
	session_unref(&session);
}

static void
now_unavailable(struct event *event, void *arg)
{
	(void)arg;
	if (event->origin != NULL)
		(void)router_run_hooks(event, POINT_UNAVAILABLE);
}

/* RFC 6121 4.6.3: those who were told in person are told of the end in person, unless the broadcast
 * reaches them. */
static void
tell_directed(struct session *session, struct arena *arena, struct xml *presence)
{
	struct jid jid;
	char *to;

	while ((to = directed_take(session)) != NULL) {
		if (jid_parse_text(arena, to, &jid) &&
		    !(session->available && may_see(session->account, &jid)))
			send_to(session->router, arena, presence, to);
		free(to);
	}
	xml_set(arena, presence, "to", NULL);
}

static enum verdict
on_unavailable(struct event *event, void *state)
{
	struct session *session = event->origin;

	(void)state;
	tell_directed(session, event->arena, event->stanza);
	if (session->available)
		broadcast(session, event->arena, event->stanza);
	session->available = false;
	session->priority = 0;
	free(session->presence);
	session->presence = NULL;
	return PASS;
}

static enum verdict
on_closed(struct event *event, void *state)
{
	(void)state;
	tell_directed(event->origin, event->arena, event->stanza);
	return PASS;
}

static void
now_directed(struct event *event, void *arg)
{
	(void)arg;
	if (event->origin != NULL)
		directed_note(event->origin, jid_text(event->arena, &event->to),
			      presence_type(event->stanza) == PRESENCE_AVAILABLE);
}

/* RFC 6121 4.7.2.3: an integer from -128 to 127. Others would have to guess what is meant by anything
 * else. */
static bool
has_bad_priority(struct arena *arena, const struct xml *presence)
{
	const char *text = xml_child_text(arena, presence, "priority", NS_CLIENT);
	char *end;
	long value;

	if (text == NULL)
		return false;
	value = strtol(text, &end, 10);
	return end == text || *end != '\0' || strspn(text, "+-0123456789") != strlen(text) || value < -128 ||
	       value > 127;
}

static enum verdict
on_send(struct event *event, void *state)
{
	enum presence_type type = presence_type(event->stanza);

	(void)state;
	if (event->kind != STANZA_PRESENCE)
		return PASS;
	strip_delay(event);
	if (type == PRESENCE_AVAILABLE && has_bad_priority(event->arena, event->stanza))
		return event_reject(event, STANZA_BAD_REQUEST, "the priority is an integer from -128 to 127");
	if (event->to.domain == NULL) {
		if (type == PRESENCE_AVAILABLE)
			event_after(event, now_available, NULL);
		else if (type == PRESENCE_UNAVAILABLE)
			event_after(event, now_unavailable, NULL);
		else
			return event_reject(event, STANZA_BAD_REQUEST, NULL);
		return PASS;
	}
	if (type == PRESENCE_AVAILABLE &&
	    !directed_has_room(event->origin, jid_text(event->arena, &event->to)))
		return event_reject(event, STANZA_RESOURCE_CONSTRAINT, NULL);
	if (type == PRESENCE_AVAILABLE)
		avatar_stamp(event->arena, event->stanza, event->sender->avatar);
	if (type == PRESENCE_AVAILABLE || type == PRESENCE_UNAVAILABLE)
		event_after(event, now_directed, NULL);
	return PASS;
}

/* ---- towards one account: RFC 6121 8.5.2.1.2, 8.5.3 ---- */

/* Who does not look hears later how it is then (XEP-0352); errors are answers. */
static void
send_presence(struct session *session, struct event *event, const struct buf *bytes)
{
	if (presence_type(event->stanza) == PRESENCE_ERROR)
		session_send_bytes(session, bytes->data, bytes->len);
	else
		quiet_send(session, jid_text(event->arena, &event->from), bytes->data, bytes->len);
}

static void
deliver(struct event *event, void *arg)
{
	const char *resource = event->to.resource;
	struct session *row[SESSION_MOST];
	size_t count = session_row(event->target, row);
	struct buf buf = { 0 };

	(void)arg;
	xmlout(&buf, event->stanza, NS_CLIENT);
	for (size_t i = 0; i < count; i++) {
		if (resource != NULL ? strcmp(resource, row[i]->jid.resource) == 0 : row[i]->available)
			send_presence(row[i], event, &buf);
		session_unref(&row[i]);
	}
	buf_free(&buf);
}

static enum verdict
on_presence(struct event *event, void *state)
{
	enum presence_type type = presence_type(event->stanza);

	(void)state;
	if (type == PRESENCE_PROBE)
		return probe(event);
	if (type == PRESENCE_AVAILABLE || type == PRESENCE_UNAVAILABLE ||
	    (type == PRESENCE_ERROR && event->to.resource != NULL))
		event_after(event, deliver, NULL);
	return PASS;
}

/* RFC 6121 8.5.3.1: who does not share presence with somebody cannot ask that resource anything, not even
 * whether it is there. */
static enum verdict
on_iq(struct event *event, void *state)
{
	const struct session *session = session_find(event->target, event->to.resource);

	(void)state;
	if ((event->origin == NULL && !event->foreign) || may_see(event->target, &event->from) ||
	    directed_has(session, &event->from))
		return PASS;
	return event_reject(event, STANZA_SERVICE_UNAVAILABLE, NULL);
}

static const struct hook hooks[] = {
	{ POINT_SEND, ORDER_DELIVER, on_send },     { POINT_PRESENCE, ORDER_DELIVER, on_presence },
	{ POINT_IQ, ORDER_GUARD, on_iq },           { POINT_UNAVAILABLE, ORDER_DELIVER, on_unavailable },
	{ POINT_CLOSED, ORDER_DELIVER, on_closed }, { 0 },
};

const struct feature feature_presence = {
	.name = "presence",
	.spec = "RFC 6121 4",
	.hooks = hooks,
};
