/*
 * feature/pubsub_list.h -- sets of addresses or groups as one text, each entry followed by '\n'. Pure.
 */
#ifndef RELAY_FEATURE_PUBSUB_LIST_H
#define RELAY_FEATURE_PUBSUB_LIST_H

#include <stdbool.h>

struct arena;

bool pubsub_list_has(const char *list, const char *entry);
const char *pubsub_list_add(struct arena *arena, const char *list, const char *entry);
const char *pubsub_list_remove(struct arena *arena, const char *list, const char *entry);
/* Do two lists have an entry in common. */
bool pubsub_list_meets(const char *a, const char *b);

#endif
