/*
 * feature/register.c -- accounts by their users' own hand: made before login, password changed, removed
 * (XEP-0077 2.4).
 *
 *   form read and checked -> keys made in the thread pool -> one transaction: account, and its invitation
 * used up -> told
 *
 * Promises: the policy of the configuration (closed, invite, open) holds at the moment of the request; an
 * address reserved by an invitation is for that token alone; a password is wiped from memory as soon as its
 * keys are made and is never sent back or logged; who leaves is unsubscribed from everyone first. At most 60
 * tries and 10 new accounts an hour and address (IPv6: a /64) unless the limit on logins is off.
 */
#include "config.h"

#include "relay/feature/register.h"

#include <stdlib.h>
#include <string.h>

#include "proto/arena.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/stanza.h"
#include "proto/xml.h"
#include "relay/conf.h"
#include "relay/feature/feature_table.h"
#include "relay/feature/invite.h"
#include "relay/feature/register_form.h"
#include "relay/feature/register_limit.h"
#include "relay/log.h"
#include "relay/net/clock.h"
#include "relay/route/account.h"
#include "relay/route/event.h"
#include "relay/route/router.h"
#include "relay/route/session.h"
#include "relay/store/read.h"
#include "relay/stream/pool.h"
#include "relay/stream/scram.h"
#include "relay/stream/stream.h"

enum {
	KEYS_AT_A_TIME = 1,
	KEYS_WAITING_MAX = 64,
};

struct desk {
	struct router *router;
	struct pool *pool;
	unsigned waiting; /* in the pool */
	struct register_limit *limit;
};

/* A password on its way to keys. */
struct job {
	struct desk *desk;
	struct event *event;
	char *password;
	struct scram_keys keys;
	bool run, made;
	void (*then)(struct job *job);
	struct register_form *form;
};

/* Limits. */

static bool
is_limited(const struct desk *desk)
{
	return router_conf(desk->router)->limit_logins > 0;
}

bool
register_may_try(struct router *router, const struct stream *stream)
{
	struct desk *desk = router_state(router, &feature_register);

	return !is_limited(desk) ||
	       (stream != NULL && register_limit_try(desk->limit, stream_peer(stream), now_mono()));
}

/* Answers. They never echo the request: it holds a password (XEP-0077 3.3). */

static enum verdict
refuse(struct event *event, enum stanza_error error, const char *text)
{
	event_reply(event, stanza_error(event->arena, event->stanza, error, text, false));
	return HANDLED;
}

/* Keys. */

static void
job_work(void *arg)
{
	struct job *job = arg;

	job->run = true;
	job->made = scram_make_keys(job->password, &job->keys);
}

static void
job_done(void *arg)
{
	struct job *job = arg;

	cleanse(job->password, strlen(job->password));
	free(job->password);
	if (!job->run || job->event->router == NULL) { /* the relay is stopping */
		event_finish(job->event, REJECTED);
	} else {
		job->desk->waiting--;
		if (job->made)
			job->then(job);
		else
			event_finish(job->event, refuse(job->event, STANZA_NOT_ACCEPTABLE,
							"This password has characters that may not be used"));
	}
	cleanse(&job->keys, sizeof job->keys);
	free(job);
}

static enum verdict
make_keys(struct desk *desk, struct event *event, struct register_form *form, void (*then)(struct job *job))
{
	struct job *job;

	if (desk->waiting >= KEYS_WAITING_MAX)
		return refuse(event, STANZA_RESOURCE_CONSTRAINT, "Too many at once; try again in a minute");
	job = xcalloc(1, sizeof *job);
	job->desk = desk;
	job->event = event;
	job->password = xstrdup(form->password);
	job->form = form;
	job->then = then;
	form->password = NULL;
	register_form_forget(event->payload);
	desk->waiting++;
	pool_run(desk->pool, job_work, job_done, job);
	return LATER;
}

/* Before login: a new account. */

static void
account_made(struct event *event, void *said)
{
	(void)event;
	log_info(NULL, "new account %s", (const char *)said);
}

static void
account_write(struct job *job)
{
	struct event *event = job->event;
	const struct stream *stream = event->slot != NULL ? slot_stream(event->slot) : NULL;
	const struct invite_ticket *ticket = invite_of(event->router, stream);
	const char *node = job->form->jid.node;

	if (ticket == NULL &&
	    router_conf(event->router)->registration != REGISTRATION_OPEN) { /* the stream has gone */
		event_finish(event, event_reject(event, STANZA_NOT_ALLOWED, "An invitation is needed"));
		return;
	}
	event_add(
	    event,
	    &(struct op){ .kind = OP_ACCOUNT_NEW, .account = node, .time = event->time, .keys = &job->keys });
	if (ticket != NULL)
		event_add(event, &(struct op){ .kind = OP_INVITE_USE,
					       .account = node,
					       .token = ticket->token,
					       .time = ticket->time });
	if (is_limited(job->desk) && stream != NULL)
		register_limit_made(job->desk->limit, stream_peer(stream), now_mono());
	event_reply_result(event);
	event_after(event, account_made,
		    arena_printf(event->arena, "%s%s", node, ticket != NULL ? " by invitation" : ""));
	event_finish(event, HANDLED);
}

