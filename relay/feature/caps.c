/*
 * feature/caps.c -- entity capabilities (XEP-0115 1.6.0): the relay's own in its stream features, its
 * clients' in a bounded cache.
 *
 * A client's presence names a hash of what it supports. The first session that brings an unknown hash is
 * asked once (disco#info); its answer counts for all others only when it hashes to that value, else for this
 * session alone (section 8.2: nobody can speak for another client). An answer is matched by its 128-bit id
 * and by the session that was asked. Promises: at most one question outstanding a hash; entries without
 * sessions are kept, least recently used go first, at most CAPS_IDLE_MAX. Never: waits for an answer; a
 * client that does not answer is simply sent no notifications.
 */
#include "config.h"

#include "relay/feature/caps.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/arena.h"
#include "proto/digest.h"
#include "proto/mem.h"
#include "proto/ns.h"
#include "proto/stanza.h"
#include "proto/xml.h"
#include "relay/conf.h"
#include "relay/feature/caps-private.h"
#include "relay/feature/caps_announcement.h"
#include "relay/feature/caps_far.h"
#include "relay/feature/caps_hash.h"
#include "relay/feature/caps_set.h"
#include "relay/feature/disco.h"
#include "relay/feature/feature_table.h"
#include "relay/feature/pubsub.h"
#include "relay/net/clock.h"
#include "relay/net/loop.h"
#include "relay/route/event.h"
#include "relay/route/router.h"
#include "relay/route/session.h"

#define OWN_NODE "urn:lazo:relay"

enum {
	ANSWER_WITHIN = 10000, /* ms before another session of the same version is asked */
};

struct caps {
	struct router *router;
	struct timer *timer;
	bool waiting; /* the timer runs */
	struct caps_cache cache;
	char own[CAPS_HASH_MAX]; /* "": not computed yet */
	char *own_conf;          /* what of the configuration it was computed for */
};

static struct caps *
caps_state(const struct router *router)
{
	return router_state(router, &feature_caps);
}

struct caps_cache *
caps_cache_of(const struct router *router)
{
	return &caps_state(router)->cache;
}

static void
session_set_key(struct caps *caps, struct session *session, struct caps_entry *entry)
{
	struct caps_entry *old = session->caps != NULL ? caps_cache_find(&caps->cache, session->caps) : NULL;

	free(session->caps);
	session->caps = entry != NULL ? xstrdup(entry->key) : NULL;
	if (old != NULL)
		caps_cache_release(&caps->cache, old);
}

struct caps_set *
caps_of(const struct session *session)
{
	struct caps_entry *entry = session->caps != NULL
				       ? caps_cache_find(&caps_state(session->router)->cache, session->caps)
				       : NULL;

	return entry != NULL ? entry->set : NULL;
}

/* Questions. */

/* The timer runs whenever a question is outstanding, and is not moved by the next one. */
static void
ask(struct caps *caps, struct caps_entry *entry, struct session *session)
{
	struct arena *arena = arena_new();
	struct xml *iq, *query;

	random_id(entry->id);
	free(entry->asked);
	entry->asked = xstrdup(session->text);
	entry->due = now_mono() + ANSWER_WITHIN;
	iq = stanza_new(arena, "iq", router_domain(caps->router), session->text, "get", entry->id);
	query = xml_add(arena, iq, "query", NS_DISCO_INFO);
	xml_set(arena, query, "node", entry->node_ver);
	session_send(session, iq);
	arena_free(&arena);
	if (!caps->waiting)
		timer_set(caps->timer, ANSWER_WITHIN);
	caps->waiting = true;
}

struct search {
	const char *key, *text; /* text NULL: any session */
	struct session *found;
};

static void
consider(struct session *session, void *arg)
{
	struct search *search = arg;

	if (session->caps != NULL && strcmp(session->caps, search->key) == 0 &&
	    (search->text == NULL || strcmp(session->text, search->text) == 0))
		search->found = session;
}

/* Whoever was asked announces the entry no longer, so that each session has its turn once. */
static void
ask_next(struct caps *caps, struct caps_entry *entry)
{
	struct search search = { .key = entry->key };

	entry->id[0] = '\0';
	router_each_session(caps->router, consider, &search);
	if (search.found != NULL)
		ask(caps, entry, search.found);
}

/* From now on the session has an entry of its own. */
static struct caps_entry *
set_apart(struct caps *caps, struct caps_entry *entry, struct session *session)
{
	char *key = xasprintf("\n%s\n%s", session->text, entry->node_ver);
	struct caps_entry *own = caps_cache_take(&caps->cache, key, entry->node_ver);

	free(key);
	session_set_key(caps, session, own);
	return own;
}

