/*
 * net/crowd.c -- open connections by address: see crowd.h.
 */
#include "config.h"

#include "relay/net/crowd.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>
#include "proto/mem.h"
#include "relay/net/address.h"

struct group {
	struct address_group address; /* first: the tree compares it */
	int64_t count;
};

struct crowd {
	void *groups; /* tsearch(3) tree of struct group */
	int64_t most;
};

struct crowd *
crowd_new(void)
{
	return xcalloc(1, sizeof(struct crowd));
}

void
crowd_free(struct crowd **crowd)
{
	if (*crowd == NULL)
		return;
	tdestroy((*crowd)->groups, free);
	free(*crowd);
	*crowd = NULL;
}

void
crowd_limit(struct crowd *crowd, int64_t per_address)
{
	crowd->most = per_address;
}

int64_t
crowd_most(const struct crowd *crowd)
{
	return crowd->most;
}

static int
compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct address_group));
}

bool
crowd_come(struct crowd *crowd, const char *peer)
{
	struct group wanted = { .count = 0 }, *made, **found;

	address_group(peer, &wanted.address);
	found = tfind(&wanted, &crowd->groups, compare);
	if (found == NULL) {
		made = xmalloc(sizeof *made);
		*made = wanted;
		found = tsearch(made, &crowd->groups, compare);
		if (found == NULL) { /* no memory: one connection less */
			free(made);
			return false;
		}
	}
	if (crowd->most > 0 && (*found)->count >= crowd->most)
		return false;
	(*found)->count++;
	return true;
}

void
crowd_leave(struct crowd *crowd, const char *peer)
{
	struct group wanted = { .count = 0 }, *group, **found;

	address_group(peer, &wanted.address);
	found = tfind(&wanted, &crowd->groups, compare);
	if (found == NULL || --(*found)->count > 0)
		return;
	group = *found;
	tdelete(group, &crowd->groups, compare);
	free(group);
}
