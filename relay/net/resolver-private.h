/*
 * net/resolver-private.h -- what resolver.c (the context and its servers) and search.c (one search) share.
 */
#ifndef RELAY_NET_RESOLVER_PRIVATE_H
#define RELAY_NET_RESOLVER_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include "relay/net/resolver.h"

struct ub_ctx;
struct watch;

enum { SERVERS_MOST = 8 };

struct resolver {
	struct loop *loop;
	struct ub_ctx *ctx; /* NULL: not needed yet */
	struct watch *watch;
	struct search *searches;
	char *servers[SERVERS_MOST];
	size_t server_count;
	bool stale; /* a new context for the next search */
};

/* False: none can be had now. */
bool resolver_open(struct resolver *resolver);

#endif
