/*
 * feature/register_limit.h -- how often one address may try to get an account, and how many it gets. Pure:
 * the caller brings the time.
 */
#ifndef RELAY_FEATURE_REGISTER_LIMIT_H
#define RELAY_FEATURE_REGISTER_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

enum { REGISTER_TRIES_AN_HOUR = 60, REGISTER_ACCOUNTS_AN_HOUR = 10 };

struct register_limit;

struct register_limit *register_limit_new(void);
void register_limit_free(struct register_limit **limit);

/* peer: "address:port"; counted by IPv4 address or IPv6 /64. now: monotonic ms. */
bool register_limit_try(struct register_limit *limit, const char *peer,
			int64_t now); /* counts; false: too many */
bool register_limit_has_made_all(struct register_limit *limit, const char *peer, int64_t now);
void register_limit_made(struct register_limit *limit, const char *peer, int64_t now);

#endif
