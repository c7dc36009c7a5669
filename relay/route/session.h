/*
 * route/session.h -- one bound resource: what it said (presence, capabilities) and the stream it is on.
 */
#ifndef RELAY_ROUTE_SESSION_H
#define RELAY_ROUTE_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/error.h"
#include "proto/jid.h"
#include "relay/log.h"

struct account;
struct arena;
struct caps_set;
struct event_body;
struct quiet;
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
	bool blocking;           /* asked for the block list: gets pushes (XEP-0191 3.3) */
	bool carbons;            /* wants copies (XEP-0280) */
	bool is_quiet;           /* nobody looks at it (XEP-0352) */
	bool hears_custody;      /* wants to know where its messages are (feature/custody.c) */
	char *presence;          /* last available presence as sent by the client, XML with from stamped; NULL */
	int64_t presence_time;   /* ms wall: when it was said */
	char *caps;              /* key of its capabilities (XEP-0115), set by feature/caps.c, owned; NULL: none */
	struct mailbox *mailbox; /* feature/mailbox.c: what was delivered and not yet confirmed */
	struct quiet *quiet;     /* route/quiet.c: what is held while nobody looks; NULL: nothing */
	struct directed *directed; /* feature/presence.c: whom it sent directed presence */
	int64_t since;           /* ms wall */

	/* session.c's and event.c's own. */
	struct session *all_prev, *all_next; /* of the router */
	struct event_body *oldest, *newest;  /* its stanzas not yet handled */
	unsigned refs;
	bool held;               /* not read from while the store is full */
	bool gone;               /* stream NULL, not in the account's list; memory stays while referenced */
};

enum {
	SESSION_MOST = 20,                 /* of one account */
	SESSION_QUEUED_MOST = 1024 * 1024, /* bytes that the peer does not take */
};

/* A session that somebody else remembers: valid until unref, perhaps gone. */
struct session *session_ref(struct session *session);
void session_unref(struct session **session);

/* Write now; for use in after-functions (event.h) and for what needs no transaction. Nothing when it is
 * gone. A peer that lets more than SESSION_QUEUED_MOST bytes lie is closed (resource-constraint). */
void session_send(struct session *session, const struct xml *stanza);
void session_send_bytes(struct session *session, const char *bytes, size_t len); /* as stream_send_bytes */
/* The same of a mailbox row, which can be read again (stream_send_row). */
void session_send_row(struct session *session, const char *bytes, size_t len);
/* Ends it: a stream error, unavailable presence to all who saw it. At once out of the account's list. */
void session_close(struct session *session, enum stream_error error, const char *text);
/* Eligible for a message to the bare JID (RFC 6121 8.5.2.1.1): available with priority not negative. */
bool session_is_eligible(const struct session *session);
/* The account's sessions at this moment into row, each with a reference (session_unref): sending may
 * close any of them. How many. */
size_t session_row(struct account *account, struct session *row[static SESSION_MOST]);
/* Calls fn for each eligible session. fn may close sessions. */
void session_each(struct account *account, void (*fn)(struct session *session, void *arg), void *arg);
struct session *session_find(struct account *account, const char *resource);

#endif
