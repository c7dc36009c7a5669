/*
 * feature/caps.h -- which pubsub nodes a session wants to hear of, as its entity capabilities tell (XEP-0115,
 * XEP-0060 9.2).
 */
#ifndef RELAY_FEATURE_CAPS_H
#define RELAY_FEATURE_CAPS_H

#include <stdbool.h>
#include <stddef.h>

struct router;
struct session;

/* The nodes N for which a client announced N+notify. Immutable, counted, shared by all sessions of one
 * version of one client. */
struct caps_set;
struct caps_set *caps_set_ref(struct caps_set *set); /* NULL is allowed */
void caps_set_unref(struct caps_set **set);
bool caps_set_has(const struct caps_set *set, const char *node); /* NULL set: false */

/* What the session announced: borrowed until the next turn; NULL while unknown. */
struct caps_set *caps_of(const struct session *session);

/* Is it node#ver of the relay itself (a disco#info query may name it). */
bool caps_is_own_node(struct router *router, const char *node);

#endif
