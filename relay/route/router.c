/*
 * router.c -- composes accounts, sessions, events and features into what a client's stream needs (struct
 * stream_owner): see router.h.
 *
 * The features' tables are sorted once here. Everything a stanza meets on its way is in dispatch.c.
 */
#include "config.h"

#include "relay/route/router.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "proto/arena.h"
#include "proto/mem.h"
#include "proto/stanza.h"
#include "proto/xml.h"
#include "relay/conf.h"
#include "relay/queue/queue.h"
#include "relay/route/route-private.h"
#include "relay/store/store.h"

/* ---- tables ---- */

static int
order_of(size_t a, size_t b)
{
	return a < b ? -1 : a > b;
}

static int
compare_iq(const void *a, const void *b)
{
	const struct iq_row *left = a, *right = b;
	int order = strcmp(left->handler->name, right->handler->name);

	if (order == 0)
		order = strcmp(left->handler->ns, right->handler->ns);
	return order != 0 ? order : order_of(left->order, right->order);
}

static int
compare_hook(const void *a, const void *b)
{
	const struct hook_row *left = a, *right = b;

	if (left->hook->order != right->hook->order)
		return left->hook->order < right->hook->order ? -1 : 1;
	return order_of(left->order, right->order);
}

static void
add_iq(struct router *router, const struct iq_handler *handler, void *state)
{
	router->iq = xrealloc(router->iq, (router->iq_count + 1) * sizeof *router->iq);
	router->iq[router->iq_count] = (struct iq_row){ handler, state, router->iq_count };
	router->iq_count++;
}

static void
add_hook(struct router *router, const struct hook *hook, void *state)
{
	size_t *count = &router->hook_count[hook->point];
	struct hook_row **row = &router->hooks[hook->point];

	*row = xrealloc(*row, (*count + 1) * sizeof **row);
	(*row)[*count] = (struct hook_row){ hook, state, *count };
	(*count)++;
}

static void
read_tables(struct router *router)
{
	const struct feature *feature;

	for (size_t i = 0; i < router->feature_count; i++) {
		feature = router->features[i];
		router->states[i] = feature->init == NULL ? NULL : feature->init(router);
		for (size_t j = 0; feature->iq != NULL && feature->iq[j].name != NULL; j++)
			add_iq(router, &feature->iq[j], router->states[i]);
		for (size_t j = 0; feature->hooks != NULL && feature->hooks[j].point != POINT_NONE; j++)
			add_hook(router, &feature->hooks[j], router->states[i]);
	}
	if (router->iq_count > 0)
		qsort(router->iq, router->iq_count, sizeof *router->iq, compare_iq);
	for (size_t point = 0; point < POINTS; point++)
		if (router->hook_count[point] > 0)
			qsort(router->hooks[point], router->hook_count[point], sizeof **router->hooks,
			      compare_hook);
}

struct router *
router_new(struct loop *loop, struct store *store, const struct conf *conf,
	   const struct feature *const *features)
{
	struct router *router = xcalloc(1, sizeof *router);

	router->loop = loop;
	router->store = store;
	router->conf = conf;
	router->domain = xstrdup(conf->host);
	router->queue = queue_new(loop, store, conf, router->domain);
	router->features = features;
	while (features[router->feature_count] != NULL)
		router->feature_count++;
	router->states = xcalloc(router->feature_count + 1, sizeof(void *));
	read_tables(router);
	return router;
}

void
router_free(struct router **router_p)
{
	struct router *router = *router_p;

	*router_p = NULL;
	if (router == NULL)
		return;
	accounts_free(router);
	queue_free(&router->queue);
	for (size_t i = router->feature_count; i-- > 0;)
		if (router->features[i]->free != NULL)
			router->features[i]->free(router->states[i]);
	for (size_t point = 0; point < POINTS; point++)
		free(router->hooks[point]);
	free(router->iq);
	free(router->states);
	free(router->domain);
	free(router);
}

enum verdict
router_run_hooks(struct event *event, enum hook_point point)
{
	const struct router *router = event->router;
	enum verdict verdict;

	for (size_t i = 0; i < router->hook_count[point]; i++) {
		verdict = router->hooks[point][i].hook->fn(event, router->hooks[point][i].state);
		if (verdict != PASS)
			return verdict;
	}
	return PASS;
}

