/*
 * link_meter.c -- the memory that libstrophe takes for one link, counted: see link_meter.h.
 *
 * A block knows its size. Beyond either limit realloc fails, which both expat and libstrophe survive; alloc never fails, which
 * libstrophe would not.
 */
#include "config.h"

#include "client/link_meter.h"

#include <stddef.h>
#include <stdlib.h>

#include "client/clock.h"
#include "proto/mem.h"

enum {
	LIVE_MAX = 8 << 20, /* bytes the library may hold at once for one link */
	CLOCK_EVERY = 64,   /* reallocations between two looks at the clock */
	GRACE_MS = 1000,    /* beyond the deadline of the wait */
};

struct block {
	size_t size;
	max_align_t bytes[];
};

static void
cut(struct meter *meter, const char *why)
{
	meter->over = true;
	meter->cut(meter->arg, why);
}

static void
check(struct meter *meter, size_t more)
{
	if (meter->over)
		return;
	if (meter->live + more > LIVE_MAX)
		cut(meter, "one stanza takes more than 8 MiB");
	else if (meter->deadline != 0 && ++meter->calls % CLOCK_EVERY == 0 && now_mono() > meter->deadline + GRACE_MS)
		cut(meter, "reading one stanza takes too long");
}

void *
meter_alloc(size_t size, void *userdata)
{
	struct meter *meter = userdata;
	struct block *block;

	check(meter, size);
	block = xmalloc(sizeof(*block) + size);
	block->size = size;
	meter->live += size;
	return block->bytes;
}

static struct block *
block_of(void *bytes)
{
	return (struct block *)(void *)((char *)bytes - offsetof(struct block, bytes));
}

void
meter_free(void *bytes, void *userdata)
{
	struct meter *meter = userdata;

	if (bytes == NULL)
		return;
	meter->live -= block_of(bytes)->size;
	free(block_of(bytes));
}

void *
meter_realloc(void *bytes, size_t size, void *userdata)
{
	struct meter *meter = userdata;
	struct block *block;

	if (bytes == NULL) {
		check(meter, size);
		return meter->over ? NULL : meter_alloc(size, userdata);
	}
	block = block_of(bytes);
	check(meter, size > block->size ? size - block->size : 0);
	if (meter->over && size > block->size)
		return NULL;
	meter->live += size - block->size;
	block = xrealloc(block, sizeof(*block) + size);
	block->size = size;
	return block->bytes;
}
