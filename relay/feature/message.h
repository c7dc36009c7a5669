/*
 * feature/message.h -- what archives, carbons and tests need to know about a message.
 */
#ifndef RELAY_FEATURE_MESSAGE_H
#define RELAY_FEATURE_MESSAGE_H

#include <stdbool.h>

struct event;
struct session;
struct xml;

/* Waits for who is away: chat and normal with something in it that is not of the moment (XEP-0160 3), as
 * hinted (XEP-0334). */
bool message_is_storable(const struct xml *message);

/* A chat state and nothing else (XEP-0085): may wait while nobody looks, and then only the latest of each sender counts. */
bool message_is_state(const struct xml *message);
const char *message_state_key(struct event *event);

/* Takes away what only this relay may say: <stanza-id/>, <delay/> in its name, <custody/>. */
void message_strip(struct event *event);

/* Does this session of event->target get the message itself, as the other rules say? In after-functions. */
bool message_reaches(const struct event *event, const struct session *session);

/* The message's row, and the key that makes its repetition known, are in the event's transaction: adds them the first time.
 * event->message_id, _body and _len are set. What refers to it (OP_BOX, OP_PENDING) is added behind this. */
void message_keep(struct event *event);

#endif
