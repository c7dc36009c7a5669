/*
 * feature/pubsub_list.c -- sets of addresses or groups as one text: see pubsub_list.h.
 */
#include "config.h"

#include "relay/feature/pubsub_list.h"

#include <stddef.h>
#include <string.h>

#include "proto/arena.h"

static const char *
list_find(const char *list, const char *entry)
{
	size_t len = strlen(entry);

	for (const char *end; (end = strchr(list, '\n')) != NULL; list = end + 1)
		if ((size_t)(end - list) == len && memcmp(list, entry, len) == 0)
			return list;
	return NULL;
}

bool
pubsub_list_has(const char *list, const char *entry)
{
	return list_find(list, entry) != NULL;
}

const char *
pubsub_list_add(struct arena *arena, const char *list, const char *entry)
{
	return pubsub_list_has(list, entry) ? list : arena_printf(arena, "%s%s\n", list, entry);
}

const char *
pubsub_list_remove(struct arena *arena, const char *list, const char *entry)
{
	const char *at = list_find(list, entry);

	if (at == NULL)
		return list;
	return arena_printf(arena, "%.*s%s", (int)(at - list), list, at + strlen(entry) + 1);
}

bool
pubsub_list_meets(const char *a, const char *b)
{
	for (const char *end; (end = strchr(a, '\n')) != NULL; a = end + 1)
		for (const char *at = b, *stop; (stop = strchr(at, '\n')) != NULL; at = stop + 1)
			if (stop - at == end - a && memcmp(at, a, (size_t)(end - a)) == 0)
				return true;
	return false;
}
