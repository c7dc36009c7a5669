/*
 * net/steady.h -- may what is old be thrown away? Not while the wall clock may be wrong (design 3.4).
 *
 * A machine without a battery clock starts in another year and is set right some minutes later. So nothing
 * expires in the first ten minutes after the start, nor for a day after the wall clock has jumped against the
 * monotonic one. Pure.
 */
#ifndef RELAY_NET_STEADY_H
#define RELAY_NET_STEADY_H

#include <stdbool.h>
#include <stdint.h>

#define STEADY_START_MS (10 * INT64_C(60000))
#define STEADY_DAY_MS   (24 * INT64_C(3600000))
#define STEADY_JUMP_MS  INT64_C(30000) /* between two looks; less is a clock being adjusted */

struct steady {
	int64_t offset; /* wall - monotonic at the last look */
	int64_t until;  /* monotonic: not trusted before */
	bool begun;
};

/* To be called every minute or so, with what the clocks say, in ms. true: the time may be trusted for expiry.
 */
bool steady_look(struct steady *steady, int64_t wall, int64_t mono);
/* Somebody has looked at another clock: the time is trusted from now on, until it jumps again. */
void steady_trust(struct steady *steady, int64_t wall, int64_t mono);

#endif
