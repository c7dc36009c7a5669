/*
 * event.c -- one stanza's life from decision to answer: see event.h.
 *
 *   OPEN -- event_finish --> DECIDED -- children decided --> SUBMITTED -- committed, slot handled --> RUNNING
 * --> freed
 *
 * A child event (router_send_with) is decided like any other but writes into its parent's transaction and
 * after-functions, and the parent is submitted only when all its children are decided. Works with a store
 * that commits before txn_submit returns.
 * DIAGNOSTICS: a change after the submission is a bug of ours (assert).
 */
#include "config.h"

#include "relay/route/event.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/xml.h"
#include "proto/xmlout.h"
#include "relay/log.h"
#include "relay/net/clock.h"
#include "relay/route/route-private.h"
#include "relay/store/txn.h"
#include "relay/stream/stream.h"

struct after {
	struct after *next;
	struct event *event;
	void (*fn)(struct event *event, void *arg);
	void *arg;
};
struct touched {
	struct touched *next;
	struct account *account; /* referenced */
};
static struct event_body *
body_of(struct event *event)
{
	return (struct event_body *)event;
}

/* Whose transaction and after-functions these are. */
static struct event_body *
root_of(struct event *event)
{
	struct event_body *body = body_of(event);

	while (body->parent != NULL)
		body = body->parent;
	return body;
}

static void
join_session(struct event_body *body, struct session *session)
{
	body->session = session;
	body->older = session->newest;
	if (session->newest != NULL)
		session->newest->newer = body;
	else
		session->oldest = body;
	session->newest = body;
}

static void
leave_session(struct event_body *body)
{
	struct session *session = body->session;

	if (session == NULL)
		return;
	*(body->older != NULL ? &body->older->newer : &session->oldest) = body->newer;
	*(body->newer != NULL ? &body->newer->older : &session->newest) = body->older;
	body->session = NULL;
	body->older = body->newer = NULL;
}

static void
run_first(struct event_body *body)
{
	void (*fn)(struct event *, void *) = body->first_fn;

	body->first_fn = NULL;
	if (fn != NULL)
		fn(&body->event, body->first_arg);
}

struct event *
event_new(struct router *router, struct session *origin, struct slot *slot, struct arena *arena,
	  struct xml *stanza)
{
	struct event_body *body = xcalloc(1, sizeof *body);

	body->event = (struct event){ .router = router,
				      .origin = origin,
				      .kind = stanza_kind(stanza),
				      .arena = arena,
				      .stanza = stanza,
				      .time = now_wall(),
				      .slot = slot };
	body->afters_end = &body->afters;
	body->next = router->events;
	if (router->events != NULL)
		router->events->prev = body;
	router->events = body;
	if (origin != NULL) {
		body->event.sender = account_ref(origin->account);
		body->event.from = (struct jid){ arena_strdup(arena, origin->jid.node),
						 arena_strdup(arena, origin->jid.domain),
						 arena_strdup(arena, origin->jid.resource) };
		join_session(body, origin);
	}
	return &body->event;
}

struct event *
event_new_child(struct event *parent, struct xml *stanza)
{
	struct event_body *body = xcalloc(1, sizeof *body), *above = body_of(parent);

	body->event = (struct event){ .router = parent->router,
				      .kind = stanza_kind(stanza),
				      .arena = parent->arena,
				      .stanza = stanza,
				      .time = parent->time };
	body->parent = above;
	body->sibling = above->children;
	above->children = body;
	above->holds++;
	return &body->event;
}

/* Its accounts and its children's. */
static void
release(struct event_body *body)
{
	for (struct event_body *child = body->children; child != NULL; child = child->sibling)
		release(child);
	for (struct touched *touched = body->touched; touched != NULL; touched = touched->next)
		account_unref(&touched->account);
	body->touched = NULL;
	account_unref(&body->event.sender);
	account_unref(&body->event.target);
}

static void
free_body(struct event_body *body)
{
	struct event_body *child;

	while ((child = body->children) != NULL) {
		body->children = child->sibling;
		free_body(child);
	}
	free(body);
}

static void
event_free(struct event_body *body)
{
	struct arena *arena = body->event.arena;
	struct session *session = body->session;

	leave_session(body);
	if (body->next != NULL)
		body->next->prev = body->prev;
	if (body->prev != NULL)
		body->prev->next = body->next;
	else if (body->event.router != NULL)
		body->event.router->events = body->next;
	txn_abandon(&body->event.txn);
	release(body);
	free_body(body);
	arena_free(&arena);
	if (session != NULL && session->oldest != NULL)
		run_first(session->oldest);
}

