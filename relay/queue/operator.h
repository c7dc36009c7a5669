/*
 * queue/operator.h -- what the operator sees of the queue, and what it does when told (lazoctl(8): queue, peer).
 *
 * Answers come exactly once, in a later turn of the loop (within the call with a store that has no threads), also when the queue is
 * freed before. Works without a line, too: then nothing is tried, but what is on the disk changes.
 */
#ifndef RELAY_QUEUE_OPERATOR_H
#define RELAY_QUEUE_OPERATOR_H

#include <stddef.h>
#include <stdint.h>

struct queue;

enum queue_phase { QUEUE_RESTING, QUEUE_TRYING, QUEUE_UP };

/* A domain with something to do, or with a stream. Borrowed for the call. */
struct queue_view {
	const char *domain;
	enum queue_phase phase;
	int64_t tries; /* in vain, since it was last there */
	int64_t next;  /* wall ms of the next try; 0: not waiting for one */
	size_t sent;   /* messages sent and not yet acked */
};
void queue_each(const struct queue *queue, void (*fn)(void *arg, const struct queue_view *view), void *arg);

enum queue_done {
	QUEUE_DONE,
	QUEUE_NONE,   /* no such message */
	QUEUE_BUSY,   /* it is on its way at this moment */
	QUEUE_FAILED, /* the disk, or the relay stops */
};
/* count: messages. */
typedef void queue_done_fn(void *arg, enum queue_done done, size_t count);

/* domain NULL: all. What waits is tried at once, also what had been given up as unconfirmed. */
void queue_retry(struct queue *queue, const char *domain);
void queue_retry_one(struct queue *queue, int64_t id, queue_done_fn *fn, void *arg);
/* It is held no more, and its sender is told. */
void queue_cancel(struct queue *queue, int64_t id, queue_done_fn *fn, void *arg);
/* The operator says that the clock is right: what is over its time ends now, and may from now on. */
void queue_expire(struct queue *queue, queue_done_fn *fn, void *arg);

#endif
