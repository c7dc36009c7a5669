/*
 * stanza.h -- message, presence, iq: what RFC 6120 section 8 says of all three.
 */
#ifndef PROTO_STANZA_H
#define PROTO_STANZA_H

#include <stdbool.h>
#include "proto/error.h"

struct arena;
struct xml;

enum stanza_kind { STANZA_OTHER, STANZA_MESSAGE, STANZA_PRESENCE, STANZA_IQ };
enum iq_type { IQ_BAD, IQ_GET, IQ_SET, IQ_RESULT, IQ_ERROR };
enum message_type { MESSAGE_NORMAL, MESSAGE_CHAT, MESSAGE_GROUPCHAT, MESSAGE_HEADLINE, MESSAGE_ERROR };
enum presence_type {
	PRESENCE_BAD, /* a type that RFC 6121 4.7.1 does not know */
	PRESENCE_AVAILABLE,
	PRESENCE_UNAVAILABLE,
	PRESENCE_SUBSCRIBE,
	PRESENCE_SUBSCRIBED,
	PRESENCE_UNSUBSCRIBE,
	PRESENCE_UNSUBSCRIBED,
	PRESENCE_PROBE,
	PRESENCE_ERROR,
};

enum stanza_kind stanza_kind(const struct xml *stanza); /* by name, in jabber:client or jabber:server */
enum iq_type iq_type(const struct xml *iq);
enum message_type message_type(const struct xml *message); /* absent or unknown: normal (RFC 6121 5.2.2) */
enum presence_type presence_type(const struct xml *presence);
int presence_priority(struct arena *arena, const struct xml *presence); /* -128..127; 0 when absent or unreadable */

/* An iq must have an id, a known type, and exactly one child for get and set (RFC 6120 8.2.3). */
bool iq_valid(const struct xml *iq);

/* New stanzas. NULL to, from, type or id: attribute left out. */
struct xml *stanza_new(struct arena *arena, const char *kind, const char *from, const char *to, const char *type,
    const char *id);
/* A result for a request: to and from exchanged, same id. */
struct xml *iq_result(struct arena *arena, const struct xml *request);
/* An error for any stanza: to and from exchanged, same id, the request's payload echoed when `echo`, `text` (may
 * be NULL) for people. NULL when the stanza is itself an error or a result: errors never answer errors. */
struct xml *stanza_error(struct arena *arena, const struct xml *stanza, enum stanza_error error, const char *text,
    bool echo);
/* Which error a stanza of type error carries. */
enum stanza_error stanza_error_of(const struct xml *stanza);

#endif
