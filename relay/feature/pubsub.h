/*
 * feature/pubsub.h -- what the other features ask of pubsub (XEP-0060, 0163).
 */
#ifndef RELAY_FEATURE_PUBSUB_H
#define RELAY_FEATURE_PUBSUB_H

#include <stdbool.h>
#include "relay/route/feature.h"

struct caps_set;
struct event;
struct session;
struct xml;

/* The session is available and its interests are known: send it the last item of each node that it wants, may
 * read and did not already want by `before` (NULL: nothing), of its own account and of the contacts whose
 * presence it sees (XEP-0163 4.3.4). */
void pubsub_greet(struct session *session, struct caps_set *before);

/* Discovery of event->target's nodes as far as event->from may see them (XEP-0060 5.2 to 5.5). */
bool pubsub_disco_info(struct event *event, const char *node,
		       struct xml *query); /* false: no such node for this asker */
void pubsub_disco_items(struct event *event, struct xml *query);
/* Answers the event with the node's item ids in `query`, a child of `result`. */
enum verdict pubsub_disco_node_items(struct event *event, const char *node, struct xml *result,
				     struct xml *query);

#endif
