/*
 * stream/pool.h -- work for the thread pool, a few at a time, in the order asked. For PBKDF2, which would otherwise take all threads.
 */
#ifndef RELAY_STREAM_POOL_H
#define RELAY_STREAM_POOL_H

#include "relay/net/loop.h"

struct pool;

struct pool *pool_new(struct loop *loop, unsigned at_a_time);
/* As loop_work; waits its turn. */
void pool_run(struct pool *pool, loop_fn *work, loop_fn *done, void *arg);
/* What has not begun is never begun, and its done is called at once; what runs still ends. */
void pool_free(struct pool **pool);

#endif
