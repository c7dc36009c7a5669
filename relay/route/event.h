/*
 * route/event.h -- one stanza on its way through the relay, with the one transaction of all that it
 * changes.
 *
 * Life: made by the session for a received stanza (or by a feature for one the relay sends itself), decided
 * by handlers and hooks, finished once. Finishing submits the transaction; when it is committed (or at once
 * when it is empty) and all earlier stanzas of the same stream are handled, its `after` functions run in
 * the order they were added: replies, pushes, deliveries. Nothing is sent before. On TXN_FULL the origin
 * gets resource-constraint (wait), on TXN_OVER too, on TXN_CONFLICT conflict, on TXN_FAILED internal-server-error; what came from another
 * relay stays in its custody instead, on TXN_FULL and TXN_FAILED, and its stream ends. The
 * resident accounts that the event had changed are read again from the database.
 */
#ifndef RELAY_ROUTE_EVENT_H
#define RELAY_ROUTE_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/error.h"
#include "proto/jid.h"
#include "proto/stanza.h"
#include "relay/route/feature.h"

struct arena;
struct op;
struct slot;
struct txn;

struct event {
	struct router *router;
	struct session *origin;   /* NULL: unauthenticated stream, another relay, or the relay itself; nulled when the session closes */
	bool foreign;             /* from another relay's user, or what we send in answer: nobody here, and not trusted */
	struct account *sender;   /* origin's account; a reference is held */
	struct account *target;   /* the local account addressed (also for TO_SELF); NULL: none or no such. A reference is held */
	enum scope scope;
	enum stanza_kind kind;
	struct jid from, to;      /* from: full JID of the origin; to.domain NULL when there was no `to` */
	struct arena *arena;
	struct xml *stanza;       /* `from` stamped; arena's */
	struct xml *payload;      /* iq get/set: its one child element */
	int64_t time;             /* ms wall: received */
	struct txn *txn;          /* made at the first event_add */
	struct slot *slot;        /* NULL for stanzas of the relay itself */
	int64_t message_id;       /* of the message row in the transaction, or that will be in it; 0: none */
	const char *message_body; /* as stored (arena); NULL: not yet in the transaction. See feature/message.h */
	size_t message_len;
};

/* Add to the transaction. */
void event_add(struct event *event, const struct op *op);

/* Answer the origin when handled. The tree may live in the event's arena; it is copied. */
void event_reply(struct event *event, const struct xml *stanza);
void event_reply_result(struct event *event);                        /* empty result */
struct xml *event_result(struct event *event);                       /* a result to be filled; pass it to event_reply */
void event_reply_error(struct event *event, enum stanza_error error, const char *text);
/* Refuse: an error reply (unless the stanza is one) and nothing kept. Returns REJECTED, so that handlers
 * can `return event_reject(...)`. */
enum verdict event_reject(struct event *event, enum stanza_error error, const char *text);
/* As event_reject with an application-specific condition (XEP-0060's <precondition-not-met/>): child
 * element name and namespace. */
enum verdict event_reject_with(struct event *event, enum stanza_error error, const char *name, const char *ns, const char *text);

/* Run fn after commit, in order. Data in the event's arena is valid in fn. */
void event_after(struct event *event, void (*fn)(struct event *event, void *arg), void *arg);
/* Run fn instead of the after-functions when nothing of the event is kept: takes back what memory counted. */
void event_undo(struct event *event, void (*fn)(struct event *event, void *arg), void *arg);
/* Send to a session after commit; skipped when it has gone. Copied at once. */
void event_send(struct event *event, struct session *to, const struct xml *stanza);
/* A condition of the transaction that does not hold (TXN_CONFLICT) means that this stanza was here
 * before: handled in silence. */
void event_once(struct event *event);
/* Run fn when every earlier stanza of this stream has been handled (reads that must see earlier writes);
 * the handler returns LATER. */
void event_when_first(struct event *event, void (*fn)(struct event *event, void *arg), void *arg);

/* LATER's end. */
void event_finish(struct event *event, enum verdict verdict);

#endif
