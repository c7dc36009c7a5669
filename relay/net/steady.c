/* steady.c -- watches the wall clock against the monotonic one: see steady.h. */
#include "config.h"

#include "relay/net/steady.h"

bool
steady_look(struct steady *steady, int64_t wall, int64_t mono)
{
	int64_t offset = wall - mono, moved = offset - steady->offset;

	if (!steady->begun) {
		steady->begun = true;
		steady->until = mono + STEADY_START_MS;
	} else if ((moved > STEADY_JUMP_MS || moved < -STEADY_JUMP_MS) &&
		   steady->until < mono + STEADY_DAY_MS) {
		steady->until = mono + STEADY_DAY_MS;
	}
	steady->offset = offset;
	return mono >= steady->until;
}

void
steady_trust(struct steady *steady, int64_t wall, int64_t mono)
{
	*steady = (struct steady){ .offset = wall - mono, .until = mono, .begun = true };
}
