/*
 * dispatch.c -- where a stanza goes (RFC 6120 section 10, RFC 6121 section 8), by kind and addressee.
 *
 * Steps 4 to 6 of a message's way: address, accounts into memory, then one row of deciders[]. What the
 * rules leave to a feature is a hook; what is here is what no feature may change: nobody speaks for
 * another, an address that is none, an account that is none.
 */
#include "config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "proto/xmlout.h"
#include "relay/route/route-private.h"

static struct event_body *
body_of(struct event *event)
{
	return (struct event_body *)event;
}

static enum scope
scope_of(const struct event *event)
{
	const struct jid *to = &event->to;

	if (to->domain == NULL)
		return TO_SELF;
	if (!router_is_local(event->router, to->domain))
		return TO_REMOTE;
	if (to->node == NULL)
		return TO_HOST;
	if (to->resource != NULL)
		return TO_RESOURCE;
	return jid_bare_equal(to, &event->from) ? TO_SELF : TO_ACCOUNT;
}

bool
dispatch_address(struct event *event)
{
	const char *to = xml_attr(event->stanza, "to");

	if (to != NULL && !jid_parse_text(event->arena, to, &event->to))
		return false;
	event->scope = scope_of(event);
	return true;
}

/* ---- iq ---- */

static int
compare_iq(const void *a, const void *b)
{
	const struct iq_row *row = b;
	const struct xml *payload = a;
	int order = strcmp(payload->name, row->handler->name);

	return order != 0 ? order : strcmp(payload->ns, row->handler->ns);
}

/* The first of the rows of this (name, namespace). */
static const struct iq_row *
find_iq(const struct router *router, const struct xml *payload)
{
	const struct iq_row *row =
	    bsearch(payload, router->iq, router->iq_count, sizeof *router->iq, compare_iq);

	while (row != NULL && row > router->iq && compare_iq(payload, row - 1) == 0)
		row--;
	return row;
}

static enum verdict
iq_handle(struct event *event)
{
	const struct router *router = event->router;
	const struct iq_row *row = find_iq(router, event->payload), *end = router->iq + router->iq_count;
	unsigned type = iq_type(event->stanza) == IQ_GET ? ON_GET : ON_SET;
	enum verdict verdict;

	for (; row != NULL && row < end && compare_iq(event->payload, row) == 0; row++) {
		if ((row->handler->types & type) == 0 || (row->handler->scopes & event->scope) == 0)
			continue;
		verdict = row->handler->fn(event, row->state);
		if (verdict != PASS)
			return verdict;
	}
	return event_reject(event, STANZA_SERVICE_UNAVAILABLE, NULL); /* RFC 6120 8.4 */
}

static void
forward(struct event *event, void *arg)
{
	struct session *session = session_find(event->target, event->to.resource);

	(void)arg;
	if (session != NULL)
		session_send(session, event->stanza);
	else
		event_reply_error(event, STANZA_SERVICE_UNAVAILABLE, NULL); /* it left meanwhile */
}

/* RFC 6121 8.5.3: to a connected resource; guards may say that the two do not share presence. */
static enum verdict
iq_to_resource(struct event *event, bool request)
{
	enum verdict verdict;

	if (session_find(event->target, event->to.resource) == NULL)
		return request ? event_reject(event, STANZA_SERVICE_UNAVAILABLE, NULL) : HANDLED;
	if (request) {
		verdict = router_run_hooks(event, POINT_IQ);
		if (verdict != PASS)
			return verdict;
	}
	event_after(event, forward, NULL);
	return HANDLED;
}

static enum verdict
remote(struct event *event)
{
	const struct transport *transport = &event->router->transport;

	if (transport->deliver != NULL) {
		transport->deliver(transport->arg, event);
		return LATER;
	}
	if (event->kind == STANZA_PRESENCE && (presence_type(event->stanza) == PRESENCE_UNAVAILABLE ||
					       presence_type(event->stanza) == PRESENCE_PROBE))
		return HANDLED;
	return event_reject(event, STANZA_REMOTE_SERVER_NOT_FOUND, "this relay does not reach other domains");
}

/* What both sides' guards say of an iq between two accounts or domains. */
static enum verdict
guard_iq(struct event *event)
{
	enum verdict verdict = PASS;

	if (event->scope == TO_HOST || (event->target != NULL && event->target == event->sender))
		return PASS;
	if (event->origin != NULL)
		verdict = router_run_hooks(event, POINT_SEND);
	if (verdict == PASS && event->target != NULL)
		verdict = router_run_hooks(event, POINT_IQ_IN);
	return verdict;
}

static enum verdict
decide_iq(struct event *event)
{
	enum iq_type type = iq_type(event->stanza);
	bool request = type == IQ_GET || type == IQ_SET;
	enum verdict verdict;

	if (!iq_valid(event->stanza))
		return type == IQ_RESULT || type == IQ_ERROR ? HANDLED
							     : event_reject(event, STANZA_BAD_REQUEST, NULL);
	if (request)
		event->payload = xml_first(event->stanza);
	verdict = guard_iq(event);
	if (verdict != PASS)
		return verdict;
	if (event->scope == TO_REMOTE)
		return remote(event);
	if (event->scope != TO_HOST && event->target == NULL)
		return request ? event_reject(event, STANZA_SERVICE_UNAVAILABLE, NULL)
			       : HANDLED; /* RFC 6121 8.5.1 */
	if (event->scope == TO_RESOURCE)
		return iq_to_resource(event, request);
	if (request)
		return iq_handle(event);
	if (event->origin != NULL && (event->scope == TO_SELF || event->scope == TO_HOST))
		return router_run_hooks(event, POINT_ANSWER);
	return event->origin == NULL ? router_run_hooks(event, POINT_ANSWER_FAR) : HANDLED;
}

