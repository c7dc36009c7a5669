/*
 * feature/ask.h -- questions of the relay to other relays and their people: an iq, and its answer or none.
 *
 * Asked in the name of the host or of an account (its bare JID). An answer counts when it has the question's id, comes from whom was
 * asked and goes to whom asked (RFC 6120 8.1.2.1); what says otherwise is nobody's. At most ASKS_MOST are open.
 */
#ifndef RELAY_FEATURE_ASK_H
#define RELAY_FEATURE_ASK_H

#include "relay/route/feature.h"

enum { ASKS_MOST = 1000, ASK_MS = 40 * 1000 /* the streams give up before that */ };

/* answer: the event of a result or error, event->foreign when it is really theirs and not our own word that they are away; NULL: none
 * came, or the relay stops. Returns LATER only when it will call event_finish(). */
typedef enum verdict ask_fn(struct router *router, struct event *answer, void *arg);

/* iq: of type get or set with `from` and `to`, canonical; gets its id here. fn is called exactly once, perhaps before this returns. */
void ask_send(struct router *router, struct arena *arena, struct xml *iq, ask_fn *fn, void *arg);

#endif
