/*
 * net/loop-private.h -- what io.c and listener.c need of the loop; nothing above net/ includes this.
 */
#ifndef RELAY_NET_LOOP_PRIVATE_H
#define RELAY_NET_LOOP_PRIVATE_H

#include <uv.h>
#include "relay/net/loop.h"

enum { LOOP_BUFFER = 16 * 1024 };

uv_loop_t *loop_uv(struct loop *loop);
/* The one read buffer of all connections, LOOP_BUFFER bytes: filled and given out within one callback. */
char *loop_buffer(struct loop *loop);

#endif
