/* backoff.c -- see backoff.h. */
#include "config.h"

#include "relay/queue/backoff.h"

enum { STEEP = 5, FLAT = 23 /* the try after which 5 min are over when first is 1 s */, STEP = 15 };

static int64_t
plain(int64_t tries, int64_t first, int64_t most)
{
	static const int64_t steep[STEEP] = { 1, 2, 4, 8, STEP };
	int64_t wait;

	if (tries < 1)
		tries = 1;
	wait = first * (tries <= STEEP ? steep[tries - 1] : STEP);
	for (int64_t n = FLAT; n < tries && wait < most; n++)
		wait *= 2;
	return wait < most ? wait : most;
}

int64_t
backoff_ms(int64_t tries, int64_t first, int64_t most, uint32_t chance)
{
	int64_t wait = plain(tries, first, most), fifth = wait / 5;

	if (wait == most)
		return wait + (int64_t)chance % (fifth + 1);
	return wait - fifth + (int64_t)chance % (2 * fifth + 1);
}