void
event_discard(struct event **event)
{
	body_of(*event)->event.arena = NULL;
	event_free(body_of(*event));
	*event = NULL;
}

void
event_leave_session(struct session *session)
{
	struct event_body *body;

	while ((body = session->oldest) != NULL) {
		leave_session(body);
		body->event.origin = NULL;
		run_first(body);
	}
}

void
event_touch(struct event *event, struct account *account)
{
	struct event_body *root = root_of(event);
	struct touched *touched;

	assert(root->state == EVENT_OPEN || root->state == EVENT_DECIDED);
	for (touched = root->touched; touched != NULL; touched = touched->next)
		if (touched->account == account)
			return;
	touched = arena_alloc(root->event.arena, sizeof *touched);
	touched->account = account_ref(account);
	touched->next = root->touched;
	root->touched = touched;
	((struct account_body *)account)->writing++;
}

/* The references stay until the event is freed: after-functions look at the accounts. */
static void
tell_touched(struct event_body *body, bool failed)
{
	if (body->written)
		return;
	body->written = true;
	for (struct touched *touched = body->touched; touched != NULL; touched = touched->next)
		account_written(touched->account, failed);
}

void
event_add(struct event *event, const struct op *op)
{
	struct event_body *root = root_of(event);

	assert(root->state == EVENT_OPEN || root->state == EVENT_DECIDED);
	if (root->event.txn == NULL)
		root->event.txn = txn_new(event->router->store);
	txn_add(root->event.txn, op);
}

void
event_after(struct event *event, void (*fn)(struct event *event, void *arg), void *arg)
{
	struct event_body *root = root_of(event);
	struct after *after = arena_alloc(event->arena, sizeof *after);

	*after = (struct after){ .event = event, .fn = fn, .arg = arg };
	*root->afters_end = after;
	root->afters_end = &after->next;
}

void
event_undo(struct event *event, void (*fn)(struct event *event, void *arg), void *arg)
{
	struct event_body *root = root_of(event);
	struct after *undo = arena_alloc(event->arena, sizeof *undo);

	*undo = (struct after){ .next = root->undos, .event = event, .fn = fn, .arg = arg };
	root->undos = undo;
}

void
event_when_first(struct event *event, void (*fn)(struct event *event, void *arg), void *arg)
{
	struct event_body *root = root_of(event);

	if (root->session == NULL || root->older == NULL) {
		fn(event, arg);
		return;
	}
	assert(root == body_of(event) && root->first_fn == NULL);
	root->first_fn = fn;
	root->first_arg = arg;
}

void
event_once(struct event *event)
{
	root_of(event)->once = true;
}

/* The slot is handled: everything earlier of this stream has left. */
static void
run_afters(void *arg)
{
	struct event_body *body = arg;

	body->state = EVENT_RUNNING;
	body->event.slot = NULL;
	for (struct after *after = body->afters; after != NULL; after = after->next)
		if (body->event.router != NULL)
			after->fn(after->event, after->arg);
	event_free(body);
}

/* Sessions remembered by sendings that will not happen. */
static void
drop_afters(struct event_body *body)
{
	for (struct after *after = body->afters; after != NULL; after = after->next)
		event_reply_drop(after->fn, after->arg);
	body->afters = NULL;
	body->afters_end = &body->afters;
}

/* Where a message's way ends before it began: nothing of it was kept. */
static void
note_end(const struct event_body *body, bool repeated)
{
	const struct event *event = &body->event;
	const struct xml *error = body->error == NULL ? NULL : xml_find(body->error, "error", NULL);
	const struct xml *condition = error == NULL ? NULL : xml_first(error);
	const char *id = xml_attr(event->stanza, "id");

	if (event->kind != STANZA_MESSAGE || event->origin == NULL || event->to.domain == NULL)
		return;
	log_journal(&event->origin->log, "message %s for %s %s%s", id == NULL ? "without id" : id,
		    jid_bare_text(event->arena, &event->to),
		    repeated ? "was here already" : condition == NULL ? "not taken" : "refused: ",
		    repeated || condition == NULL ? "" : condition->name);
}

