/*
 * route/feature.h -- a feature is one file in relay/feature/ and one const struct; the core includes none
 * of them.
 *
 * The tables here are read once at start (router_new): iq handlers become one look-up by (element,
 * namespace), hooks one sorted row a point. disco#info, the capability hash, `lazoctl features` and the
 * stream features are derived from these structs: nothing is announced that is not implemented.
 */
#ifndef RELAY_ROUTE_FEATURE_H
#define RELAY_ROUTE_FEATURE_H

#include <stdbool.h>
#include <stdint.h>

struct arena;
struct event;
struct router;
struct session;
struct account;
struct xml;

enum verdict {
	PASS,     /* not mine, or done with my part: go on */
	HANDLED,  /* decided: commit what the event's transaction holds, then its replies and deliveries leave */
	REJECTED, /* event_reject() has said why; nothing of the transaction is kept */
	LATER,    /* I hold the event and will call event_finish() */
};

/* Whom a stanza addresses, seen from its sender. */
enum scope {
	TO_SELF = 1,     /* no `to`, or the sender's own bare JID */
	TO_HOST = 2,     /* the relay's own domain */
	TO_ACCOUNT = 4,  /* bare JID of another local address (existing or not: event->target tells) */
	TO_RESOURCE = 8, /* full JID at this host */
	TO_REMOTE = 16,  /* another domain */
};
enum { ON_GET = 1, ON_SET = 2 }; /* results and errors never reach handlers: POINT_ANSWER */

/* Handlers see a valid iq (proto/stanza.h iq_valid) whose payload is (name, ns). For TO_ACCOUNT the relay
 * answers on the account's behalf (RFC 6121 8.5.1). */
struct iq_handler {
	const char *name, *ns; /* name NULL ends the table */
	unsigned types;        /* ON_GET | ON_SET */
	unsigned scopes;       /* enum scope bits */
	enum verdict (*fn)(struct event *event, void *state);
};

/* Where hooks run. Order within a point: enum hook_order, then the feature table. */
enum hook_point {
	POINT_NONE,
	/* A message or presence of a local session, before routing, or an iq of any type to another account or domain;
	 * event->sender is set. */
	POINT_SEND,
	POINT_HOST,      /* a message of a local session to the relay's own address; PASS: service-unavailable */
	/* Towards an existing local account (event->target): */
	POINT_MESSAGE,   /* a message: rows are added and copies planned */
	POINT_PRESENCE,  /* presence, also subscriptions, probes, errors */
	POINT_IQ_IN,     /* an iq of any type from another, before anything else: guards only */
	POINT_IQ,        /* an iq get or set for another resource that is connected: guards only */
	/* An iq result or error of a local session to the host or its own bare JID: answers what the relay asked it. The asker
	 * compares id and session and returns HANDLED; what nobody asked for goes no further (RFC 6120 8.2.3). */
	POINT_ANSWER,
	POINT_ANSWER_FAR, /* the same to the host or a bare JID, when no local session sent it: from elsewhere, or our own word */
	/* Of a session (event->origin). The first two come in the after-phase of its presence:
	 * event_send, event_after and router_send work, event_add does not (there is no transaction any
	 * more). stanza: the presence. */
	POINT_AVAILABLE,   /* initial presence is in the registry (or priority rose from negative) */
	POINT_UNAVAILABLE, /* went unavailable or is closing; still marked available */
	POINT_CLOSED,      /* is gone (its stream is NULL): free what hangs on it */
	POINTS
};
enum hook_order { ORDER_GUARD, ORDER_ARCHIVE, ORDER_COPY, ORDER_DELIVER };

struct hook {
	enum hook_point point; /* POINT_NONE ends the table */
	enum hook_order order;
	enum verdict (*fn)(struct event *event, void *state);
};

struct feature {
	const char *name;
	const char *spec;               /* "XEP-0199 2.0.1" */
	const char *const *disco;       /* features of the host, NULL-terminated, or NULL */
	const char *const *disco_account; /* features of an account's bare JID, likewise */
	/* More of the host's disco#info: what depends on the configuration, forms (XEP-0128). */
	void (*disco_more)(void *state, struct arena *arena, struct xml *query);
	const struct iq_handler *iq;
	const struct hook *hooks;
	void *(*init)(struct router *router);       /* its state; NULL: none */
	void (*free)(void *state);
	/* Stream features; ready false: before authentication. */
	void (*stream_features)(void *state, struct arena *arena, struct xml *features, bool ready);
	/* What a client may ask for together with its resource (XEP-0386): the name announced, NULL: nothing; and a child of <bind/>
	 * that may be it. */
	const char *inline_name;
	void (*inline_ask)(void *state, struct session *session, const struct xml *element);
	/* What of the account is told with <bound/>: add to it, then call `then`, perhaps at once. One feature has this. */
	void (*bind_ahead)(struct router *router, const char *node, struct arena *arena, struct xml *bound, void (*then)(void *then_arg),
	    void *then_arg);
	/* An iq before authentication (in-band registration); as struct stream_owner's. event->origin is
	 * NULL, event->slot set. */
	enum verdict (*unauthenticated)(struct event *event, void *state);
	/* A first-level element that is no stanza, of a session. False: not mine. Comes before what is behind it on the
	 * stream and, in no order, among what is ahead of it. */
	bool (*nonza)(void *state, struct session *session, const struct xml *element);
	/* A session's client has handled the first `upto` stanzas that it was sent under stream management
	 * (stream.h); also when that is not news. */
	void (*acked)(void *state, struct session *session, uint64_t upto);
	/* A session goes on with another stream; its client has handled the first `upto` of the former numbers. */
	void (*resumed)(void *state, struct session *session, uint64_t upto);
	/* Something about an account changed and is committed: a contact's subscription (contact bare JID
	 * text, flags before and after). */
	void (*roster_changed)(void *state, struct account *account, const char *contact, unsigned before, unsigned after);
	/* A stream with the relay of that domain has begun; missed: what was sent to it before may not have come. */
	void (*peer_up)(void *state, const char *domain, bool missed);
};

extern const struct feature *const feature_table[]; /* relay/feature/feature_table.c; NULL-terminated */

#endif
