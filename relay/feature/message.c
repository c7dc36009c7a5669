/*
 * feature/message.c -- a message to a local account: refused, ignored, delivered, kept (RFC 6121 8.5,
 * XEP-0160, 0334, 0359).
 *
 * What can wait becomes a mailbox row in the stanza's transaction whether or not somebody is online, and is
 * written to the eligible sessions when that is committed; it leaves the mailbox when one of them confirms
 * it (mailbox.c). An archive (ORDER_ARCHIVE) may rely on event->message_id being set here when the message
 * will wait in the mailbox. Removed from what clients send: <stanza-id/> and <delay/> in the name of
 * this relay or its accounts, and <custody/>. A repetition (same addresses, type, origin-id and content
 * within 30 days) is handled without being kept or delivered again.
 * DIAGNOSTICS: service-unavailable for who is not there to take it, and when the mailbox is full.
 */
#include "config.h"

#include "relay/feature/message.h"

#include <stdint.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/digest.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "proto/xmlout.h"
#include "relay/feature/feature_table.h"
#include "relay/feature/mailbox.h"
#include "relay/feature/quota.h"
#include "relay/log.h"
#include "relay/route/account.h"
#include "relay/route/event.h"
#include "relay/route/quiet.h"
#include "relay/route/router.h"
#include "relay/route/session.h"
#include "relay/store/store.h"
#include "relay/tally.h"

/* ---- RFC 6121 8.5.2 and 8.5.3 as a table ---- */

enum fate {
	FATE_IGNORE,
	FATE_REFUSE, /* service-unavailable */
	FATE_KEEP,   /* nobody to take it: it waits, or is refused when it cannot */
	FATE_ALL,    /* to each available resource with priority not negative */
	FATE_ONE,    /* to the resource that was named */
};
enum address { BARE_AWAY, BARE_PRESENT, FULL_MATCH, FULL_NO_MATCH, ADDRESSES };

static const enum fate fates[ADDRESSES][MESSAGE_ERROR + 1] = {
	[BARE_AWAY] = { /* 8.5.2.2.1, and 8.5.2.1.1 with negative priorities alone */
		[MESSAGE_NORMAL] = FATE_KEEP, [MESSAGE_CHAT] = FATE_KEEP, [MESSAGE_GROUPCHAT] = FATE_REFUSE,
		[MESSAGE_HEADLINE] = FATE_IGNORE, [MESSAGE_ERROR] = FATE_IGNORE },
	[BARE_PRESENT] = { /* 8.5.2.1.1 */
		[MESSAGE_NORMAL] = FATE_ALL, [MESSAGE_CHAT] = FATE_ALL, [MESSAGE_GROUPCHAT] = FATE_REFUSE,
		[MESSAGE_HEADLINE] = FATE_ALL, [MESSAGE_ERROR] = FATE_IGNORE },
	[FULL_MATCH] = { /* 8.5.3.1 */
		[MESSAGE_NORMAL] = FATE_ONE, [MESSAGE_CHAT] = FATE_ONE, [MESSAGE_GROUPCHAT] = FATE_ONE,
		[MESSAGE_HEADLINE] = FATE_ONE, [MESSAGE_ERROR] = FATE_ONE },
	[FULL_NO_MATCH] = { /* 8.5.3.2.1; chat goes on as if to the bare JID */
		[MESSAGE_NORMAL] = FATE_REFUSE, [MESSAGE_CHAT] = FATE_KEEP, [MESSAGE_GROUPCHAT] = FATE_REFUSE,
		[MESSAGE_HEADLINE] = FATE_IGNORE, [MESSAGE_ERROR] = FATE_IGNORE },
};

static bool
has_eligible(const struct account *account)
{
	for (const struct session *at = account->sessions; at != NULL; at = at->next)
		if (session_is_eligible(at))
			return true;
	return false;
}

static enum fate
decide(const struct event *event)
{
	enum message_type type = message_type(event->stanza);
	enum address address = has_eligible(event->target) ? BARE_PRESENT : BARE_AWAY;

	if (event->to.resource != NULL && session_find(event->target, event->to.resource) != NULL)
		address = FULL_MATCH;
	else if (event->to.resource != NULL && type != MESSAGE_CHAT)
		address = FULL_NO_MATCH;
	return fates[address][type];
}

/* ---- what is worth keeping ---- */

/* Of the moment, or only about the message itself. */
static bool
is_passing(const struct xml *child)
{
	static const char *const passing[] = { NS_CHATSTATES, NS_HINTS, NS_SID, NS_DELAY, NS_CUSTODY };

	if (xml_is(child, "thread", NS_CLIENT))
		return true;
	for (size_t i = 0; i < sizeof passing / sizeof *passing; i++)
		if (strcmp(child->ns, passing[i]) == 0)
			return true;
	return false;
}