/* An address that an unused invitation names is for its bearer. */
struct reservation {
	struct desk *desk;
	struct event *event;
	struct register_form *form;
};

static void
reservations_read(void *arg, bool failed, const struct invite_row *rows, size_t count)
{
	struct reservation *reservation = arg;
	struct event *event = reservation->event;
	const struct stream *stream = event->slot != NULL ? slot_stream(event->slot) : NULL;
	const struct invite_ticket *ticket = event->router != NULL ? invite_of(event->router, stream) : NULL;
	int64_t now = now_wall();
	enum verdict verdict;

	if (failed || event->router == NULL) {
		event_finish(event, REJECTED);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		if (rows[i].node == NULL || strcmp(rows[i].node, reservation->form->jid.node) != 0 ||
		    rows[i].used || (rows[i].expires != 0 && rows[i].expires <= now) ||
		    (ticket != NULL && strcmp(rows[i].token, ticket->token) == 0))
			continue;
		event_finish(event, refuse(event, STANZA_CONFLICT, "This address is reserved for somebody"));
		return;
	}
	verdict = make_keys(reservation->desk, event, reservation->form, account_write);
	if (verdict != LATER)
		event_finish(event, verdict);
}

static enum verdict
account_new(struct desk *desk, struct event *event)
{
	struct reservation *reservation = arena_alloc(event->arena, sizeof *reservation);
	struct register_form *form = arena_alloc(event->arena, sizeof *form);
	const struct stream *stream = slot_stream(event->slot);
	const struct invite_ticket *ticket = invite_of(desk->router, stream);
	enum stanza_error error;

	if (stream == NULL)
		return REJECTED;
	if (ticket == NULL && router_conf(desk->router)->registration != REGISTRATION_OPEN)
		return refuse(event, STANZA_NOT_ALLOWED, "An invitation is needed");
	if (!register_may_try(desk->router, stream) ||
	    (is_limited(desk) && register_limit_has_made_all(desk->limit, stream_peer(stream), now_mono())))
		return refuse(event, STANZA_RESOURCE_CONSTRAINT,
			      "Too many tries from this address; try later");
	error = register_form_read(event->arena, event->payload, router_domain(desk->router), form);
	if (error != STANZA_OK)
		return refuse(event, error, NULL);
	if (form->remove) /* 3.2: nobody is registered here yet */
		return refuse(event, STANZA_UNEXPECTED_REQUEST, NULL);
	if (ticket != NULL && ticket->node != NULL && strcmp(ticket->node, form->jid.node) != 0)
		return refuse(event, STANZA_NOT_ACCEPTABLE, "This invitation is for another address");
	*reservation = (struct reservation){ .desk = desk, .event = event, .form = form };
	read_invites(router_store(desk->router), reservations_read, reservation);
	return LATER;
}

/* The fields to fill (3.1.1); the address that an invitation is for is filled already. */
static enum verdict
fields_new(struct desk *desk, struct event *event)
{
	const struct invite_ticket *ticket = invite_of(desk->router, slot_stream(event->slot));
	struct xml *result = event_result(event);
	struct xml *query = xml_add(event->arena, result, "query", NS_REGISTER);

	if (ticket == NULL && router_conf(desk->router)->registration != REGISTRATION_OPEN)
		return refuse(event, STANZA_NOT_ALLOWED, "An invitation is needed");
	xml_add_leaf(event->arena, query, "instructions", NULL, "Choose a user name and a password.");
	xml_add_leaf(event->arena, query, "username", NULL, ticket != NULL ? ticket->node : NULL);
	xml_add(event->arena, query, "password", NULL);
	event_reply(event, result);
	return HANDLED;
}

static enum verdict
register_stranger(struct event *event, void *state)
{
	struct desk *desk = state;

	if (!xml_is(event->payload, "query", NS_REGISTER))
		return PASS;
	if (router_conf(desk->router)->registration == REGISTRATION_CLOSED)
		return refuse(event, STANZA_SERVICE_UNAVAILABLE, NULL);
	return iq_type(event->stanza) == IQ_GET ? fields_new(desk, event) : account_new(desk, event);
}

/* After login: one's own account. */

/* Whoever knew the old password is out: the sessions that were not asked from come again with the new one. */
static void
close_others(struct event *event, void *arg)
{
	struct session *row[SESSION_MOST];
	size_t count = session_row(event->sender, row);

	(void)arg;
	log_info(event->origin == NULL ? NULL : &event->origin->log, "changed the password");
	for (size_t i = 0; i < count; i++) {
		if (row[i] != event->origin)
			session_close(row[i], STREAM_NOT_AUTHORIZED, "the password was changed");
		session_unref(&row[i]);
	}
}

