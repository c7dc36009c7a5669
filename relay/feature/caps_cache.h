/*
 * feature/caps_cache.h -- what is known of the versions of clients (XEP-0115), by the key under which it
 * counts.
 *
 * A balanced tree: no choice of names makes it slow. Entries that sessions announce stay; of the others those
 * that are known and may be shared, the latest CAPS_IDLE_MAX used.
 */
#ifndef RELAY_FEATURE_CAPS_CACHE_H
#define RELAY_FEATURE_CAPS_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/digest.h"
#include "relay/feature/caps_set.h"

enum { CAPS_IDLE_MAX = 512 };

struct caps_entry {
	const char
	    *key; /* "hash\nver\nnode", or "\nfull JID\n..." of one that counts for that session alone */
	char *node_ver;       /* what a question about it names */
	struct caps_set *set; /* NULL: not known yet */
	unsigned refs;        /* sessions that announce it */
	uint64_t used;        /* order of last use */
	char id[ID_LEN + 1];  /* of the outstanding question; "": none */
	char *asked;          /* full JID that was asked last; NULL: nobody */
	int64_t due;          /* ms monotonic: when its answer is late */
};

struct caps_cache {
	void *tree;
	size_t idle;
	uint64_t clock;
};

struct caps_entry *caps_cache_find(const struct caps_cache *cache, const char *key); /* NULL: none */
/* Find or make, one more session announces it. */
struct caps_entry *caps_cache_take(struct caps_cache *cache, const char *key, const char *node_ver);
/* One fewer; may free it. */
void caps_cache_release(struct caps_cache *cache, struct caps_entry *entry);
void caps_cache_each(struct caps_cache *cache, void (*fn)(struct caps_entry *entry, void *arg), void *arg);
void caps_cache_clear(struct caps_cache *cache);

bool caps_entry_is_shared(const struct caps_entry *entry);

#endif
