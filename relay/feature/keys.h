/*
 * feature/keys.h -- the answer to a client of ours that asks for the copy of a contact's keys (proto/spec/courier.md 11).
 */
#ifndef RELAY_FEATURE_KEYS_H
#define RELAY_FEATURE_KEYS_H

#include "relay/route/feature.h"

enum verdict keys_answer(struct event *event, void *state); /* a handler of <keys/> */

#endif
