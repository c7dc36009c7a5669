/*
 * feature/unsent.h -- subscriptions towards other relays as state (design: a relay that is away hears, when it is back, how things
 * are, and not what happened).
 *
 * Whoever changes what a contact elsewhere must hear of sets ROSTER_ASK_UNSENT (we want to see them, or no more) or
 * ROSTER_GRANT_UNSENT (they may see us, or no more) in the contact's flags, and calls unsent_after() with the same event.
 */
#ifndef RELAY_FEATURE_UNSENT_H
#define RELAY_FEATURE_UNSENT_H

#include <stdbool.h>

struct account;
struct event;

enum { UNSENT_FLAGS = 64 | 128 }; /* ROSTER_ASK_UNSENT | ROSTER_GRANT_UNSENT */

bool unsent_is_far(const struct event *event, const char *contact); /* of another domain */
/* The contact's flags in the event's transaction have such a bit, and the stanza that says so is routed with this event too: once
 * that has been sent, the contact's relay is asked whether it came; until it says so, it is told again whenever it may be there. */
void unsent_after(struct event *event, struct account *account, const char *contact);

#endif
