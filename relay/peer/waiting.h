/*
 * peer/waiting.h -- stanzas that wait for a stream to one domain, in memory: bounded in number, bytes and time. What is an iq or cannot
 * be held otherwise is answered with an error when it cannot go; what is of the moment (presence, somebody types) is no loss.
 * Messages that must not be lost are the queue's (queue/queue.h) and never here.
 */
#ifndef RELAY_PEER_WAITING_H
#define RELAY_PEER_WAITING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/error.h"

struct buf;
struct router;
struct wait;
struct xml;

struct waiting {
	struct wait *first, **last;
	size_t count, bytes;
};

void waiting_init(struct waiting *waiting);
/* Copied. bytes: as it goes out. False: there are too many. */
bool waiting_add(struct waiting *waiting, const struct xml *stanza, const struct buf *bytes);
const char *waiting_peek(const struct waiting *waiting, size_t *len_r); /* the oldest; NULL: none */
int64_t waiting_until(const struct waiting *waiting); /* monotonic ms of the oldest; 0: none */
void waiting_drop(struct waiting *waiting); /* the oldest: it is sent */
/* The oldest: whoever asked hears of it. text: for people, may be NULL. */
void waiting_refuse(struct waiting *waiting, struct router *router, enum stanza_error error, const char *text);
/* A stanza that is not to wait at all. */
void waiting_answer(struct router *router, const struct xml *stanza, enum stanza_error error, const char *text);

#endif