void
router_tell_roster(struct account *account, const char *contact, unsigned before, unsigned after)
{
	const struct router *router = account->router;

	for (size_t i = 0; router != NULL && i < router->feature_count; i++)
		if (router->features[i]->roster_changed != NULL)
			router->features[i]->roster_changed(router->states[i], account, contact, before,
							    after);
}

void
router_peer_up(struct router *router, const char *domain, bool missed)
{
	for (size_t i = 0; i < router->feature_count; i++)
		if (router->features[i]->peer_up != NULL)
			router->features[i]->peer_up(router->states[i], domain, missed);
}

/* ---- back-pressure (design 3.1): at most 8 MiB uncommitted ---- */

/* All sessions, each with a reference: what is done to one may end others. */
static struct session **
sessions_now(struct router *router, size_t *count_r)
{
	struct session **row = xcalloc(router->session_count + 1, sizeof *row);

	*count_r = 0;
	for (struct session *at = router->sessions; at != NULL; at = at->all_next)
		row[(*count_r)++] = session_ref(at);
	return row;
}

static void
let_go_on(struct session *session, void *arg)
{
	(void)arg;
	if (!session->held)
		return;
	session->held = false; /* first: going on may fill the store again */
	stream_hold(session->stream, false);
}

static void
on_room(void *arg)
{
	struct router *router = arg;

	router->waiting_for_room = false;
	router_each_session(router, let_go_on, NULL);
	if (router->transport.room != NULL)
		router->transport.room(router->transport.arg);
}

void
router_check_room(struct router *router, struct session *session)
{
	if (session->held || session->stream == NULL || !store_is_full(router->store))
		return;
	session->held = true;
	stream_hold(session->stream, true);
	router_wait_for_room(router);
}

void
router_wait_for_room(struct router *router)
{
	if (router->waiting_for_room)
		return;
	router->waiting_for_room = true;
	store_on_room(router->store, on_room, router);
}

/* ---- struct stream_owner ---- */

/* RFC 6120 8.1.2.1: absent, its bare or its full JID. Anything else is an attempt to speak for another. */
static bool
from_is_own(struct arena *arena, const struct session *session, const struct xml *stanza)
{
	const char *from = xml_attr(stanza, "from");
	struct jid jid;

	if (from == NULL)
		return true;
	return jid_parse_text(arena, from, &jid) &&
	       (jid_equal(&jid, &session->jid) || (jid_is_bare(&jid) && jid_bare_equal(&jid, &session->jid)));
}

static void
on_stanza(void *arg, struct slot *slot, struct arena *arena, struct xml *stanza)
{
	struct session *session = arg;
	struct event *event;

	if (session->gone || !from_is_own(arena, session, stanza)) {
		session_close(session, STREAM_INVALID_FROM, NULL);
		slot_done(&slot);
		arena_free(&arena);
		return;
	}
	xml_set(arena, stanza, "from", session->text);
	event = event_new(session->router, session, slot, arena, stanza);
	if (dispatch_address(event))
		dispatch(event);
	else
		event_finish(event, event_reject(event, STANZA_JID_MALFORMED, NULL));
}

static bool
on_nonza(void *arg, const struct xml *element)
{
	struct session *session = arg;
	const struct router *router = session->router;

	for (size_t i = 0; i < router->feature_count && !session->gone; i++)
		if (router->features[i]->nonza != NULL &&
		    router->features[i]->nonza(router->states[i], session, element))
			return true;
	return session->gone;
}

static bool
on_unauthenticated(void *arg, struct stream *stream, struct slot *slot, struct arena *arena, struct xml *iq)
{
	struct router *router = arg;
	struct event *event;
	enum verdict verdict = PASS;

	(void)stream;
	if (!iq_valid(iq) || (iq_type(iq) != IQ_GET && iq_type(iq) != IQ_SET))
		return false;
	event = event_new(router, NULL, slot, arena, iq);
	((struct event_body *)event)->unauthenticated = true;
	if (dispatch_address(event) && (event->scope == TO_SELF || event->scope == TO_HOST)) {
		event->scope = TO_HOST;
		event->payload = xml_first(iq);
		for (size_t i = 0; i < router->feature_count && verdict == PASS; i++)
			if (router->features[i]->unauthenticated != NULL)
				verdict = router->features[i]->unauthenticated(event, router->states[i]);
	}
	if (verdict == PASS) {
		event_discard(&event);
		return false;
	}
	if (verdict != LATER)
		event_finish(event, verdict);
	return true;
}

