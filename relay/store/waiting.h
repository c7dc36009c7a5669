/*
 * store/waiting.h -- how much waits in mailboxes, answered like the questions of read.h: for an account, and
 * from it in the mailboxes of others.
 *
 * Looks at each row of these mailboxes: for people who ask, not for each message.
 */
#ifndef RELAY_STORE_WAITING_H
#define RELAY_STORE_WAITING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

struct waiting_row {
	const char *node;      /* whose mailbox */
	int64_t count, oldest; /* ms; 0: none */
	/* read_waiting_elsewhere only: why it waits (NULL: not known), ms of the next try (0: not known) */
	const char *reason;
	int64_t next;
};
/* The first row: all in the account's own mailbox. The others, in the order of `others`: what is from the
 * account (bare JID text `jid`) in theirs, but for what is of somebody blocked there and
 * will be dropped: when that happens would tell the blocked that its owner was here. */
typedef void read_waiting_fn(void *arg, bool failed, const struct waiting_row *rows, size_t count);
void read_waiting(struct store *store, const char *node, const char *jid, const char *const *others,
		  size_t count, read_waiting_fn *fn, void *arg);
/* What is from the account (bare JID text) and held for other relays, among the newest 20,000 that are; a row each recipient (node: a
 * bare JID), at most `limit`, who has most first. */
void read_waiting_elsewhere(struct store *store, const char *jid, size_t limit, read_waiting_fn *fn, void *arg);

#endif
