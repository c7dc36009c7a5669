/*
 * net/loop-private.h -- what io.c and listener.c need of the loop; nothing above net/ includes this.
 */
#ifndef RELAY_NET_LOOP_PRIVATE_H
#define RELAY_NET_LOOP_PRIVATE_H

#include <stddef.h>
#include <uv.h>
#include "relay/net/loop.h"

enum { LOOP_BUFFER = 16 * 1024 };

/* A call at the end of this turn, before the loop waits: many small writes become one. Part of its owner's struct. */
struct turn_end {
	struct turn_end *next, **back; /* back NULL: not asked for */
	loop_fn *fn;
	void *arg;
};

uv_loop_t *loop_uv(struct loop *loop);
/* The one read buffer of all connections, LOOP_BUFFER bytes: filled and given out within one callback. */
char *loop_buffer(struct loop *loop);
size_t *loop_queued(struct loop *loop); /* bytes that wait in all connections for their peers to read */
void loop_turn_end(struct loop *loop, struct turn_end *call); /* asking again changes nothing */
void loop_turn_next(struct loop *loop, struct turn_end *call); /* the same in the next turn, which comes at once */
void loop_turn_cancel(struct turn_end *call);

#endif
