/*
 * net/crowd.h -- open connections by address (IPv6: by /64), for the limit that one address has over all ports together.
 *
 * A balanced tree, which no choice of addresses can slow down; it holds no more than there are connections.
 */
#ifndef RELAY_NET_CROWD_H
#define RELAY_NET_CROWD_H

#include <stdbool.h>
#include <stdint.h>

struct crowd;

struct crowd *crowd_new(void);
void crowd_free(struct crowd **crowd);
/* At most this many from one address; 0: any. Those that are there stay. */
void crowd_limit(struct crowd *crowd, int64_t per_address);
int64_t crowd_most(const struct crowd *crowd);
/* One more from this peer ("address:port"). False: it has as many as it may, and this one is not counted. */
bool crowd_come(struct crowd *crowd, const char *peer);
void crowd_leave(struct crowd *crowd, const char *peer);

#endif