bool
message_is_storable(const struct xml *message)
{
	enum message_type type = message_type(message);

	if ((type != MESSAGE_CHAT && type != MESSAGE_NORMAL) ||
	    xml_find(message, "no-store", NS_HINTS) != NULL)
		return false;
	if (xml_find(message, "store", NS_HINTS) != NULL)
		return true;
	for (const struct xml *child = xml_first(message); child != NULL; child = xml_next(child, NULL, NULL))
		if (!is_passing(child))
			return true;
	return false;
}

bool
message_is_state(const struct xml *message)
{
	if (message_type(message) == MESSAGE_ERROR || xml_find(message, NULL, NS_CHATSTATES) == NULL)
		return false;
	for (const struct xml *child = xml_first(message); child != NULL; child = xml_next(child, NULL, NULL))
		if (!is_passing(child))
			return false;
	return true;
}

const char *
message_state_key(struct event *event)
{
	return arena_printf(event->arena, "%s state to %s", jid_text(event->arena, &event->from),
			    jid_text(event->arena, &event->to));
}

/* ---- what nobody may say in our name ---- */

static bool
is_ours(const struct event *event, const char *text)
{
	struct jid jid;

	return text != NULL && jid_parse_text(event->arena, text, &jid) &&
	       router_is_local(event->router, jid.domain);
}

static bool
is_forged(const struct event *event, const struct xml *child)
{
	return (xml_is(child, "stanza-id", NS_SID) && is_ours(event, xml_attr(child, "by"))) ||
	       (xml_is(child, "delay", NS_DELAY) && is_ours(event, xml_attr(child, "from"))) ||
	       xml_is(child, "custody", NS_CUSTODY); /* <same-as/> of that namespace is between clients */
}

void
message_strip(struct event *event)
{
	struct xml *next;

	for (struct xml *child = xml_first(event->stanza); child != NULL; child = next) {
		next = xml_next(child, NULL, NULL);
		if (is_forged(event, child)) /* XEP-0359 5: however many there are */
			xml_remove(event->stanza, child);
	}
}

static enum verdict
on_send(struct event *event, void *state)
{
	(void)state;
	if (event->kind != STANZA_MESSAGE)
		return PASS;
	message_strip(event);
	if (event->to.domain == NULL) { /* RFC 6120 10.3.1: to oneself */
		event->to = jid_bare(&event->from);
		xml_set(event->arena, event->stanza, "to", event->sender->jid);
	}
	return PASS;
}

/* ---- towards one account ---- */

static enum verdict
on_message(struct event *event, void *state)
{
	enum fate fate = decide(event);
	bool storable = message_is_storable(event->stanza);

	(void)state;
	if (fate == FATE_KEEP && !storable)
		fate = xml_find(event->stanza, "body", NULL) != NULL ? FATE_REFUSE : FATE_IGNORE;
	if (fate == FATE_REFUSE)
		return event_reject(event, STANZA_SERVICE_UNAVAILABLE, NULL);
	if (fate == FATE_IGNORE)
		return HANDLED;
	if (!storable)
		return PASS;
	if (!quota_mailbox_has_room(event)) /* XEP-0160 3: never in silence */
		return event_reject(event, STANZA_SERVICE_UNAVAILABLE, "the mailbox is full");
	event->message_id = store_next_id(router_store(event->router));
	return PASS;
}

static const int64_t REPETITION_MS =
    30 * 24 * 3600 * (int64_t)1000; /* a phone may be in a drawer for weeks */

struct delivery {
	struct event *event;
	const char *body; /* as stored */
	size_t len;
	bool pending;
};

static void
deliver_to(struct session *session, void *arg)
{
	const struct delivery *delivery = arg;

	if (delivery->pending)
		mailbox_deliver(session, delivery->event->message_id, delivery->body, delivery->len);
	else if (message_is_state(delivery->event->stanza))
		quiet_send(session, message_state_key(delivery->event), delivery->body, delivery->len);
	else
		session_send_bytes(session, delivery->body, delivery->len);
}

static struct session *
named(const struct event *event)
{
	return event->to.resource == NULL ? NULL : session_find(event->target, event->to.resource);
}

static bool
goes_to_all(const struct event *event)
{
	return event->message_id != 0 || event->to.resource == NULL ||
	       message_type(event->stanza) == MESSAGE_CHAT;
}

bool
message_reaches(const struct event *event, const struct session *session)
{
	const struct session *only = named(event);

	return only != NULL ? session == only : goes_to_all(event) && session_is_eligible(session);
}