static void
complete(struct event_body *body, enum txn_result result)
{
	static const enum stanza_error told[] = {
		[TXN_COMMITTED] = STANZA_OK,
		[TXN_FULL] = STANZA_RESOURCE_CONSTRAINT,
		[TXN_CONFLICT] = STANZA_CONFLICT,
		[TXN_OVER] = STANZA_RESOURCE_CONSTRAINT,
		[TXN_FAILED] = STANZA_INTERNAL_SERVER_ERROR,
	};
	struct slot *slot = body->event.slot;
	bool failed = body->verdict == REJECTED || result != TXN_COMMITTED;
	/* Design 3.4: what another relay has in its custody stays there. */
	bool lost = body->event.foreign && slot != NULL && body->verdict != REJECTED && (result == TXN_FULL || result == TXN_FAILED);

	body->state = EVENT_SUBMITTED;
	if (body->event.router == NULL) { /* the router went while the store was writing */
		drop_afters(body);
		if (slot != NULL)
			slot_done(&slot);
		event_free(body);
		return;
	}
	if (failed) {
		drop_afters(body);
		for (struct after *undo = body->undos; undo != NULL; undo = undo->next)
			undo->fn(undo->event, undo->arg);
		bool repeated = body->verdict != REJECTED && result == TXN_CONFLICT && body->once;
		if (body->verdict != REJECTED && !repeated && !lost)
			(void)event_reject(&body->event, told[result], NULL);
		note_end(body, repeated);
		if (body->error != NULL)
			event_reply(&body->event, body->error);
	}
	tell_touched(body, failed);
	if (slot == NULL) {
		run_afters(body);
		return;
	}
	/* Before authentication there is no session to write to: replies go through the slot, ours only
	 * until done. */
	for (struct after *after = body->afters; after != NULL; after = after->next)
		event_reply_to_slot(after->fn, after->arg, slot);
	slot_after(slot, run_afters, body);
	if (lost)
		slot_lose(&slot);
	else
		slot_done(&slot);
}

static void
committed(void *arg, enum txn_result result)
{
	struct event_body *body = arg;

	if (body->in_submit) { /* a store without a loop */
		body->committed_early = true;
		body->result = result;
		return;
	}
	complete(body, result);
}

/* XEP-0198: a message and its place in its stream are durable together, so that after a crash the client can be told what it
 * need not send again. */
static void
add_counter(struct event_body *body)
{
	struct event *event = &body->event;
	const char *id;
	uint32_t h;

	if (event->kind != STANZA_MESSAGE || event->slot == NULL || event->sender == NULL ||
	    !slot_counter(event->slot, &id, &h))
		return;
	txn_add(event->txn, &(struct op){ .kind = OP_COUNTER,
					  .account = event->sender->node,
					  .item = id,
					  .id = h,
					  .time = event->time });
}

static void
submit(struct event_body *body)
{
	struct session *session = body->session;

	if (body->verdict == REJECTED || body->event.txn == NULL) {
		txn_abandon(&body->event.txn);
		complete(body, TXN_COMMITTED);
		return;
	}
	add_counter(body);
	body->state = EVENT_SUBMITTED;
	body->in_submit = true;
	txn_submit(&body->event.txn, committed, body);
	body->in_submit = false;
	if (session != NULL)
		router_check_room(body->event.router, session);
	if (body->committed_early)
		complete(body, (enum txn_result)body->result);
	else if (body->event.slot != NULL)
		slot_decided(body->event.slot); /* the next stanza: may come before this returns */
}

void
event_finish(struct event *event, enum verdict verdict)
{
	struct event_body *body = body_of(event), *parent = body->parent;

	assert(body->state == EVENT_OPEN && verdict != LATER);
	body->state = EVENT_DECIDED;
	body->verdict = verdict;
	if (body->holds > 0)
		return;
	if (parent == NULL) {
		submit(body);
		return;
	}
	parent->holds--;
	if (parent->holds == 0 && parent->state == EVENT_DECIDED) {
		if (parent->parent != NULL) { /* a child that waited for its own children */
			parent->state = EVENT_OPEN;
			event_finish(&parent->event, parent->verdict);
		} else {
			submit(parent);
		}
	}
}

void
events_free(struct router *router)
{
	struct event_body *body, *next;

	for (body = router->events; body != NULL; body = next) {
		next = body->next;
		leave_session(body);
		tell_touched(body, false);
		release(body);
		body->prev = body->next = NULL;
		body->event.origin = NULL;
		body->event.router = NULL;
	}
	router->events = NULL;
}
