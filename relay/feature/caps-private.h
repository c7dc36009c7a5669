/*
 * feature/caps-private.h -- what caps_far.c shares with caps.c: one cache of what the versions of clients want.
 */
#ifndef RELAY_FEATURE_CAPS_PRIVATE_H
#define RELAY_FEATURE_CAPS_PRIVATE_H

#include "relay/feature/caps_cache.h"

struct router;
struct xml;

struct caps_cache *caps_cache_of(const struct router *router);
/* A verified answer: all who announce it are greeted, here and elsewhere. */
void caps_entry_learn(struct router *router, struct caps_entry *entry, const struct xml *query);

#endif
