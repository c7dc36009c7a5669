/*
 * feature/message.h -- what archives, carbons and tests need to know about a message.
 */
#ifndef RELAY_FEATURE_MESSAGE_H
#define RELAY_FEATURE_MESSAGE_H

#include <stdbool.h>

struct event;
struct xml;

/* Waits for who is away: chat and normal with something in it that is not of the moment (XEP-0160 3), as
 * hinted (XEP-0334). */
bool message_is_storable(const struct xml *message);

/* The message's row, and the key that makes its repetition known, are in the event's transaction: adds them the first time.
 * event->message_id, _body and _len are set. What refers to it (OP_BOX, OP_PENDING) is added behind this. */
void message_keep(struct event *event);

#endif
