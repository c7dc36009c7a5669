/*
 * store/far.h -- the last known public items of contacts at other relays, one a node (feature/keys.c): operations and the question.
 *
 * OP_FAR_SET, OP_FAR_KEEP and OP_FAR_TIDY are described in txn.h. Rows belong to a contact, not to an account: what one subscriber's
 * asking brought serves all, and goes with the last of them.
 */
#ifndef RELAY_STORE_FAR_H
#define RELAY_STORE_FAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

struct far_row {
	const char *node, *body;
	size_t len;
	int64_t time; /* ms: when it was given to us */
};
struct far_view {
	const struct far_row *rows;
	size_t count;
	int64_t subscribers, place; /* how many accounts here see the contact; which of them asks, from 0 */
};

typedef void read_far_fn(void *arg, bool failed, const struct far_view *view);
/* What is kept of the contact (bare JID text), for the account `node`; at most 64 rows. */
void read_far(struct store *store, const char *node, const char *contact, read_far_fn *fn, void *arg);

#endif
