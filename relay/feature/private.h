/*
 * feature/private.h -- what private storage (XEP-0049) and bookmarks share: elements kept under their names.
 */
#ifndef RELAY_FEATURE_PRIVATE_H
#define RELAY_FEATURE_PRIVATE_H

#include <stdbool.h>

struct arena;
struct event;
struct xml;

#define PRIVATE_NODE "lazo#private" /* hidden: see pubsub.h */

/* Under which an element is kept there. */
const char *private_key(struct arena *arena, const struct xml *element);
/* Keep it within the event; an element with nothing in it is forgotten. False: no room. */
bool private_keep(struct event *event, const struct xml *element);

#endif
