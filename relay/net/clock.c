/*
 * net/clock.c -- the wall clock and the monotonic one: see clock.h. May be called from any thread.
 */
#include "config.h"

#include "relay/net/clock.h"

#include <time.h>

static int64_t
milliseconds(clockid_t which)
{
	struct timespec now;

	clock_gettime(which, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

#ifdef TEST_CLOCK
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* Milliseconds to add, from the file that LAZO_TEST_CLOCK names: read at most once a second, kept when unreadable. */
static int64_t
offset(void)
{
	static _Atomic int64_t known, next_look = INT64_MIN;
	int64_t mono = milliseconds(CLOCK_MONOTONIC);
	const char *path;
	FILE *file;
	double seconds;

	if (mono < atomic_load(&next_look))
		return atomic_load(&known);
	atomic_store(&next_look, mono + 1000);
	path = getenv("LAZO_TEST_CLOCK");
	if (path == NULL || (file = fopen(path, "re")) == NULL)
		return atomic_load(&known);
	if (fscanf(file, "%lf", &seconds) == 1)
		atomic_store(&known, (int64_t)(seconds * 1000));
	fclose(file);
	return atomic_load(&known);
}
#else
static int64_t
offset(void)
{
	return 0;
}
#endif

int64_t
now_wall(void)
{
	return milliseconds(CLOCK_REALTIME) + offset();
}

int64_t
now_mono(void)
{
	return milliseconds(CLOCK_MONOTONIC);
}
