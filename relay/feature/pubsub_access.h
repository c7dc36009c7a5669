/*
 * feature/pubsub_access.h -- who may read a node (XEP-0060 section 4.5 and 6.1.3). Pure: decided from three
 * facts, tested as one matrix.
 */
#ifndef RELAY_FEATURE_PUBSUB_ACCESS_H
#define RELAY_FEATURE_PUBSUB_ACCESS_H

#include <stdbool.h>

struct pubsub_config;

/* The asker as the node's owner sees them. */
struct pubsub_asker {
	bool owner;
	unsigned flags;     /* enum roster_flag in the owner's roster */
	const char *groups; /* in the owner's roster, each followed by '\n'; NULL: none */
	const char *bare;   /* bare JID text */
};

enum pubsub_right {
	RIGHT_READ,
	RIGHT_NEEDS_PRESENCE, /* not-authorized, presence-subscription-required */
	RIGHT_NOT_IN_GROUP,   /* not-authorized, not-in-roster-group */
	RIGHT_CLOSED,         /* not-allowed, closed-node */
	RIGHT_OUTCAST,        /* forbidden */
};

enum pubsub_right pubsub_right(const struct pubsub_config *config, const struct pubsub_asker *asker);

#endif