/* ---- message, presence ---- */

static enum verdict
decide_message(struct event *event)
{
	enum verdict verdict = PASS;
	bool is_error = message_type(event->stanza) == MESSAGE_ERROR;

	if (event->origin != NULL)
		verdict = router_run_hooks(event, POINT_SEND);
	if (verdict != PASS)
		return verdict;
	if (event->scope == TO_REMOTE)
		return remote(event);
	if (event->scope == TO_HOST && event->origin != NULL)
		verdict = router_run_hooks(event, POINT_HOST);
	if (verdict != PASS)
		return verdict;
	if (event->target == NULL) /* RFC 6121 8.5.1 */
		return is_error ? HANDLED : event_reject(event, STANZA_SERVICE_UNAVAILABLE, NULL);
	return router_run_hooks(event, POINT_MESSAGE);
}

/* RFC 6121 8.5.1: presence and subscriptions for nobody are ignored in silence; a probe of nobody would
 * tell who exists. */
static enum verdict
decide_presence(struct event *event)
{
	enum verdict verdict = PASS;

	if (presence_type(event->stanza) == PRESENCE_BAD)
		return event_reject(event, STANZA_BAD_REQUEST, "no such type of presence");
	if (event->origin != NULL)
		verdict = router_run_hooks(event, POINT_SEND);
	if (verdict != PASS || event->to.domain == NULL)
		return verdict;
	if (event->scope == TO_REMOTE)
		return remote(event);
	if (event->target == NULL)
		return HANDLED;
	return router_run_hooks(event, POINT_PRESENCE);
}

static enum verdict
decide_other(struct event *event)
{
	return event_reject(event, STANZA_BAD_REQUEST, NULL);
}

static enum verdict (*const deciders[])(struct event *event) = {
	[STANZA_OTHER] = decide_other,
	[STANZA_MESSAGE] = decide_message,
	[STANZA_PRESENCE] = decide_presence,
	[STANZA_IQ] = decide_iq,
};

/* ---- accounts first ---- */

static void
sender_read(void *arg, struct account *account, bool failed)
{
	struct event *event = arg;

	if (failed)
		event_finish(event, event_reject(event, STANZA_INTERNAL_SERVER_ERROR, NULL));
	else if (account == NULL) /* deleted: its sessions have just been closed */
		event_finish(event, REJECTED);
	else
		dispatch(event);
}

static void
target_read(void *arg, struct account *account, bool failed)
{
	struct event *event = arg;

	if (failed) {
		event_finish(event, event_reject(event, STANZA_INTERNAL_SERVER_ERROR, NULL));
		return;
	}
	body_of(event)->target_known = true;
	if (account != NULL)
		event->target = account_ref(account);
	dispatch(event);
}

/* True: it is there (or there is none to be there). A child may use what its parent has changed and not
 * yet committed: waiting for a fresh reading would be waiting for itself. */
static bool
usable(const struct event *event, const struct account *account)
{
	return account_is_ready(account) ||
	       (((const struct event_body *)event)->parent != NULL && account_is_loaded(account));
}

void
dispatch(struct event *event)
{
	const char *node = event->to.domain == NULL ? event->from.node : event->to.node;
	bool local = event->scope != TO_REMOTE && event->scope != TO_HOST && node != NULL;
	struct account *resident;
	enum verdict verdict;

	if (event->sender != NULL && !usable(event, event->sender)) {
		account_with(event->router, event->sender->node, sender_read, event);
		return;
	}
	if (local &&
	    (!body_of(event)->target_known || (event->target != NULL && !usable(event, event->target)))) {
		account_unref(&event->target);
		resident = account_resident(event->router, node);
		if (resident != NULL && usable(event, resident))
			target_read(event, resident, false);
		else
			account_with(event->router, node, target_read, event);
		return;
	}
	verdict = deciders[event->kind](event);
	if (verdict != LATER)
		event_finish(event, verdict == PASS ? HANDLED : verdict);
}

static bool
dispatch_own(struct event *event)
{
	const char *from = xml_attr(event->stanza, "from");

	return (from == NULL || jid_parse_text(event->arena, from, &event->from)) && dispatch_address(event);
}

void
router_send(struct router *router, const struct xml *stanza)
{
	struct arena *arena = arena_new();
	struct event *event = event_new(router, NULL, NULL, arena, xml_copy(arena, stanza));

	if (dispatch_own(event))
		dispatch(event);
	else
		event_finish(event, REJECTED);
}

void
router_receive(struct router *router, struct slot *slot, struct arena *arena, struct xml *stanza)
{
	struct event *event = event_new(router, NULL, slot, arena, stanza);

	event->foreign = true;
	if (!dispatch_own(event))
		event_finish(event, event_reject(event, STANZA_JID_MALFORMED, NULL));
	else if (event->scope == TO_REMOTE || event->to.domain == NULL) /* we carry nothing between others */
		event_finish(event, REJECTED);
	else
		dispatch(event);
}

void
router_send_with(struct event *parent, const struct xml *stanza)
{
	struct event *event;

	if (body_of(parent)->state >= EVENT_SUBMITTED ||
	    (body_of(parent)->parent != NULL && body_of(parent)->parent->state >= EVENT_SUBMITTED)) {
		router_send(parent->router, stanza);
		return;
	}
	event = event_new_child(parent, xml_copy(parent->arena, stanza));
	if (dispatch_own(event))
		dispatch(event);
	else
		event_finish(event, REJECTED);
}
