/*
 * feature/avatar.h -- which picture an account shows (XEP-0084, 0153, 0398): followed as it is published.
 */
#ifndef RELAY_FEATURE_AVATAR_H
#define RELAY_FEATURE_AVATAR_H

#include "relay/feature/avatar_image.h"

struct event;
struct xml;

/* Something was published at (or, payload NULL, taken from) a node of event->target: when it is the metadata
 * node the account shows another picture now, and its presence says so. */
void avatar_published(struct event *event, const char *node, const struct xml *payload);
/* This item was taken from a node. */
void avatar_retracted(struct event *event, const char *node, const char *item);
/* Publish a picture, or that there is none (image NULL), on behalf of event->target. False: no room. */
bool avatar_publish(struct event *event, const struct avatar_image *image, const char *type);

#endif
