/*
 * route/session.h -- one bound resource: what it said (presence, capabilities) and the stream it is on.
 */
#ifndef RELAY_ROUTE_SESSION_H
#define RELAY_ROUTE_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/jid.h"
#include "relay/log.h"

struct account;
struct arena;
struct caps_set;
struct router;
struct stream;
struct xml;

struct session {
	struct session *next; /* of the same account */
	struct router *router;
	struct account *account; /* a reference is held */
	struct stream *stream;
	struct jid jid;          /* full; strings owned by the session */
	char *text;              /* the same as text */
	struct log log;
	bool available;          /* sent initial presence */
	bool interested;         /* asked for the roster: gets pushes (RFC 6121 2.1.6) */
	int priority;
	char *presence;          /* last available presence as sent by the client, XML with from stamped; NULL */
	char *caps;              /* key of its capabilities (XEP-0115), set by feature/caps.c, owned; NULL: none */
	struct mailbox *mailbox; /* feature/mailbox.c: what was delivered and not yet confirmed */
	struct directed *directed; /* feature/presence.c: whom it sent directed presence */
	int64_t since;           /* ms wall */
};

/* Write now; for use in after-functions (event.h) and for what needs no transaction. */
void session_send(struct session *session, const struct xml *stanza);
/* Best sessions for a message to the bare JID: RFC 6121 8.5.2.1.1. Non-negative priority only; calls fn for each available one. */
void session_each(struct account *account, void (*fn)(struct session *session, void *arg), void *arg);
struct session *session_find(struct account *account, const char *resource);

#endif
