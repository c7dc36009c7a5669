/*
 * feature/register_limit.c -- a bounded table of who tried to get an account in the last hour.
 *
 * Two addresses that fall on one place share it, the later starting anew: who has thousands of addresses is
 * not stopped by counting them, and memory stays flat.
 */
#include "config.h"

#include "relay/feature/register_limit.h"

#include <stdlib.h>
#include <string.h>

#include "proto/mem.h"
#include "relay/net/address.h"

enum { VISITORS = 1024, HOUR_MS = 3600 * 1000 };

struct visitor {
	struct address_group group;
	int64_t since; /* ms */
	bool used;
	unsigned tries, made;
};

struct register_limit {
	struct visitor visitors[VISITORS];
};

struct register_limit *
register_limit_new(void)
{
	return xcalloc(1, sizeof(struct register_limit));
}

void
register_limit_free(struct register_limit **limit)
{
	free(*limit);
	*limit = NULL;
}

static struct visitor *
visitor_of(struct register_limit *limit, const char *peer, int64_t now)
{
	struct address_group group;
	struct visitor *visitor;
	uint32_t hash = 2166136261u; /* FNV-1a */

	address_group(peer, &group);
	for (size_t i = 0; i < sizeof group.bytes; i++)
		hash = (hash ^ group.bytes[i]) * 16777619u;
	visitor = &limit->visitors[hash % VISITORS];
	if (!visitor->used || now - visitor->since > HOUR_MS ||
	    memcmp(&visitor->group, &group, sizeof group) != 0)
		*visitor = (struct visitor){ .group = group, .since = now, .used = true };
	return visitor;
}

bool
register_limit_try(struct register_limit *limit, const char *peer, int64_t now)
{
	return ++visitor_of(limit, peer, now)->tries <= REGISTER_TRIES_AN_HOUR;
}

bool
register_limit_has_made_all(struct register_limit *limit, const char *peer, int64_t now)
{
	return visitor_of(limit, peer, now)->made >= REGISTER_ACCOUNTS_AN_HOUR;
}

void
register_limit_made(struct register_limit *limit, const char *peer, int64_t now)
{
	visitor_of(limit, peer, now)->made++;
}