/* Whoever is there now: it may be others than when the stanza was decided. Who is not will find the row. */
static void
deliver(struct event *event, void *arg)
{
	struct delivery *delivery = arg;
	struct session *only = named(event);
	char id[33];

	if (delivery->pending) {
		store_stanza_id(router_store(event->router), event->message_id, id);
		tally_add(TALLY_ACCEPTED, 1);
		log_journal(event->origin == NULL ? NULL : &event->origin->log, "%s accepted from %s for %s", id,
			 xml_attr(event->stanza, "from"), event->target->jid);
	}
	if (only != NULL)
		deliver_to(only, delivery);
	else if (goes_to_all(event))
		session_each(event->target, deliver_to, delivery);
}

static void
key_part(struct buf *buf, const char *text)
{
	buf_printf(buf, "%zu:", strlen(text)); /* no two rows of parts make the same bytes */
	buf_adds(buf, text);
}

/* Design 3.3: the same bare addresses, type, origin-id and content are the same message, sent again
 * because its acknowledgement was lost. */
static void
add_key(struct event *event)
{
	const struct xml *origin = xml_find(event->stanza, "origin-id", NS_SID);
	const char *id = origin == NULL ? NULL : xml_attr(origin, "id"),
		   *type = xml_attr(event->stanza, "type");
	const char *content = strchr(event->message_body, '>');
	uint8_t hash[SHA256_LEN], key[SHA256_LEN];
	struct buf buf = { 0 };

	if (event->origin == NULL || id == NULL || content == NULL)
		return;
	digest(DIGEST_SHA256, content, event->message_len - (size_t)(content - event->message_body), hash);
	key_part(&buf, jid_bare_text(event->arena, &event->from));
	key_part(&buf, jid_bare_text(event->arena, &event->to));
	key_part(&buf, type == NULL ? "" : type);
	key_part(&buf, id);
	buf_add(&buf, hash, sizeof hash);
	digest(DIGEST_SHA256, buf.data, buf.len, key);
	buf_free(&buf);
	event_add(event, &(struct op){ .kind = OP_SEEN, .key = key, .expires = event->time + REPETITION_MS });
	event_once(event);
}

static void
write_body(struct event *event, const char *outer, const char **body_r, size_t *len_r)
{
	struct buf buf = { 0 };

	xmlout(&buf, event->stanza, outer);
	*body_r = arena_strndup(event->arena, buf.data, buf.len);
	*len_r = buf.len;
	buf_free(&buf);
}

void
message_keep(struct event *event)
{
	if (event->message_body != NULL)
		return;
	if (event->message_id == 0)
		event->message_id = store_next_id(router_store(event->router));
	write_body(event, NULL, &event->message_body, &event->message_len); /* a stored body stands alone */
	add_key(event);
	event_add(event,
	    &(struct op){ .kind = OP_MESSAGE,
	        .id = event->message_id,
	        .time = event->time,
	        .from = xml_attr(event->stanza, "from"),
	        .to = xml_attr(event->stanza, "to"),
	        .body = event->message_body,
	        .body_len = event->message_len });
}

static void
add_pending(struct event *event)
{
	message_keep(event);
	quota_mailbox_take(event, event->message_len);
	event_add(event, &(struct op){ .kind = OP_PENDING,
				       .account = event->target->node,
				       .id = event->message_id,
				       .stranger = quota_is_stranger(event) });
}

static enum verdict
on_deliver(struct event *event, void *state)
{
	struct delivery *delivery = arena_alloc(event->arena, sizeof *delivery);

	(void)state;
	delivery->event = event;
	delivery->pending = event->message_id != 0;
	if (delivery->pending) {
		add_pending(event);
		delivery->body = event->message_body;
		delivery->len = event->message_len;
	} else {
		write_body(event, NS_CLIENT, &delivery->body, &delivery->len);
	}
	event_after(event, deliver, delivery);
	return HANDLED;
}

static enum verdict
on_guard(struct event *event, void *state)
{
	(void)state;
	message_strip(event); /* also from other relays */
	return PASS;
}

static const struct hook hooks[] = {
	{ POINT_SEND, ORDER_GUARD, on_send },
	{ POINT_MESSAGE, ORDER_GUARD, on_guard },
	{ POINT_MESSAGE, ORDER_GUARD, on_message },
	{ POINT_MESSAGE, ORDER_DELIVER, on_deliver },
	{ 0 },
};

const struct feature feature_message = {
	.name = "message",
	.spec = "RFC 6121 8.5, XEP-0334 0.4.0, XEP-0359 0.7.0",
	.disco = (const char *const[]){ NS_SID, NULL },
	.disco_account = (const char *const[]){ NS_SID, NULL },
	.hooks = hooks,
};
