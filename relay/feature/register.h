/*
 * feature/register.h -- how often an address may try to get an account.
 */
#ifndef RELAY_FEATURE_REGISTER_H
#define RELAY_FEATURE_REGISTER_H

#include <stdbool.h>

struct router;
struct stream;

/* Counts one try of this stream's address. False: too many within the hour. */
bool register_may_try(struct router *router, const struct stream *stream);

#endif
