/*
 * route/route-private.h -- what the files of route/ need of each other; nothing above includes this.
 */
#ifndef RELAY_ROUTE_ROUTE_PRIVATE_H
#define RELAY_ROUTE_ROUTE_PRIVATE_H

#include "relay/route/account.h"
#include "relay/route/event.h"
#include "relay/route/feature.h"
#include "relay/route/router.h"
#include "relay/route/session.h"

struct waiter;

struct iq_row {
	const struct iq_handler *handler;
	void *state;
	size_t order; /* place in the feature table */
};
struct hook_row {
	const struct hook *hook;
	void *state;
	size_t order;
};

struct router {
	struct loop *loop;
	struct store *store;
	const struct conf *conf;
	char *domain;
	const struct feature *const *features;
	void **states; /* beside features */
	size_t feature_count;
	struct iq_row *iq; /* sorted by (name, namespace), then order */
	size_t iq_count;
	struct hook_row *hooks[POINTS]; /* sorted by hook order, then feature order */
	size_t hook_count[POINTS];
	struct transport transport;
	struct queue *queue;
	void *accounts; /* tsearch tree of struct account_body by node: no hash to flood */
	struct account_body *idle_first, *idle_last; /* unreferenced; the first goes first */
	size_t idle_count;
	struct session *sessions;
	size_t session_count;
	struct event_body *events;
	bool waiting_for_room;
};

/* ---- account.c ---- */
struct account_body {
	struct account account; /* first */
	struct waiter *waiters, **waiters_end;
	struct account_body *idle_prev, *idle_next;
	bool idle, loaded, absent, reading;
	unsigned writing; /* events that changed it and are not yet committed or failed */
	struct roster_item *items; /* sorted by contact */
	size_t item_count, item_room;
	struct pubsub_node **nodes;
	size_t node_count, node_room;
};

enum { ACCOUNTS_IDLE_MOST = 1000 };

/* The object whether loaded or not; a reference is given. Used by binding, which cannot wait. */
struct account *account_open(struct router *router, const char *node);
bool account_is_ready(const struct account *account);  /* loaded, and not to be read again */
bool account_is_loaded(const struct account *account); /* something usable is in memory */
bool account_is_absent(const struct account *account); /* read, and there is no such account */
/* The event that changed it has been committed or not. */
void account_written(struct account *account, bool failed);
void account_reload(struct account *account);
void accounts_free(struct router *router);
/* account_data.c */
void account_data_free(struct account_body *body);
struct account_view;
void account_blocks_free(struct account *account);
void account_blocks_fill(struct account *account, const struct account_view *view);
void account_data_fill(struct account_body *body, const struct account_view *view);

/* ---- event.c ---- */
enum event_state { EVENT_OPEN, EVENT_DECIDED, EVENT_SUBMITTED, EVENT_RUNNING };
struct after;
struct touched;
struct event_body {
	struct event event; /* first */
	struct event_body *parent;         /* whose transaction and after-functions are used; NULL: own ones */
	struct event_body *children, *sibling;
	struct event_body *prev, *next;    /* of the router */
	struct event_body *older, *newer;  /* of the session, in order of arrival */
	struct session *session;           /* in whose row it is; NULL: none */
	enum event_state state;
	enum verdict verdict;
	unsigned holds;                    /* children not yet decided */
	bool unauthenticated, in_submit, committed_early;
	bool target_known, written;
	bool once;                         /* a conflict is a repetition: silence */
	int result;                        /* enum txn_result, when committed_early */
	struct after *afters, **afters_end;
	struct after *undos;
	struct touched *touched;
	const struct xml *error;           /* what REJECTED answers; NULL: nothing */
	void (*first_fn)(struct event *event, void *arg); /* event_when_first */
	void *first_arg;
};

/* An event for a stanza. The arena becomes the event's (not a child's). origin and slot may be NULL. */
struct event *event_new(struct router *router, struct session *origin, struct slot *slot, struct arena *arena,
    struct xml *stanza);
struct event *event_new_child(struct event *parent, struct xml *stanza);
void event_discard(struct event **event); /* unauthenticated and not taken: slot and arena stay the caller's */
/* This event's transaction changes that account. */
void event_touch(struct event *event, struct account *account);
void event_leave_session(struct session *session); /* it is gone: its events go on without origin */
void events_free(struct router *router);
/* event_reply.c: of the after-functions, those that are its own. */
typedef void event_after_fn(struct event *event, void *arg);
void event_reply_to_slot(event_after_fn *fn, void *arg, struct slot *slot); /* before authentication */
void event_reply_drop(event_after_fn *fn, void *arg);                       /* it will not be sent */

/* ---- dispatch.c ---- */
/* From, to and scope are set: bring the accounts into memory, then decide. */
void dispatch(struct event *event);
bool dispatch_address(struct event *event); /* fill to and scope from the stanza; false: `to` is no address */

/* ---- session.c ---- */
void *session_bound(void *arg, struct stream *stream, struct arena *arena, const char *node,
    const char *resource, const char **resource_r, enum stanza_error *error_r);
void session_closed(void *session);
void session_resumed(void *session, struct stream *stream, uint64_t upto);
void session_lost(void *session, const char *bytes, size_t len);

/* ---- router.c ---- */
/* Hold its stream while the store is full. */
void router_check_room(struct router *router, struct session *session);
void router_tell_roster(struct account *account, const char *contact, unsigned before, unsigned after);

#endif