static void
password_write(struct job *job)
{
	struct event *event = job->event;

	event_add(event, &(struct op){
			     .kind = OP_ACCOUNT_KEYS, .account = job->form->jid.node, .keys = &job->keys });
	event_reply_result(event);
	event_after(event, close_others, NULL);
	event_finish(event, HANDLED);
}

static void
send_presence(struct event *event, const char *to, const char *type)
{
	router_send_with(event, stanza_new(event->arena, "presence", event->sender->jid, to, type, NULL));
}

static void
account_gone(struct event *event, void *arg)
{
	struct router *router = event->router;

	if (event->origin != NULL) /* 3.2: the one that asked hears the reason, the others likewise */
		log_info(&event->origin->log, "removed the account");
	router_account_changed(router, arg, true);
}

/* 3.2: all subscriptions end, so that whoever takes the address later is a stranger to these contacts. */
static enum verdict
account_remove(struct event *event)
{
	struct account *account = event->sender;
	size_t count = account_roster_count(account);
	const char **contacts = arena_alloc(event->arena, (count + 1) * sizeof contacts[0]);
	unsigned *flags = arena_alloc(event->arena, (count + 1) * sizeof flags[0]);

	for (size_t i = 0; i < count; i++) {
		contacts[i] = arena_strdup(event->arena, account_roster_at(account, i)->contact);
		flags[i] = account_roster_at(account, i)->flags;
	}
	event_reply_result(event);
	for (size_t i = 0; i < count; i++) {
		if ((flags[i] & (ROSTER_FROM | ROSTER_PENDING_IN | ROSTER_APPROVED)) != 0)
			send_presence(event, contacts[i], "unsubscribed");
		if ((flags[i] & (ROSTER_TO | ROSTER_PENDING_OUT)) != 0)
			send_presence(event, contacts[i], "unsubscribe");
	}
	event_add(event,
		  &(struct op){ .kind = OP_ACCOUNT_DEL, .account = account->node, .time = event->time });
	event_after(event, account_gone, arena_strdup(event->arena, account->node));
	return HANDLED;
}

static enum verdict
register_own(struct event *event, void *state)
{
	struct register_form *form = arena_alloc(event->arena, sizeof *form);
	enum stanza_error error;

	if (event->sender == NULL)
		return refuse(event, STANZA_NOT_ALLOWED, NULL);
	if (iq_type(event->stanza) == IQ_GET) {
		struct xml *result = event_result(event);
		struct xml *query = xml_add(event->arena, result, "query", NS_REGISTER);
		xml_add(event->arena, query, "registered", NULL);
		xml_add_leaf(event->arena, query, "username", NULL, event->sender->node);
		xml_add(event->arena, query, "password", NULL);
		event_reply(event, result);
		return HANDLED;
	}
	error = register_form_read(event->arena, event->payload, router_domain(event->router), form);
	if (error != STANZA_OK)
		return refuse(event, error == STANZA_NOT_ACCEPTABLE ? STANZA_BAD_REQUEST : error, NULL);
	if (form->remove)
		return account_remove(event);
	if (strcmp(form->jid.node, event->sender->node) != 0)
		return refuse(event, STANZA_NOT_ALLOWED, NULL);
	return make_keys(state, event, form, password_write);
}

static void
register_stream_features(void *state, struct arena *arena, struct xml *features, bool ready)
{
	const struct desk *desk = state;

	if (!ready && router_conf(desk->router)->registration != REGISTRATION_CLOSED)
		xml_add(arena, features, "register", NS_REGISTER_FEATURE);
}

static void *
register_init(struct router *router)
{
	struct desk *desk = xcalloc(1, sizeof *desk);

	desk->router = router;
	desk->limit = register_limit_new();
	desk->pool = pool_new(router_loop(router), KEYS_AT_A_TIME);
	return desk;
}

static void
register_free(void *state)
{
	struct desk *desk = state;

	pool_free(&desk->pool);
	register_limit_free(&desk->limit);
	free(desk);
}

static const char *const disco[] = { NS_REGISTER, NULL };

static const struct iq_handler handlers[] = {
	{ .name = "query",
	  .ns = NS_REGISTER,
	  .types = ON_GET | ON_SET,
	  .scopes = TO_HOST | TO_SELF,
	  .fn = register_own },
	{ .name = NULL },
};

const struct feature feature_register = {
	.name = "register",
	.spec = "XEP-0077 2.4",
	.disco = disco,
	.iq = handlers,
	.init = register_init,
	.free = register_free,
	.stream_features = register_stream_features,
	.unauthenticated = register_stranger,
};
