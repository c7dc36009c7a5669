/*
 * store/status.h -- where each message of our users is (proto/spec/custody.md): questions, answered like those
 * of read.h.
 *
 * A record is made by OP_STATUS_NEW and moves on by OP_STATUS_RECEIVED and OP_STATUS_DISPLAYED, and by the
 * OP_PENDING_CLEAR or OP_STATUS_DELIVERED of its message. Each change gives it the next number of its account, by which
 * a client asks for what is new: what changes while it pages comes again behind its page.
 */
#ifndef RELAY_STORE_STATUS_H
#define RELAY_STORE_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "relay/store/spool.h"

struct store;

struct status_row {
	int64_t id, change;
	const char *node;   /* whose message it is */
	const char *to;     /* bare JID text */
	const char *origin; /* the sender's own name for it; NULL: none */
	int64_t accepted, delivered, displayed; /* ms; 0: not yet, as far as may be told */
	int64_t held;              /* since when; 0: it is not, or was not yet tried in vain. Only then: */
	int64_t until, tries, next;
	const char *held_reason;   /* NULL: not known */
	int64_t handed;            /* to the other relay */
	enum spool_how how;
	int64_t ended;             /* for good */
	const char *reason;        /* "expired", else the condition of the error */
};
typedef void read_status_fn(void *arg, bool failed, const struct status_row *rows, size_t count);

/* Of this account those beyond `accepted`, in order of change behind `change`; at most limit. */
void read_status_since(struct store *store, const char *node, int64_t change, size_t limit, read_status_fn *fn, void *arg);
/* Of this account, the newest message that it called so: 0 or 1 row. */
void read_status_origin(struct store *store, const char *node, const char *origin, read_status_fn *fn, void *arg);
/* What OP_STATUS_HELD of this domain, id and time has changed. */
void read_status_held(struct store *store, const char *domain, int64_t id, int64_t time, read_status_fn *fn, void *arg);
/* Of anybody, those of these messages that have a record. */
void read_status_of(struct store *store, const int64_t *ids, size_t count, read_status_fn *fn, void *arg);

#endif
