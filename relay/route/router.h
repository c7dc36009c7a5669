/*
 * route/router.h -- decides where a stanza goes (RFC 6120 section 10, RFC 6121 section 8) and runs handlers
 * and hooks in their order.
 *
 * Is the struct stream_owner of all client streams. Loads the accounts a stanza needs before any handler
 * sees it, keeps each stream's order, pauses streams while the store is full.
 */
#ifndef RELAY_ROUTE_ROUTER_H
#define RELAY_ROUTE_ROUTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/jid.h"
#include "relay/route/feature.h"
#include "relay/stream/stream.h"

struct account;
struct arena;
struct conf;
struct event;
struct feature;
struct loop;
struct queue;
struct router;
struct session;
struct slot;
struct store;
struct xml;

/* Where stanzas for other domains go: handed down by the floor above (relay/peer). deliver ends with
 * event_finish(). Until one is set: remote-server-not-found for what wants an answer, silence for
 * presence. */
struct transport {
	void (*deliver)(void *arg, struct event *event);
	void (*room)(void *arg); /* the store has room again: router_wait_for_room(). NULL: not wanted */
	void *arg;
};

struct router *router_new(struct loop *loop, struct store *store, const struct conf *conf,
    const struct feature *const *features);
void router_set_transport(struct router *router, const struct transport *transport); /* copied */
/* After all streams are gone. What the store still owes an answer for is let go without one. */
void router_free(struct router **router);
extern const struct stream_owner router_stream_owner; /* arg: the router */

struct loop *router_loop(struct router *router);
struct store *router_store(struct router *router);
struct queue *router_queue(struct router *router); /* what is held for other domains; the router's */
const struct conf *router_conf(const struct router *router);
void router_set_conf(struct router *router, const struct conf *conf); /* SIGHUP */
const char *router_domain(const struct router *router);
const struct feature *const *router_features(const struct router *router);
/* The state that this feature's init returned. */
void *router_state(const struct router *router, const struct feature *feature);
size_t router_session_count(const struct router *router);
void router_each_session(struct router *router, void (*fn)(struct session *session, void *arg), void *arg);

/* Is this domain (canonical) the relay's own? The bare JID text's node when it is a local account's, else
 * NULL (arena). */
bool router_is_local(const struct router *router, const char *domain);
const char *router_local_node(const struct router *router, struct arena *arena, const char *bare);
/* Runs the hooks of a point in their order until one does not say PASS. */
enum verdict router_run_hooks(struct event *event, enum hook_point point);

/* A stanza of another relay's user (namespace jabber:client, `from` and `to` canonical texts), of whose domain the caller knows that it
 * may speak. The arena becomes the event's. The slot is handled when all is durable. Answers go out as any stanza to
 * another domain. */
void router_receive(struct router *router, struct slot *slot, struct arena *arena, struct xml *stanza);
/* The transport has a new stream with the relay of that domain (canonical); missed: of what it was given to send there (presence is
 * given up in silence) something may be lost. */
void router_peer_up(struct router *router, const char *domain, bool missed);
/* Call the transport's `room` when the store has room again. */
void router_wait_for_room(struct router *router);

/* A stanza made by the relay or by a feature on behalf of an account (subscription replies, PEP
 * notifications, errors, probes): routed as if received from `from`. The tree is copied. Has a
 * transaction of its own. */
void router_send(struct router *router, const struct xml *stanza);
/* The same within an event: its rows join the event's transaction and the sending happens after its
 * commit. */
void router_send_with(struct event *event, const struct xml *stanza);

/* The database was changed by a tool, or an account is gone: forget what is resident; close its sessions
 * when deleted. */
void router_account_changed(struct router *router, const char *node, bool deleted);

#endif
