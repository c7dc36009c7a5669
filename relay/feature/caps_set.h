/*
 * feature/caps_set.h -- making the sets of caps.h.
 */
#ifndef RELAY_FEATURE_CAPS_SET_H
#define RELAY_FEATURE_CAPS_SET_H

#include "relay/feature/caps.h"

enum { CAPS_NODES_MAX = 128 }; /* interests of one client that are kept */

struct xml;

/* From a disco#info <query/>: its +notify features. NULL: an empty set. */
struct caps_set *caps_set_new(const struct xml *query);

#endif
