/*
 * stream/limit.h -- how long a login attempt waits (attack S10). Everything here is a delay of a few seconds: nobody is ever
 * locked out of an account because others guess at it (XEP-0205 section 3 warns of that).
 *
 * Pure: the caller brings the time and the wait. Whether an account exists changes nothing.
 */
#ifndef RELAY_STREAM_LIMIT_H
#define RELAY_STREAM_LIMIT_H

#include <stdint.h>

struct limiter;

enum {
	LIMIT_WAIT_MOST = 5000,    /* ms before an attempt, because of its address */
	LIMIT_ACCOUNT_MOST = 3000, /* ms before an attempt, because many fail for that account */
	LIMIT_FAILURE_MOST = 8000, /* ms before a failure is told */
};

/* attempts: a second and address (IPv6: a /64), twice that at once; 0: no limit. */
struct limiter *limiter_new(int64_t attempts);
void limiter_free(struct limiter **limiter);
void limiter_set(struct limiter *limiter, int64_t attempts);

/* now: monotonic ms. peer: "address:port". How many ms to wait before looking at this attempt. */
int64_t limiter_attempt(struct limiter *limiter, const char *peer, const char *node, int64_t now);
/* It failed: how many ms to wait before saying so. */
int64_t limiter_failed(struct limiter *limiter, const char *peer, const char *node, int64_t now);
/* It succeeded: that address does not wait for this account's sake again. */
void limiter_passed(struct limiter *limiter, const char *peer, const char *node, int64_t now);

#endif