static void
on_features(void *arg, struct arena *arena, struct xml *features, bool ready)
{
	struct router *router = arg;

	for (size_t i = 0; i < router->feature_count; i++)
		if (router->features[i]->stream_features != NULL)
			router->features[i]->stream_features(router->states[i], arena, features, ready);
}

static void
on_inline_features(void *arg, struct arena *arena, struct xml *list)
{
	const struct router *router = arg;

	for (size_t i = 0; i < router->feature_count; i++)
		if (router->features[i]->inline_name != NULL)
			xml_set(arena, xml_add(arena, list, "feature", NULL), "var", router->features[i]->inline_name);
}

static void
on_bind_ahead(void *arg, const char *node, struct arena *arena, struct xml *bound, void (*then)(void *then_arg), void *then_arg)
{
	struct router *router = arg;

	for (size_t i = 0; i < router->feature_count; i++) {
		if (router->features[i]->bind_ahead == NULL)
			continue;
		router->features[i]->bind_ahead(router, node, arena, bound, then, then_arg);
		return;
	}
	then(then_arg);
}

static void
on_inline_ask(void *arg, const struct xml *element)
{
	struct session *session = arg;
	const struct router *router = session->router;

	for (size_t i = 0; !session->gone && i < router->feature_count; i++)
		if (router->features[i]->inline_ask != NULL)
			router->features[i]->inline_ask(router->states[i], session, element);
}

static void
on_acked(void *arg, uint64_t upto)
{
	struct session *session = arg;
	const struct router *router = session->router;

	for (size_t i = 0; !session->gone && i < router->feature_count; i++)
		if (router->features[i]->acked != NULL)
			router->features[i]->acked(router->states[i], session, upto);
}

const struct stream_owner router_stream_owner = {
	.bound = session_bound,
	.inline_features = on_inline_features,
	.bind_ahead = on_bind_ahead,
	.inline_ask = on_inline_ask,
	.stanza = on_stanza,
	.nonza = on_nonza,
	.unauthenticated = on_unauthenticated,
	.features = on_features,
	.closed = session_closed,
	.acked = on_acked,
	.resumed = session_resumed,
	.lost = session_lost,
};

/* ---- what others ask ---- */

void
router_set_transport(struct router *router, const struct transport *transport)
{
	router->transport = *transport;
}

struct loop *
router_loop(struct router *router)
{
	return router->loop;
}

struct store *
router_store(struct router *router)
{
	return router->store;
}

struct queue *
router_queue(struct router *router)
{
	return router->queue;
}

const struct conf *
router_conf(const struct router *router)
{
	return router->conf;
}

void
router_set_conf(struct router *router, const struct conf *conf)
{
	router->conf = conf;
	queue_set_conf(router->queue, conf);
}

const char *
router_domain(const struct router *router)
{
	return router->domain;
}

const struct feature *const *
router_features(const struct router *router)
{
	return router->features;
}

void *
router_state(const struct router *router, const struct feature *feature)
{
	for (size_t i = 0; i < router->feature_count; i++)
		if (router->features[i] == feature)
			return router->states[i];
	return NULL;
}

size_t
router_session_count(const struct router *router)
{
	return router->session_count;
}

void
router_each_session(struct router *router, void (*fn)(struct session *session, void *arg), void *arg)
{
	size_t count;
	struct session **row = sessions_now(router, &count);

	for (size_t i = 0; i < count; i++) {
		if (!row[i]->gone)
			fn(row[i], arg);
		session_unref(&row[i]);
	}
	free(row);
}

bool
router_is_local(const struct router *router, const char *domain)
{
	return strcmp(domain, router->domain) == 0;
}

const char *
router_local_node(const struct router *router, struct arena *arena, const char *bare)
{
	const char *at = strchr(bare, '@');

	return at == NULL || at == bare || !router_is_local(router, at + 1)
		   ? NULL
		   : arena_strndup(arena, bare, (size_t)(at - bare));
}
