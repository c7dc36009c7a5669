/*
 * feature/caps_cache.c -- what is known of the versions of clients: see caps_cache.h.
 */
#include "config.h"

#include "relay/feature/caps_cache.h"

#include <assert.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "proto/mem.h"

static int
by_key(const void *a, const void *b)
{
	const struct caps_entry *left = a, *right = b;

	return strcmp(left->key, right->key);
}

struct caps_entry *
caps_cache_find(const struct caps_cache *cache, const char *key)
{
	struct caps_entry wanted = { .key = key };
	struct caps_entry **found = tfind(&wanted, &cache->tree, by_key);

	return found != NULL ? *found : NULL;
}

static void
entry_free(void *arg)
{
	struct caps_entry *entry = arg;

	caps_set_unref(&entry->set);
	free((char *)(uintptr_t)entry->key); /* const only because a key to look for may be anybody's */
	free(entry->node_ver);
	free(entry->asked);
	free(entry);
}

static void
drop(struct caps_cache *cache, struct caps_entry *entry)
{
	tdelete(entry, &cache->tree, by_key);
	entry_free(entry);
}

static void
consider_oldest(struct caps_entry *entry, void *arg)
{
	struct caps_entry **oldest = arg;

	if (entry->refs == 0 && (*oldest == NULL || entry->used < (*oldest)->used))
		*oldest = entry;
}

struct caps_entry *
caps_cache_take(struct caps_cache *cache, const char *key, const char *node_ver)
{
	struct caps_entry *entry = caps_cache_find(cache, key);

	if (entry == NULL) {
		entry = xcalloc(1, sizeof *entry);
		entry->key = xstrdup(key);
		entry->node_ver = xstrdup(node_ver);
		const void *added = tsearch(entry, &cache->tree, by_key);
		assert(added != NULL);
		(void)added;
	} else if (entry->refs == 0) {
		cache->idle--;
	}
	entry->refs++;
	entry->used = ++cache->clock;
	return entry;
}

bool
caps_entry_is_shared(const struct caps_entry *entry)
{
	return entry->key[0] != '\n';
}

void
caps_cache_release(struct caps_cache *cache, struct caps_entry *entry)
{
	struct caps_entry *oldest = NULL;

	assert(entry->refs > 0);
	if (--entry->refs > 0)
		return;
	if (entry->set == NULL || !caps_entry_is_shared(entry)) {
		drop(cache, entry);
		return;
	}
	if (++cache->idle <= CAPS_IDLE_MAX)
		return;
	caps_cache_each(cache, consider_oldest, &oldest);
	drop(cache, oldest);
	cache->idle--;
}

struct walk {
	void (*fn)(struct caps_entry *entry, void *arg);
	void *arg;
};

static void
visit(const void *node, VISIT order, void *arg)
{
	const struct walk *walk = arg;

	if (order == postorder || order == leaf)
		walk->fn(*(struct caps_entry *const *)node, walk->arg);
}

void
caps_cache_each(struct caps_cache *cache, void (*fn)(struct caps_entry *entry, void *arg), void *arg)
{
	struct walk walk = { .fn = fn, .arg = arg };

	twalk_r(cache->tree, visit, &walk);
}

void
caps_cache_clear(struct caps_cache *cache)
{
	tdestroy(cache->tree, entry_free);
	*cache = (struct caps_cache){ .tree = NULL };
}
