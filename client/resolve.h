/*
 * resolve.h -- from a domain, or what --server says, to numeric addresses in the order to try, over libunbound.
 *
 * SRV records xmpps-client and xmpp-client are mixed by priority and weight (RFC 6120 3.2.1, RFC 2782, XEP-0368 section 3);
 * a target "." takes its kind away; no record at all: the domain itself, port 5222. Addresses of one target come by turns
 * of family, and resolve_race() finds which of them answers first (RFC 8305 in spirit, 250 ms between starts).
 * Nothing here is trusted: the certificate is checked against the JID's domain whatever address was found.
 */
#ifndef CLIENT_RESOLVE_H
#define CLIENT_RESOLVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "client/fault.h"
#include "proto/srv.h"

enum { RESOLVE_ADDRESS_LEN = 46, RESOLVE_TARGETS_MAX = 16, RESOLVE_MAX = 48 };

struct endpoint {
	char address[RESOLVE_ADDRESS_LEN]; /* numeric */
	int family;
	uint16_t port;
	bool direct;
	bool tried; /* for the caller's use, and resolve_race()'s: it did not answer */
};

/* `server` is [xmpp://|xmpps://]HOST[:PORT], IPv6 in [], default ports 5222 and 5223. False: not that. */
bool resolve_server(const char *server, struct srv *target_r);

/* The name into the target. False: too long, or no name at all. */
bool resolve_host(struct srv *target, const char *host, size_t len);

/* At most RESOLVE_MAX endpoints into `list`. 0: the trouble says why. `server` NULL: by `domain`. */
size_t resolve_find(const char *domain, const char *server, int64_t deadline, struct endpoint list[static RESOLVE_MAX],
    struct trouble *trouble);

/* The first untried endpoint that takes a TCP connection; those that refused or came before it are marked tried when they
 * failed. Returns its index, or -1. The probing connection is closed again. */
int resolve_race(struct endpoint *list, size_t count, int64_t deadline);

#endif