struct overdue {
	struct caps_entry **entries;
	size_t count;
	bool waiting; /* some are not due yet */
};

static void
collect_overdue(struct caps_entry *entry, void *arg)
{
	struct overdue *overdue = arg;

	if (entry->id[0] == '\0' || entry->set != NULL || !caps_entry_is_shared(entry))
		return;
	if (entry->due > now_mono()) {
		overdue->waiting = true;
		return;
	}
	overdue->entries = xrealloc(overdue->entries, (overdue->count + 1) * sizeof overdue->entries[0]);
	overdue->entries[overdue->count++] = entry;
	entry->refs++;
}

/* A late answer counts for its sender alone; the next one that announces the same is asked. */
static void
give_up(struct caps *caps, struct caps_entry *entry)
{
	struct search search = { .key = entry->key, .text = entry->asked };

	router_each_session(caps->router, consider, &search);
	if (search.found != NULL) {
		struct caps_entry *own = set_apart(caps, entry, search.found);
		memcpy(own->id, entry->id, sizeof own->id);
		free(own->asked);
		own->asked = xstrdup(entry->asked);
	}
	ask_next(caps, entry);
	caps_cache_release(&caps->cache, entry);
}

static void
caps_overdue(void *arg)
{
	struct caps *caps = arg;
	struct overdue overdue = { .count = 0 };

	caps->waiting = false;
	caps_cache_each(&caps->cache, collect_overdue, &overdue);
	for (size_t i = 0; i < overdue.count; i++)
		give_up(caps, overdue.entries[i]);
	free(overdue.entries);
	if (overdue.waiting && !caps->waiting) {
		caps->waiting = true;
		timer_set(caps->timer, ANSWER_WITHIN / 4);
	}
}

struct greeting {
	const char *key;
};

static void
greet(struct session *session, void *arg)
{
	const struct greeting *greeting = arg;

	if (session->available && session->caps != NULL && strcmp(session->caps, greeting->key) == 0)
		pubsub_greet(session, NULL);
}

void
caps_entry_learn(struct router *router, struct caps_entry *entry, const struct xml *query)
{
	struct greeting greeting = { .key = entry->key };

	entry->refs++; /* greeting may end sessions */
	entry->set = caps_set_new(query);
	entry->id[0] = '\0';
	router_each_session(router, greet, &greeting);
	caps_far_learned(router, entry);
	caps_cache_release(caps_cache_of(router), entry);
}

/* The answer did not hash to what was announced: it counts for its sender alone. */
static void
learn_private(struct caps *caps, struct caps_entry *entry, struct session *session, const struct xml *query)
{
	struct caps_entry *own;

	entry->refs++; /* so that setting the session apart cannot free it */
	own = set_apart(caps, entry, session);
	if (own->set == NULL)
		own->set = caps_set_new(query);
	ask_next(caps, entry);
	caps_cache_release(&caps->cache, entry);
	if (session->available)
		pubsub_greet(session, NULL);
}

static enum verdict
caps_answer(struct event *event, void *state)
{
	struct caps *caps = state;
	struct session *session = event->origin;
	const char *id = xml_attr(event->stanza, "id");
	struct caps_entry *entry;
	const struct xml *query;

	if (session == NULL || session->caps == NULL || id == NULL)
		return PASS;
	entry = caps_cache_find(&caps->cache, session->caps);
	if (entry == NULL || entry->set != NULL || strcmp(entry->id, id) != 0 ||
	    strcmp(entry->asked, session->text) != 0)
		return PASS;
	query = iq_type(event->stanza) == IQ_RESULT ? xml_find(event->stanza, "query", NS_DISCO_INFO) : NULL;
	if (query != NULL &&
	    (!caps_entry_is_shared(entry) || caps_key_verified(event->arena, entry->key, query))) {
		caps_entry_learn(caps->router, entry, query);
	} else if (!caps_entry_is_shared(entry)) {
		entry->set = caps_set_new(NULL);
	} else {
		learn_private(caps, entry, session, query);
	}
	return HANDLED;
}

/* Announcements. */

struct change {             /* in the event's arena */
	const char *before; /* key that the session had; NULL: none */
	bool available;     /* it was available already, so that POINT_AVAILABLE does not come */
};

static void
announced(struct event *event, void *arg)
{
	struct caps *caps = caps_state(event->router);
	const struct change *change = arg;
	struct session *session = event->origin;
	struct caps_entry *entry =
	    session != NULL && session->caps != NULL ? caps_cache_find(&caps->cache, session->caps) : NULL;
	struct caps_entry *before =
	    change->before != NULL ? caps_cache_find(&caps->cache, change->before) : NULL;

	if (entry != NULL && entry->set == NULL && entry->id[0] == '\0')
		ask(caps, entry, session);
	else if (entry != NULL && entry->set != NULL && change->available && session->available)
		pubsub_greet(session, before != NULL ? before->set : NULL);
}

