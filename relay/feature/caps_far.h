/*
 * feature/caps_far.h -- the clients of contacts at other relays, as far as our accounts are shown their presence, and what they want
 * to hear of (XEP-0163 4.3.2).
 */
#ifndef RELAY_FEATURE_CAPS_FAR_H
#define RELAY_FEATURE_CAPS_FAR_H

#include <stdbool.h>
#include <stddef.h>

struct account;
struct caps_entry;
struct caps_set;
struct router;

enum {
	EARS_OF_ONE = 500, /* an account's */
	EARS_MOST = 20000,
};

/* Those that the account (node part) has been shown: full JID text; set NULL: not known yet. */
void caps_far_each(struct router *router, const char *node,
    void (*fn)(const char *contact, const char *full, const struct caps_set *set, void *arg), void *arg);
size_t caps_far_count(struct router *router, const char *node);
/* Is this client among them, and does it want to hear of that pubsub node. */
bool caps_far_wants(struct router *router, const char *node, const char *full, const char *pubsub_node);
/* caps.c: from now on it is known what this entry wants. */
void caps_far_learned(struct router *router, const struct caps_entry *entry);

#endif
