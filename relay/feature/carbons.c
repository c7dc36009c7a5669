/*
 * feature/carbons.c -- the other devices of both parties get a copy of each message (XEP-0280).
 *
 * What is copied: the rules of section 6.1, as far as one stanza shows them. Copies are planned when the
 * stanza is decided and sent when it is durable, to the resources that have asked and do not get the message
 * itself; they carry the stanza-id that the account's archive has. A copy confirms nothing: a mailbox row
 * stays until a resource that got the message itself confirms.
 */
#include "config.h"

#include <stddef.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/ns.h"
#include "proto/stanza.h"
#include "proto/xml.h"
#include "proto/xmlout.h"
#include "relay/feature/feature_table.h"
#include "relay/feature/mailbox.h"
#include "relay/feature/message.h"
#include "relay/route/account.h"
#include "relay/route/event.h"
#include "relay/route/quiet.h"
#include "relay/route/session.h"

#define NS_MUC_USER   "http://jabber.org/protocol/muc#user"
#define NS_CONFERENCE "jabber:x:conference" /* XEP-0249 */

/* ---- which messages (6.1) ---- */

static bool
has_im_payload(const struct xml *message)
{
	static const char *const payloads[] = { NS_RECEIPTS, NS_CHATSTATES, NS_MARKERS, NS_CONFERENCE };

	for (size_t i = 0; i < sizeof payloads / sizeof *payloads; i++)
		if (xml_find(message, NULL, payloads[i]) != NULL)
			return true;
	return false;
}

static bool
is_eligible(const struct xml *message, bool from_occupant)
{
	const struct xml *room = xml_find(message, "x", NS_MUC_USER);
	enum message_type type = message_type(message);

	if (type == MESSAGE_GROUPCHAT || xml_find(message, "private", NS_CARBONS) != NULL ||
	    xml_find(message, "no-copy", NS_HINTS) != NULL)
		return false;
	if (room != NULL && xml_find(room, "invite", NS_MUC_USER) != NULL)
		return true;
	if (room != NULL && from_occupant) /* the room sends to each joined client by itself */
		return false;
	if (type == MESSAGE_CHAT || has_im_payload(message))
		return true;
	/* Of errors we do not know what they answer but by what they give back of it. */
	return (type == MESSAGE_NORMAL || type == MESSAGE_ERROR) &&
	       xml_find(message, "body", NS_CLIENT) != NULL;
}

/* ---- copies ---- */

struct copying {
	bool sent, received;
	struct buf bare; /* the stanza as bytes, when it is not stored */
};

static void
send_copy(struct event *event, struct copying *copying, struct session *session, const char *direction)
{
	struct buf buf = { 0 };

	buf_adds(&buf, "<message");
	xmlout_attribute(&buf, "from", session->account->jid);
	xmlout_attribute(&buf, "to", session->text);
	xmlout_attribute(&buf, "type", xml_attr(event->stanza, "type"));
	buf_printf(&buf, "><%s xmlns='" NS_CARBONS "'><forwarded xmlns='" NS_FORWARD "'>", direction);
	if (event->message_body != NULL) {
		mailbox_write(&buf, session, event->message_id, 0, event->message_body, event->message_len);
	} else {
		if (copying->bare.len == 0)
			xmlout(&copying->bare, event->stanza, NULL);
		buf_add(&buf, copying->bare.data, copying->bare.len);
	}
	buf_printf(&buf, "</forwarded></%s></message>", direction);
	if (message_is_state(event->stanza))
		quiet_send(session, message_state_key(event), buf.data, buf.len);
	else
		session_send_bytes(session, buf.data, buf.len);
	buf_free(&buf);
}

static void
send_copies(struct event *event, struct copying *copying, struct account *account, const char *direction)
{
	const char *sender = jid_text(event->arena, &event->from);
	struct session *row[SESSION_MOST];
	size_t count = session_row(account, row);

	for (size_t i = 0; i < count; i++) {
		bool gets_it = account == event->target && message_reaches(event, row[i]);
		if (row[i]->carbons && !row[i]->gone && !gets_it && strcmp(row[i]->text, sender) != 0)
			send_copy(event, copying, row[i], direction);
		session_unref(&row[i]);
	}
}

static void
copy(struct event *event, void *arg)
{
	struct copying *copying = arg;

	if (copying->sent)
		send_copies(event, copying, event->sender, "sent");
	if (copying->received)
		send_copies(event, copying, event->target, "received");
	buf_free(&copying->bare);
}

static bool
anyone_copies(const struct account *account)
{
	for (const struct session *at = account == NULL ? NULL : account->sessions; at != NULL; at = at->next)
		if (at->carbons)
			return true;
	return false;
}

static void
plan(struct event *event, bool sent, bool received)
{
	struct copying *copying;

	if (!sent && !received)
		return;
	copying = arena_alloc(event->arena, sizeof *copying);
	copying->sent = sent;
	copying->received = received;
	event_after(event, copy, copying);
}

/* To another domain: the sender's devices alone. */
static enum verdict
on_send(struct event *event, void *state)
{
	(void)state;
	if (event->kind == STANZA_MESSAGE && event->scope == TO_REMOTE && is_eligible(event->stanza, false))
		plan(event, anyone_copies(event->sender), false);
	return PASS;
}

/* Between devices of one account it is sent, and not received as well. */
static enum verdict
on_message(struct event *event, void *state)
{
	(void)state;
	plan(event, anyone_copies(event->sender) && is_eligible(event->stanza, false),
	     event->sender != event->target && anyone_copies(event->target) &&
		 is_eligible(event->stanza, event->from.resource != NULL));
	return PASS;
}

/* ---- enabling (4, 5, 10.1) ---- */

static enum verdict
on_switch(struct event *event, void *state)
{
	(void)state;
	if (event->origin == NULL)
		return event_reject(event, STANZA_NOT_ALLOWED, NULL);
	event->origin->carbons = strcmp(event->payload->name, "enable") == 0;
	event_reply_result(event);
	return HANDLED;
}

static void
on_inline(void *state, struct session *session, const struct xml *element)
{
	(void)state;
	if (xml_is(element, "enable", NS_CARBONS))
		session->carbons = true;
}

static const struct iq_handler handlers[] = {
	{ "disable", NS_CARBONS, ON_SET, TO_SELF, on_switch },
	{ "enable", NS_CARBONS, ON_SET, TO_SELF, on_switch },
	{ 0 },
};
static const struct hook hooks[] = {
	{ POINT_SEND, ORDER_COPY, on_send },
	{ POINT_MESSAGE, ORDER_COPY, on_message },
	{ 0 },
};

const struct feature feature_carbons = {
	.name = "carbons",
	.spec = "XEP-0280 1.0.1",
	.disco = (const char *const[]){ NS_CARBONS, NULL },
	.disco_account = (const char *const[]){ NS_CARBONS, NULL },
	.iq = handlers,
	.hooks = hooks,
	.inline_name = NS_CARBONS,
	.inline_ask = on_inline,
};
