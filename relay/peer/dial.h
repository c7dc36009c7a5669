/*
 * peer/dial.h -- the way to another relay: DNS or the configured address, one address after the other, STARTTLS or direct TLS, up to a line
 * inside which TLS is there and nothing is said yet.
 *
 *   dial_begin -> FINDING -> CONNECTING -> CLEAR -> SECURING -> owner->secured ; dial_next: the address after it
 *
 * Never: judges the other's certificate, speaks in clear but for STARTTLS, or tries an address twice in one round.
 */
#ifndef RELAY_PEER_DIAL_H
#define RELAY_PEER_DIAL_H

#include <stdbool.h>
#include "relay/log.h"
#include "relay/queue/queue.h"

struct dial;
struct line;
struct peers;

struct dial_owner {
	/* The line becomes the owner's: line_give() at once, or line_free() before dial_next(). */
	void (*secured)(void *arg, struct line *line);
	/* No address is left, or none was found. why: for people, borrowed. */
	void (*failed)(void *arg, enum queue_reason reason, const char *why);
};

/* domain: canonical. domain, log: borrowed. NULL: the domain has no form in DNS. Never calls from inside dial_begin(). */
struct dial *dial_new(struct peers *peers, const char *domain, const struct log *log, const struct dial_owner *owner, void *arg);
void dial_begin(struct dial *dial);
/* The line that was given was of no use. May call owner->failed. */
void dial_next(struct dial *dial, const char *why);
void dial_stop(struct dial *dial);
bool dial_is_busy(const struct dial *dial); /* between dial_begin() and the owner's call */
bool dial_is_heard(const struct dial *dial); /* somebody is at the other end of a connection */
void dial_free(struct dial **dial); /* NULL inside is allowed */

#endif
