/*
 * net/resolver.h -- where another relay is: SRV records and addresses over libunbound, asynchronous.
 *
 * _xmpps-server and _xmpp-server are mixed by priority and weight (RFC 6120 3.2.1, RFC 2782, XEP-0368 section 3); a target "." takes
 * its kind away; without any record for STARTTLS the domain itself is asked for, port 5269. Both families of a target, by turns. At
 * most 16 targets and ENDPOINTS_MOST addresses are looked at (attack F9). Each of the two rounds of questions lasts 15 s at most, and
 * 2 s behind the first useful answer. Made at first need, and anew after a failure, so that a machine whose network comes and
 * goes is not held to what it learned while it was away.
 * Nothing here is trusted: the other's certificate is checked against the domain whatever address was found.
 */
#ifndef RELAY_NET_RESOLVER_H
#define RELAY_NET_RESOLVER_H

#include <stddef.h>
#include "relay/net/connect.h"

struct loop;
struct resolver;
struct search;

enum resolver_result {
	RESOLVER_FOUND,
	RESOLVER_NO_DOMAIN,  /* there is no such domain */
	RESOLVER_NO_SERVICE, /* there is one, and it says that it has no relay: a target ".", or no address at all */
	RESOLVER_FAILED, /* nobody could be asked: that says nothing about the domain */
};

/* servers: "address:port" each; none: the system's. */
struct resolver *resolver_new(struct loop *loop);
void resolver_set_servers(struct resolver *resolver, char *const *servers, size_t count); /* copied */
void resolver_free(struct resolver **resolver); /* no search is open any more */

/* The list is borrowed for the call; never from inside resolver_find. */
typedef void resolver_fn(void *arg, enum resolver_result result, const struct endpoint *list, size_t count);
/* ascii: the domain in A-form, or an IP literal. */
struct search *resolver_find(struct resolver *resolver, const char *ascii, resolver_fn *fn, void *arg);
void resolver_cancel(struct search **search); /* NULL inside is allowed; not after fn was called */

#endif
