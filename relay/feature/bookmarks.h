/*
 * feature/bookmarks.h -- bookmarks for clients that know only the old form (XEP-0402 5.3): one document in
 * private storage.
 */
#ifndef RELAY_FEATURE_BOOKMARKS_H
#define RELAY_FEATURE_BOOKMARKS_H

#include <stdbool.h>
#include "relay/route/feature.h"

struct event;
struct xml;

bool bookmarks_is_old(const struct xml *element); /* <storage xmlns='storage:bookmarks'/> */
/* The private-storage request for it, of the owner. Both end with event_finish(). */
enum verdict bookmarks_get_old(struct event *event);
enum verdict bookmarks_set_old(struct event *event);

#endif
