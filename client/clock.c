/* clock.c -- the wall clock and the monotonic one: see clock.h. */
#include "config.h"

#include "client/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int64_t
read_clock(clockid_t which)
{
	struct timespec now;

	clock_gettime(which, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t
now_mono(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

#ifdef TEST_CLOCK
/* The offset in milliseconds; the file is read at most once a second. */
static int64_t
offset(void)
{
	static int64_t last_look, held;
	const char *path = getenv("LAZO_TEST_CLOCK");
	int64_t now = now_mono();
	FILE *file;
	long long seconds;

	if (path == NULL || (last_look != 0 && now - last_look < 1000))
		return held;
	last_look = now;
	file = fopen(path, "r");
	if (file == NULL)
		return held;
	if (fscanf(file, "%lld", &seconds) == 1)
		held = (int64_t)seconds * 1000;
	fclose(file);
	return held;
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
	return read_clock(CLOCK_REALTIME) + offset();
}
