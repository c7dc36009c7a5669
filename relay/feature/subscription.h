/*
 * feature/subscription.h -- what presence needs of subscriptions.
 */
#ifndef RELAY_FEATURE_SUBSCRIPTION_H
#define RELAY_FEATURE_SUBSCRIPTION_H

struct arena;
struct session;

/* A session that became available is asked again what it has not answered (RFC 6121 3.1.3). */
void subscription_show_requests(struct session *session, struct arena *arena);

#endif
