/*
 * backlog.h -- messages that came together, put into the order in which they were encrypted before they are decrypted.
 *
 * Of one chain of one device's ratchet, those with the lower counter come first; they take the places that messages of
 * this chain have in the backlog, so everything else stays as it came, and what came in order is not moved at all. What
 * is sorted by is not authentic yet: whoever forges it disturbs an order, no more (omemo/vault.h reads any).
 */
#ifndef CLIENT_BACKLOG_H
#define CLIENT_BACKLOG_H

#include <stdbool.h>
#include <stddef.h>
#include "client/inbox.h"

enum {
	BACKLOG_MOST = INBOX_BATCH,
	BACKLOG_BYTES = 4 << 20, /* of their trees; one more may be in */
};

struct backlog;

struct backlog *backlog_new(struct omemo *omemo);
void backlog_free(struct backlog **backlog);
/* Copied. `message` as inbox_take() takes it. */
void backlog_add(struct backlog *backlog, const struct xml *message, const struct inbox_meta *meta);
bool backlog_full(const struct backlog *backlog);
/* Give each to `take`, in order; then it is empty. */
void backlog_take(struct backlog *backlog,
		  void (*take)(void *arg, const struct xml *message, const struct inbox_meta *meta), void *arg);

#endif
