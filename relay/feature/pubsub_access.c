/*
 * feature/pubsub_access.c -- who may read a node (XEP-0060 1.30.0 section 4.5): the one place where it is
 * decided, for requests, discovery and notifications alike (attack R6). Publishing and configuring are the
 * owner's alone and never asked here.
 */
#include "config.h"

#include "relay/feature/pubsub_access.h"

#include "relay/feature/pubsub_config.h"
#include "relay/store/txn.h"

enum pubsub_right
pubsub_right(const struct pubsub_config *config, const struct pubsub_asker *asker)
{
	bool sees_presence = (asker->flags & ROSTER_FROM) != 0;

	if (asker->owner)
		return RIGHT_READ;
	if (pubsub_list_has(config->outcasts, asker->bare))
		return RIGHT_OUTCAST;
	switch ((enum pubsub_access)config->access) {
	case ACCESS_OPEN:
		return RIGHT_READ;
	case ACCESS_PRESENCE:
		return sees_presence ? RIGHT_READ : RIGHT_NEEDS_PRESENCE;
	case ACCESS_ROSTER:
		/* The owner put them in the group; a request that was never answered is no group membership.
		 */
		if ((asker->flags & ROSTER_VISIBLE) == 0 || asker->groups == NULL ||
		    !pubsub_list_meets(config->groups, asker->groups))
			return RIGHT_NOT_IN_GROUP;
		return RIGHT_READ;
	case ACCESS_WHITELIST:
		return pubsub_list_has(config->members, asker->bare) ? RIGHT_READ : RIGHT_CLOSED;
	}
	return RIGHT_CLOSED; /* a value that no enum has: let nobody in */
}
