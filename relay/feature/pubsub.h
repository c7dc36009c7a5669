/*
 * feature/pubsub.h -- what the other features ask of pubsub (XEP-0060, 0163).
 */
#ifndef RELAY_FEATURE_PUBSUB_H
#define RELAY_FEATURE_PUBSUB_H

#include <stdbool.h>
#include "relay/route/feature.h"

struct account;
struct caps_set;
struct event;
struct pubsub_config;
struct session;
struct xml;

/* The session is available and its interests are known: send it the last item of each node that it wants, may
 * read and did not already want by `before` (NULL: nothing), of its own account and of the contacts whose
 * presence it sees (XEP-0163 4.3.4). */
void pubsub_greet(struct session *session, struct caps_set *before);

/* The same for a client of a contact at another relay (full JID, as caps_far.h knows it), and one account (node part). */
void pubsub_greet_far(struct router *router, const char *node, const char *full, struct caps_set *before);

/* Nodes that only the relay itself uses: no request and no discovery shows them. */
#define PUBSUB_HIDDEN "lazo#"
bool pubsub_is_hidden(const char *node);

/* By the relay on behalf of event->target, in the event's transaction, with the notifications that a request of the owner
 * would bring. fresh: the configuration of a node that is not there yet. False: no room for another node. */
bool pubsub_put(struct event *event, const char *node, const struct pubsub_config *fresh, const char *item,
    const struct xml *payload);
void pubsub_drop(struct event *event, const char *node, const char *item); /* nothing when there is no such node */

/* Discovery of event->target's nodes as far as event->from may see them (XEP-0060 5.2 to 5.5). */
bool pubsub_disco_info(struct event *event, const char *node,
		       struct xml *query); /* false: no such node for this asker */
void pubsub_disco_items(struct event *event, struct xml *query);
/* Answers the event with the node's item ids in `query`, a child of `result`. */
enum verdict pubsub_disco_node_items(struct event *event, const char *node, struct xml *result,
				     struct xml *query);

#endif
