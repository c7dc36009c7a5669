/*
 * feature/roster.h -- what subscriptions need of the roster: pushes.
 */
#ifndef RELAY_FEATURE_ROSTER_H
#define RELAY_FEATURE_ROSTER_H

struct account;
struct event;

enum { ROSTER_ITEMS_MOST = 5000, ROSTER_REQUESTS_MOST = 500 /* of strangers, not in the visible roster */ };

/* Push the contact's item as it is now in memory (or its removal) to all interested resources once the
 * event is committed. */
void roster_push(struct event *event, struct account *account, const char *contact);

#endif