static void
announce(struct caps *caps, struct event *event, struct session *session,
	 const struct caps_announcement *said)
{
	struct change *change = arena_alloc(event->arena, sizeof *change);

	change->before = session->caps != NULL ? arena_strdup(event->arena, session->caps) : NULL;
	change->available = session->available;
	session_set_key(caps, session, caps_cache_take(&caps->cache, said->key, said->node_ver));
	event_after(event, announced, change);
}

/* A presence without <c/> changes nothing: some clients send it only with the first. */
static enum verdict
caps_presence(struct event *event, void *state)
{
	struct session *session = event->origin;
	struct caps_announcement said;
	const struct xml *c;

	if (session == NULL || event->kind != STANZA_PRESENCE || event->to.domain != NULL ||
	    presence_type(event->stanza) != PRESENCE_AVAILABLE)
		return PASS;
	c = xml_find(event->stanza, "c", NS_CAPS);
	if (c == NULL || !caps_announcement_read(event->arena, session->text, c, &said))
		return PASS;
	if (session->caps == NULL ||
	    (strcmp(session->caps, said.key) != 0 && strcmp(session->caps, said.own) != 0))
		announce(state, event, session, &said);
	return PASS;
}

static enum verdict
caps_gone(struct event *event, void *state)
{
	struct caps *caps = state;
	struct session *session = event->origin;
	struct caps_entry *entry =
	    session->caps != NULL ? caps_cache_find(&caps->cache, session->caps) : NULL;

	if (entry != NULL && entry->id[0] != '\0' && strcmp(entry->asked, session->text) == 0) {
		entry->refs++;
		session_set_key(caps, session, NULL);
		ask_next(caps, entry);
		caps_cache_release(&caps->cache, entry);
	} else {
		session_set_key(caps, session, NULL);
	}
	return PASS;
}

/* The relay's own. */

static const char *
own_ver(struct caps *caps)
{
	const struct conf *conf = router_conf(caps->router);
	struct arena *arena = arena_new();
	const char *now = arena_printf(arena, "%d %s", conf->calls_services.count > 0, conf->contact);

	if (caps->own_conf == NULL || strcmp(caps->own_conf, now) != 0) { /* SIGHUP may have changed it */
		struct xml *query = xml_new(arena, "query", NS_DISCO_INFO);
		free(caps->own_conf);
		caps->own_conf = xstrdup(now);
		disco_host_info(caps->router, arena, query);
		caps_hash(arena, query, DIGEST_SHA1, caps->own);
	}
	arena_free(&arena);
	return caps->own;
}

bool
caps_is_own_node(struct router *router, const char *node)
{
	size_t len = sizeof OWN_NODE - 1;

	return strncmp(node, OWN_NODE, len) == 0 && node[len] == '#' &&
	       strcmp(node + len + 1, own_ver(caps_state(router))) == 0;
}

static void
caps_stream_features(void *state, struct arena *arena, struct xml *features, bool ready)
{
	struct xml *c;

	if (!ready)
		return; /* strangers learn nothing before they authenticate */
	c = xml_add(arena, features, "c", NS_CAPS);
	xml_set(arena, c, "hash", "sha-1");
	xml_set(arena, c, "node", OWN_NODE);
	xml_set(arena, c, "ver", own_ver(state));
}

static void *
caps_init(struct router *router)
{
	struct caps *caps = xcalloc(1, sizeof *caps);

	caps->router = router;
	caps->timer = timer_new(router_loop(router), caps_overdue, caps);
	return caps;
}

static void
caps_free(void *state)
{
	struct caps *caps = state;

	caps_cache_clear(&caps->cache);
	timer_free(&caps->timer);
	free(caps->own_conf);
	free(caps);
}

static const char *const disco[] = { NS_CAPS, NULL };

static const struct hook hooks[] = {
	{ .point = POINT_SEND, .order = ORDER_COPY, .fn = caps_presence },
	{ .point = POINT_UNAVAILABLE, .order = ORDER_COPY, .fn = caps_gone },
	{ .point = POINT_CLOSED, .order = ORDER_COPY, .fn = caps_gone },
	{ .point = POINT_ANSWER, .order = ORDER_COPY, .fn = caps_answer },
	{ .point = POINT_NONE },
};

const struct feature feature_caps = {
	.name = "caps",
	.spec = "XEP-0115 1.6.0",
	.disco = disco,
	.hooks = hooks,
	.init = caps_init,
	.free = caps_free,
	.stream_features = caps_stream_features,
};
